package config

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
)

// maxZoneFile is the largest zone file that is read, in bytes.
const maxZoneFile = 256 << 20

// LoadInstance reads an instance file from disk. What it returns beside problems
// is as with ParseInstance.
func LoadInstance(path string) (*Instance, Problems) {
	text, err := readFile(path, maxText)
	if err != nil {
		return nil, unreadable(path, err)
	}
	return ParseInstance(path, text)
}

// LoadFleet reads a fleet file from disk, and the zone files that it names
// relative to itself. What it returns beside problems is as with ParseFleet.
func LoadFleet(path string) (*Fleet, Problems) {
	text, err := readFile(path, maxText)
	if err != nil {
		return nil, unreadable(path, err)
	}
	return ParseFleet(path, text, func(name string, _ bool) ([]byte, error) {
		return ReadZone(beside(path, name))
	})
}

// ReadZone reads a zone file from disk. Its errors do not repeat the path.
func ReadZone(path string) ([]byte, error) { return readFile(path, maxZoneFile) }

func unreadable(path string, err error) Problems {
	fix := "check the path and its permissions"
	if errors.Is(err, fs.ErrNotExist) {
		fix = "check the path"
	}
	return Problems{{Pos: Pos{File: path}, Message: "cannot be read: " + err.Error(), Fix: fix}}
}

// readFile reads a regular file (or a pipe) of at most limit bytes. Its
// errors do not repeat the path.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, bare(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, errors.New("it is a directory")
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("it has more than %d bytes", limit)
	}
	return text, bare(err)
}

// bare strips the operation and the path from an error of package os.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// Hash names a fleet configuration: the hex SHA-256 over the text and the
// files that it names. Two files with the same hash configure the same fleet;
// line ends (CR LF or LF) make no difference.
func Hash(text []byte, files map[string][]byte) string {
	h := sha256.New()
	writePart(h, canonical(text))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		writePart(h, []byte(name))
		writePart(h, canonical(files[name]))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// writePart writes the length first, so that no two lists of parts run
// together into the same bytes.
func writePart(h hash.Hash, part []byte) {
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
	h.Write(part)
}
