package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// A file is one header line, "steerdns-snapshot VERSION SHA256 LENGTH", and
// LENGTH bytes of JSON with that digest (hexadecimal).
const (
	magic   = "steerdns-snapshot"
	version = 1
)

// maxHeader is the longest header line, in bytes.
const maxHeader = 128

// prevSuffix names the file that was good before the last Save.
const prevSuffix = ".prev"

// encode makes a file's bytes.
func encode(s Snapshot) ([]byte, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	body, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	file := append(fmt.Appendf(nil, "%s %d %s %d\n", magic, version, hex.EncodeToString(sum[:]), len(body)), body...)
	if len(file) > maxSize {
		return nil, fmt.Errorf("the snapshot has %d bytes, more than the %d that are read back", len(file), maxSize)
	}
	return file, nil
}

// decode reads a file's bytes, and believes them only in whole.
func decode(file []byte) (Snapshot, error) {
	head, body, found := bytes.Cut(file, []byte("\n"))
	if !found || len(head) > maxHeader {
		return Snapshot{}, errors.New("not a snapshot: it has no header line")
	}
	fields := strings.Split(string(head), " ")
	if len(fields) != 4 || fields[0] != magic {
		return Snapshot{}, errors.New("not a snapshot: the header line is of another kind")
	}
	if fields[1] != fmt.Sprint(version) {
		return Snapshot{}, fmt.Errorf("the snapshot has version %.20q, this program reads %d", fields[1], version)
	}
	if fields[3] != fmt.Sprint(len(body)) {
		return Snapshot{}, fmt.Errorf("the snapshot has %d bytes where the header says %.20s: it is cut short or grown", len(body), fields[3])
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != fields[2] {
		return Snapshot{}, errors.New("the snapshot's checksum does not match: it is damaged")
	}
	var s Snapshot
	if err := json.Unmarshal(body, &s); err != nil {
		return Snapshot{}, fmt.Errorf("the snapshot's content cannot be read: %w", err)
	}
	if err := s.validate(); err != nil {
		return Snapshot{}, fmt.Errorf("the snapshot's content is not believable: %w", err)
	}
	return s, nil
}

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
		return fmt.Errorf("snapshot %s (the one before it is kept): %w", path, err)
	}
	return nil
}

// replace puts file at path: a temporary file, made durable, takes its name
// after the present one, if it is whole, was linked to path+".prev".
func replace(d Disk, path string, file []byte) error {
	temp := path + ".tmp"
	if err := d.Write(temp, file); err != nil {
		return errors.Join(err, discard(d, temp))
	}
	if _, err := read(d, path); err == nil {
		if err := keepPrevious(d, path); err != nil {
			return errors.Join(err, discard(d, temp))
		}
	}
	if err := d.Rename(temp, path); err != nil {
		return errors.Join(err, discard(d, temp))
	}
	return d.SyncDir(path)
}

// keepPrevious makes path+".prev" the file that path is, without a moment at
// which either name is missing.
func keepPrevious(d Disk, path string) error {
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
