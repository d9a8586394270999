package snapshot

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// prevSuffix names the file that was good before the last Save.
const prevSuffix = ".prev"

// Save writes s to path, so that at every moment of a crash path, or else
// path+".prev", holds a whole snapshot. The file is readable by its owner
// only. Only one Save of a path may run at a time.
func Save(path string, s Snapshot) error { return SaveTo(files{}, path, s) }

// SaveTo is Save on another disk than the operating system's.
func SaveTo(d Disk, path string, s Snapshot) error {
	file, err := encode(s)
	if err != nil {
		return fmt.Errorf("snapshot %s: %w", path, err)
	}
	if err := replace(d, path, file); err != nil {
		return fmt.Errorf("snapshot %s (the one before it is kept): %w%s", path, err, remedy(err))
	}
	return nil
}

// replace puts file at path: a temporary file, made durable, takes its name
// after the present one, if it is whole, was linked to path+".prev".
func replace(d Disk, path string, file []byte) error {
	temp := path + ".tmp"
	err := d.Write(temp, file)
	if err == nil {
		err = keepPrevious(d, path)
	}
	if err == nil {
		err = d.Rename(temp, path)
	}
	if err != nil {
		_ = discard(d, temp) // what failed before is what to tell
		return err
	}
	return d.SyncDir(path)
}

// keepPrevious makes path+".prev" the file that path is, unless that is
// damaged, without a moment at which either name is missing.
func keepPrevious(d Disk, path string) error {
	if _, err := read(d, path); err != nil {
		return nil // none yet, or damaged: the previous one stays
	}
	link := path + prevSuffix + ".tmp"
	if err := discard(d, link); err != nil {
		return err
	}
	if err := d.Link(path, link); err != nil {
		// A file system without hard links: path is away for a moment,
		// in which Load finds the previous one.
		return d.Rename(path, path+prevSuffix)
	}
	return d.Rename(link, path+prevSuffix)
}

func discard(d Disk, path string) error {
	if err := d.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// remedy is what a person can do about a disk that takes nothing.
func remedy(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return " (free space on that disk; it is tried again by itself)"
	case errors.Is(err, syscall.EROFS):
		return " (mount it writable again: look in the kernel's log why it is not; it is tried again by itself)"
	case errors.Is(err, fs.ErrPermission):
		return " (let this process's user write there; it is tried again by itself)"
	case errors.Is(err, syscall.EIO):
		return " (the disk fails: look in the kernel's log)"
	}
	return ""
}
