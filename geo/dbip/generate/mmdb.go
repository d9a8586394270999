package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Types of the MaxMind DB file format, version 2.0. Those above 7 are
// "extended": the control byte carries 0 and the next byte type-7.
const (
	typePointer = 1
	typeString  = 2
	typeDouble  = 3
	typeUint16  = 5
	typeUint32  = 6
	typeMap     = 7
	typeUint64  = 9
	typeArray   = 11

	separatorBytes = 16
	metadataMarker = "\xab\xcd\xefMaxMind.com"
	recordBits     = 24
	maxRecord      = 1<<recordBits - 1
)

// section is a data section in the making. What repeats is written where it
// is first used, and pointed to from then on: every byte belongs to a record.
type section struct {
	buf   []byte
	known map[string]int // offsets of keys and of shared maps
}

func (s *section) control(kind, size int) {
	if kind > 7 {
		s.buf = append(s.buf, byte(size), byte(kind-7))
		return
	}
	s.buf = append(s.buf, byte(kind<<5|min(size, 29)))
	if size >= 29 {
		s.buf = append(s.buf, byte(size-29))
	}
}

// text writes a string of at most 284 bytes.
func (s *section) text(v string) {
	s.control(typeString, len(v))
	s.buf = append(s.buf, v...)
}

func (s *section) double(v float64) {
	s.control(typeDouble, 8)
	s.buf = binary.BigEndian.AppendUint64(s.buf, math.Float64bits(v))
}

func (s *section) unsigned(kind int, v uint64) {
	bytes := binary.BigEndian.AppendUint64(nil, v)
	for len(bytes) > 0 && bytes[0] == 0 {
		bytes = bytes[1:]
	}
	s.control(kind, len(bytes))
	s.buf = append(s.buf, bytes...)
}

// pointer refers to an offset below 2048 + 512 KiB in this section.
func (s *section) pointer(offset int) {
	if offset < 2048 {
		s.buf = append(s.buf, byte(typePointer<<5|offset>>8), byte(offset))
		return
	}
	offset -= 2048
	s.buf = append(s.buf, byte(typePointer<<5|1<<3|offset>>16), byte(offset>>8), byte(offset))
}

// shared writes a pointer to the value of that name, or the value itself the
// first time.
func (s *section) shared(name string, write func()) {
	if at, ok := s.known[name]; ok {
		s.pointer(at)
		return
	}
	s.known[name] = len(s.buf)
	write()
}

func (s *section) key(v string) { s.shared(v, func() { s.text(v) }) }

// sharedMap writes {key: value}.
func (s *section) sharedMap(key, value string) {
	s.shared(key+"="+value, func() {
		s.control(typeMap, 1)
		s.key(key)
		s.text(value)
	})
}

// encodeData writes a record for each of the labels in use and returns their
// offsets by label.
func encodeData(places []place, used []int32) ([]byte, map[int32]int) {
	s := &section{known: map[string]int{}}
	offsets := make(map[int32]int, len(used))
	for _, l := range used {
		offsets[l] = len(s.buf)
		s.record(places[l])
	}
	return s.buf, offsets
}

func (s *section) record(p place) {
	s.control(typeMap, 3)
	s.key("continent")
	s.sharedMap("code", continentOf(p.country))
	s.key("country")
	s.sharedMap("iso_code", p.country)
	s.key("location")
	s.control(typeMap, 2)
	s.key("latitude")
	s.double(p.lat)
	s.key("longitude")
	s.double(p.lon)
}

// errNothing says that there is nothing to encode: readers refuse a file
// without nodes.
var errNothing = errors.New("the sources locate nothing")

func encodeMetadata(nodes int, epoch uint) []byte {
	s := &section{}
	field := func(key string, kind int, v uint64) {
		s.text(key)
		s.unsigned(kind, v)
	}
	s.control(typeMap, 9)
	field("binary_format_major_version", typeUint16, 2)
	field("binary_format_minor_version", typeUint16, 0)
	field("build_epoch", typeUint64, uint64(epoch))
	s.text("database_type")
	s.text(databaseType)
	s.text("description")
	s.control(typeMap, 1)
	s.text("en")
	s.text(description)
	field("ip_version", typeUint16, 6)
	s.text("languages")
	s.control(typeArray, 0)
	field("node_count", typeUint32, uint64(nodes))
	field("record_size", typeUint16, recordBits)
	return s.buf
}

// encode writes the tree below root as an mmdb.
func encode(d *dag, root ref, places []place, epoch uint) ([]byte, error) {
	nodes, number, used := d.order(root)
	if len(nodes) == 0 {
		return nil, errNothing
	}
	data, offsets := encodeData(places, used)
	if largest := len(nodes) + separatorBytes + len(data); largest > maxRecord {
		return nil, fmt.Errorf("%d nodes and %d bytes of data do not fit in %d-bit records: lower -bytes", len(nodes), len(data), recordBits)
	}
	value := func(r ref) int {
		switch {
		case r.isInner():
			return int(number[r])
		case r.isLeaf():
			return len(nodes) + separatorBytes + offsets[r.asLabel()]
		}
		return len(nodes)
	}
	out := make([]byte, 0, 6*len(nodes)+len(data)+512)
	for _, n := range nodes {
		for _, child := range d.nodes[n] {
			v := value(child)
			out = append(out, byte(v>>16), byte(v>>8), byte(v))
		}
	}
	out = append(out, make([]byte, separatorBytes)...)
	out = append(out, data...)
	out = append(out, metadataMarker...)
	return append(out, encodeMetadata(len(nodes), epoch)...), nil
}
