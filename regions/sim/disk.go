package sim

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"slices"
)

// disk is a file system that forgets what was not made durable when the power
// goes, and writes that happen in any part. It is a snapshot.Disk.
type disk struct {
	dice    *dice
	full    int                 // faults that leave no room
	quota   int                 // operations left before the process dies; negative: no end in sight
	names   map[string]*inode   // as the process sees them
	durable map[string][]*inode // as a power loss may leave them: any one of these; nil: no file
}

type inode struct {
	data   []byte
	synced bool
}

var (
	errDied = errors.New("the process died here")
	errFull = errors.New("no space left on device")
)

func newDisk(d *dice) *disk {
	return &disk{dice: d, quota: -1, names: map[string]*inode{}, durable: map[string][]*inode{}}
}

// spend counts an operation; the process may die before it.
func (d *disk) spend() error {
	switch {
	case d.quota == 0:
		return errDied
	case d.quota > 0:
		d.quota--
	}
	return nil
}

func (d *disk) Write(name string, data []byte) error {
	if err := d.spend(); err != nil {
		return err
	}
	if d.full > 0 {
		d.set(name, &inode{data: bytes.Clone(data[:d.dice.below(len(data))])})
		return errFull
	}
	if d.quota == 0 { // it dies in the middle of this write
		d.set(name, &inode{data: bytes.Clone(data[:d.dice.below(len(data))])})
		return errDied
	}
	d.set(name, &inode{data: bytes.Clone(data), synced: true})
	return nil
}

// set points a name to a file; a power loss may leave the old one or the new.
func (d *disk) set(name string, to *inode) {
	if _, known := d.durable[name]; !known {
		d.durable[name] = []*inode{nil}
	}
	if to == nil {
		delete(d.names, name)
	} else {
		d.names[name] = to
	}
	d.durable[name] = append(d.durable[name], to)
}

func (d *disk) Read(name string, limit int64) ([]byte, error) {
	file := d.names[name]
	if file == nil {
		return nil, fs.ErrNotExist
	}
	return file.data[:min(int64(len(file.data)), limit)], nil
}

func (d *disk) Link(from, to string) error {
	if err := d.spend(); err != nil {
		return err
	}
	if d.names[to] != nil {
		return fs.ErrExist
	}
	d.set(to, d.names[from])
	return nil
}

func (d *disk) Rename(from, to string) error {
	if err := d.spend(); err != nil {
		return err
	}
	d.set(to, d.names[from])
	d.set(from, nil)
	return nil
}

func (d *disk) Remove(name string) error {
	if err := d.spend(); err != nil {
		return err
	}
	if d.names[name] == nil {
		return fs.ErrNotExist
	}
	d.set(name, nil)
	return nil
}

func (d *disk) SyncDir(string) error {
	if err := d.spend(); err != nil {
		return err
	}
	for name := range d.durable {
		d.durable[name] = []*inode{d.names[name]}
	}
	return nil
}

// losePower leaves of every name one of the files that it may have, and of
// files that were not made durable any part.
func (d *disk) losePower() {
	for _, name := range slices.Sorted(maps.Keys(d.durable)) {
		may := d.durable[name]
		left := may[d.dice.below(len(may))]
		d.durable[name] = []*inode{left}
		if left == nil {
			delete(d.names, name)
			continue
		}
		if !left.synced {
			left.data = left.data[:d.dice.below(len(left.data)+1)]
		}
		d.names[name] = left
	}
}

// flip flips one bit of a file, if there is one.
func (d *disk) flip(name string) (hit bool) {
	file := d.names[name]
	if file == nil || len(file.data) == 0 {
		return false
	}
	file.data = bytes.Clone(file.data)
	file.data[d.dice.below(len(file.data))] ^= 1 << d.dice.below(8)
	return true
}
