package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
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
	if err := checkVersion(fields[1]); err != nil {
		return Snapshot{}, err
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

// checkVersion refuses formats that this program does not know. A newer
// version of the format is for what an older program must not believe: mere
// new fields need none, since unknown ones are passed over.
func checkVersion(text string) error {
	n, err := strconv.ParseUint(text, 10, 32)
	switch {
	case err != nil || strconv.FormatUint(n, 10) != text:
		return errors.New("not a snapshot: the header line is of another kind")
	case n > version:
		return fmt.Errorf("the snapshot has version %d, from a newer steerdns; this one reads version %d", n, version)
	case n < version:
		return fmt.Errorf("the snapshot has version %d, from an older steerdns; this one reads version %d", n, version)
	}
	return nil
}
