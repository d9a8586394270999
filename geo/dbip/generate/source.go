package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"

	"github.com/oschwald/maxminddb-golang/v2"
)

// place is what the full database knows of a network and the reduced one
// keeps: coordinates in degrees and the country (ISO 3166-1 alpha-2).
type place struct {
	country  string
	lat, lon float64
}

// network is one prefix of the full database. The address is left-aligned in
// 128 bits, in both families: an IPv4 address fills the upper half of hi.
type network struct {
	hi, lo uint64
	bits   uint8
	place  int32 // index into source.places
}

// source is the full database in memory. Networks are disjoint and ascending.
type source struct {
	v4, v6 []network
	places []place
	epoch  uint // when the source was built, in seconds since 1970
}

// flatRecord is the schema of the source files.
type flatRecord struct {
	Country string   `maxminddb:"country_code"`
	Lat     *float64 `maxminddb:"latitude"`
	Lon     *float64 `maxminddb:"longitude"`
}

func readSource(path4, path6 string) (*source, error) {
	src := &source{}
	index := map[place]int32{}
	var err error
	if src.v4, err = src.read(path4, 4, index); err != nil {
		return nil, err
	}
	if src.v6, err = src.read(path6, 6, index); err != nil {
		return nil, err
	}
	return src, nil
}

func (s *source) read(path string, version uint, index map[place]int32) ([]network, error) {
	db, err := maxminddb.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer db.Close()
	if db.Metadata.IPVersion != version {
		return nil, fmt.Errorf("%s: holds IPv%d, want IPv%d (first the IPv4 file, then the IPv6 file)", path, db.Metadata.IPVersion, version)
	}
	s.epoch = max(s.epoch, db.Metadata.BuildEpoch)
	known := map[uintptr]int32{} // by offset in the data section; -1: not located
	var networks []network
	for result := range db.Networks() {
		id, err := s.intern(result, known, index)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if id >= 0 {
			networks = append(networks, newNetwork(result.Prefix(), id))
		}
	}
	if len(networks) == 0 {
		return nil, fmt.Errorf("%s: locates nothing: want the fields country_code, latitude and longitude", path)
	}
	return networks, nil
}

// intern gives the index of the result's place, or -1 if it has none.
func (s *source) intern(result maxminddb.Result, known map[uintptr]int32, index map[place]int32) (int32, error) {
	if err := result.Err(); err != nil {
		return -1, err
	}
	if id, ok := known[result.Offset()]; ok {
		return id, nil
	}
	var record flatRecord
	if err := result.Decode(&record); err != nil {
		return -1, fmt.Errorf("%s: %w", result.Prefix(), err)
	}
	id := int32(-1)
	if p, ok := record.place(); ok {
		if _, seen := index[p]; !seen {
			index[p] = int32(len(s.places))
			s.places = append(s.places, p)
		}
		id = index[p]
	}
	known[result.Offset()] = id
	return id, nil
}

// place rounds to a thousandth of a degree (about 100 m). Records without
// coordinates, or of no known country, are not located.
func (r flatRecord) place() (place, bool) {
	if r.Lat == nil || r.Lon == nil || continentOf(r.Country) == "" {
		return place{}, false
	}
	p := place{country: r.Country, lat: math.Round(*r.Lat*1000) / 1000, lon: math.Round(*r.Lon*1000) / 1000}
	return p, math.Abs(p.lat) <= 90 && math.Abs(p.lon) <= 180
}

func newNetwork(p netip.Prefix, id int32) network {
	n := network{bits: uint8(p.Bits()), place: id}
	n.hi, n.lo = leftAligned(p.Addr())
	return n
}

func leftAligned(addr netip.Addr) (hi, lo uint64) {
	if addr.Is4() {
		a := addr.As4()
		return uint64(binary.BigEndian.Uint32(a[:])) << 32, 0
	}
	a := addr.As16()
	return binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])
}

// bit is the address's bit number i, counted from the left.
func (n network) bit(i int) int {
	if i < 64 {
		return int(n.hi >> (63 - i) & 1)
	}
	return int(n.lo >> (127 - i) & 1)
}

// weight4 counts the addresses of an IPv4 network.
func weight4(bits uint8) float64 { return math.Ldexp(1, 32-int(bits)) }

// weight6 counts the /48 sites of an IPv6 network, but never more than wide
// prefix length holds: what is wider in one piece is address plan, not
// clients, and would outweigh all else.
func weight6(wide int) func(bits uint8) float64 {
	return func(bits uint8) float64 { return math.Ldexp(1, 48-max(wide, int(bits))) }
}
