package snapshot

import (
	"errors"
	"fmt"
	"io/fs"
)

// Source says where Load found a snapshot.
type Source struct {
	Path     string // the file that was used
	Previous bool   // it is the previous one, since the latest was refused
	Refused  error  // why the latest was refused; nil unless Previous
}

// Load reads the snapshot at path or, when that cannot be used, the previous
// one, and says which and why. Without a usable file it fails; the error is
// fs.ErrNotExist when there is none at all, as on a first start.
func Load(path string) (Snapshot, Source, error) { return LoadFrom(files{}, path) }

// LoadFrom is Load on another disk than the operating system's.
func LoadFrom(d Disk, path string) (Snapshot, Source, error) {
	s, err := read(d, path)
	if err == nil {
		return s, Source{Path: path}, nil
	}
	prev, prevErr := read(d, path+prevSuffix)
	if prevErr == nil {
		return prev, Source{Path: path + prevSuffix, Previous: true, Refused: err}, nil
	}
	if errors.Is(err, fs.ErrNotExist) && errors.Is(prevErr, fs.ErrNotExist) {
		return Snapshot{}, Source{}, err
	}
	return Snapshot{}, Source{}, fmt.Errorf("no usable snapshot: %v; %v", err, prevErr)
}

func read(d Disk, path string) (Snapshot, error) {
	file, err := d.Read(path, maxSize+1)
	if errors.Is(err, fs.ErrNotExist) {
		return Snapshot{}, err
	}
	if err != nil {
		return Snapshot{}, fmt.Errorf("snapshot %s: %w", path, err)
	}
	if len(file) > maxSize {
		return Snapshot{}, fmt.Errorf("snapshot %s has more than %d bytes", path, maxSize)
	}
	s, err := decode(file)
	if err != nil {
		return Snapshot{}, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}
