package config

import (
	"bytes"
)

// canonical is text without a byte order mark and with LF line ends.
func canonical(text []byte) []byte {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	return bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
}

// ParseInstance reads an instance file. The result is nil when there is any
// problem.
func ParseInstance(file string, text []byte) (*Instance, Problems) {
	return nil, Problems{{Pos: Pos{File: file}, Message: "cannot be read yet"}}
}

// ParseFleet reads a fleet file. read returns the text of a file that a
// zone's `file` key names, by the name as written. The result is nil when
// there is any problem.
func ParseFleet(file string, text []byte, read func(name string) ([]byte, error)) (*Fleet, Problems) {
	return nil, Problems{{Pos: Pos{File: file}, Message: "cannot be read yet"}}
}

// LoadInstance reads an instance file from disk. The error, if any, is
// Problems.
func LoadInstance(path string) (*Instance, error) {
	in, problems := ParseInstance(path, nil)
	return in, problems.Err()
}

// LoadFleet reads a fleet file from disk, and the zone files it names
// relative to it. The error, if any, is Problems.
func LoadFleet(path string) (*Fleet, error) {
	f, problems := ParseFleet(path, nil, nil)
	return f, problems.Err()
}
