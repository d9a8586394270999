package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Two processes in one data directory would replace each other's state.
func TestDataDirectoryIsLocked(t *testing.T) {
	silent := slog.New(slog.DiscardHandler)
	dir := filepath.Join(t.TempDir(), "data")
	lock := func(dir string, inherited *os.File) *os.File {
		t.Helper()
		f, err := lockData(dir, inherited, silent)
		if err != nil || f == nil {
			t.Fatalf("locking %s: %v, %v", dir, f, err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	refused := func() {
		t.Helper()
		if _, err := lockData(dir, nil, silent); err == nil || !strings.Contains(err.Error(), "data directory "+dir+": another process uses it (") {
			t.Errorf("a second process: %v", err)
		}
	}
	first := lock(dir, nil)
	refused()
	if got := lock(dir, first); got != first {
		t.Error("an inherited lock is not used")
	}
	refused()
	lock(filepath.Join(t.TempDir(), "other"), first) // a handover with another directory
	lock(dir, nil)
}

func TestDataDirectoryThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := lockData(filepath.Join(file, "data"), nil, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "change data in the instance file") {
		t.Errorf("below a file: %v", err)
	}
}
