package snapshot

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// Disk is the little of a file system that snapshots need. A name that is
// missing is an fs.ErrNotExist.
type Disk interface {
	// Write makes a file of these bytes, or replaces it, and returns when
	// its content is durable; a crash before that leaves anything.
	Write(name string, data []byte) error
	// Read reads at most limit bytes.
	Read(name string, limit int64) ([]byte, error)
	Link(from, to string) error
	Rename(from, to string) error
	Remove(name string) error
	// SyncDir makes the names in the directory of name durable.
	SyncDir(name string) error
}

// files is the operating system's disk.
type files struct{}

func (files) Write(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (files) Read(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, limit))
	return data, errors.Join(err, f.Close())
}

func (files) Link(from, to string) error   { return os.Link(from, to) }
func (files) Rename(from, to string) error { return os.Rename(from, to) }
func (files) Remove(name string) error     { return os.Remove(name) }

func (files) SyncDir(name string) error {
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
