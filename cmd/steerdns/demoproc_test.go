package main

import (
	"io"
	"testing"
)

// What is asked for while the demo ends would outlive it.
func TestCrewStartsNothingAtItsEnd(t *testing.T) {
	c := newCrew("/bin/true", t.TempDir(), newNarrator(io.Discard, demoControl))
	c.stopAll()
	if err := c.start(job{"late", "etcd", nil}); err == nil {
		t.Error("a process was started after all were ended")
	}
}
