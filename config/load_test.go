package config

import (
	"testing"
)

func TestExamples(t *testing.T) {
	if _, err := LoadFleet("testdata/example-fleet.yaml"); err != nil {
		t.Error(err)
	}
	if _, err := LoadInstance("testdata/example-instance.yaml"); err != nil {
		t.Error(err)
	}
	if _, problems := ParseFleet("built-in", []byte(ExampleFleet), nil); problems != nil {
		t.Error(problems)
	}
}
