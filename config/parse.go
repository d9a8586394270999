package config

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
)

// canonical is text without a byte order mark and with LF line ends.
func canonical(text []byte) []byte {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !bytes.Contains(text, []byte("\r\n")) {
		return text // a zone may be large
	}
	return bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
}

// Reader returns the text of a file that a zone's `file` key names, by the name
// as written. pinned files, which have a `sha256` key, are each instance's own,
// and their names absolute; the others belong to the fleet file.
type Reader func(name string, pinned bool) ([]byte, error)

// ParseFleet reads a fleet file. read may be nil when there are no files. With
// problems, the result is what could be read in spite of them: good for finding
// what else is wrong, and for nothing else. It is nil when that is nothing.
func ParseFleet(file string, text []byte, read Reader) (*Fleet, Problems) {
	fleet := &Fleet{File: file, Text: bytes.Clone(text), Files: map[string][]byte{}}
	d, root := start(file, text)
	if !root.given() {
		return nil, d.problems.Sorted()
	}
	fd := newFleetDecoder(d, fleet, read)
	fd.decode(root)
	fd.validate()
	if len(d.problems) > 0 {
		fd.keepSound()
		return fleet, d.problems.Sorted()
	}
	fleet.sortEndpoints()
	fleet.Hash = Hash(fleet.Text, fleet.Files)
	return fleet, nil
}

// ParseInstance reads an instance file. With problems, the result is what could
// be read in spite of them, as with ParseFleet.
func ParseInstance(file string, text []byte) (*Instance, Problems) {
	d, root := start(file, text)
	var in *Instance
	if root.given() {
		in = d.instance(file, root)
	}
	return in, d.problems.Sorted()
}

// IsFleet reports whether text has one of the keys that every fleet file has and
// no instance file may have. What is no YAML has none, and neither loader takes it.
func IsFleet(text []byte) bool {
	root, _ := parseTree("", canonical(text))
	return root != nil && slices.ContainsFunc([]string{"zones", "regions", "services"}, func(key string) bool {
		return root.find(key) != nil
	})
}

// start makes the tree of a text and a decoder for it. Without a tree there
// is at least one problem.
func start(file string, text []byte) (*decoder, item) {
	root, problems := parseTree(file, canonical(text))
	d := &decoder{problems: problems}
	v := item{node: root, d: d}
	if root != nil {
		v.at = root.pos
	}
	return d, v
}

// readFile reads a file that the fleet names.
func (d *fleetDecoder) readFile(name string, pinned bool) ([]byte, error) {
	if d.read == nil {
		return nil, errors.New("there are no files here")
	}
	return d.read(name, pinned)
}

// sortEndpoints orders each service's endpoints by region.
func (f *Fleet) sortEndpoints() {
	order := make(map[string]int, len(f.Regions))
	for i, r := range f.Regions {
		order[r.Name] = i
	}
	for _, s := range f.Services {
		slices.SortStableFunc(s.Endpoints, func(a, b Endpoint) int {
			return cmp.Compare(order[a.Region], order[b.Region])
		})
	}
}
