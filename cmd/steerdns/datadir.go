package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"
)

// dataLock is how a handover names the lock on the data directory among the
// sockets.
const dataLock = "data-lock"

// lockData makes the data directory, if need be, and locks it for the life of
// the file returned: two processes would replace each other's state. The
// directory itself is what is locked, so that a full or read-only disk is no
// hindrance. inherited is the lock of the process before, or nil. Where
// nothing can be locked the file is nil, and a warning says so.
func lockData(dir string, inherited *os.File, log *slog.Logger) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("data directory: %w (change data in the instance file, or its owner)", err)
	}
	if inherited != nil {
		if same(inherited, dir) {
			return inherited, nil
		}
		inherited.Close() // the instance file names another directory now
	}
	f, err := os.Open(dir)
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		f.Close()
		return nil, fmt.Errorf("data directory %s: another process uses it (stop that one, `fuser %s` names it; or give this instance a data directory of its own)", dir, dir)
	case err != nil:
		f.Close()
		log.Warn("the data directory cannot be locked; see to it that no other process uses it", "data", dir, "error", err)
		return nil, nil
	}
	return f, nil
}

// same says whether f is what is at path.
func same(f *os.File, path string) bool {
	a, err := f.Stat()
	b, pathErr := os.Stat(path)
	return err == nil && pathErr == nil && os.SameFile(a, b)
}
