package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sort"
	"text/tabwriter"

	"github.com/oschwald/maxminddb-golang/v2"
)

// town is a named region of the comparison.
type town struct {
	name string
	at   place
}

// towns: the first 3, 5 and 9 make the three fleets.
var towns = []town{
	{"Virginia", place{lat: 39.0438, lon: -77.4874}},
	{"Oregon", place{lat: 45.8399, lon: -119.7006}},
	{"Ireland", place{lat: 53.3498, lon: -6.2603}},
	{"Sao Paulo", place{lat: -23.5505, lon: -46.6333}},
	{"Singapore", place{lat: 1.3521, lon: 103.8198}},
	{"Tokyo", place{lat: 35.6762, lon: 139.6503}},
	{"Sydney", place{lat: -33.8688, lon: 151.2093}},
	{"Mumbai", place{lat: 19.0760, lon: 72.8777}},
	{"Frankfurt", place{lat: 50.1109, lon: 8.6821}},
}

// reading is one random address: what the full database says, and the
// reduced one.
type reading struct {
	full, reduced vec
	located       bool // by the reduced database
	sameCountry   bool
}

// cityRecord is the part of the GeoIP2-City schema that is kept.
type cityRecord struct {
	Country struct {
		ISOCode string `maxminddb:"iso_code"`
	} `maxminddb:"country"`
	Location struct {
		Lat float64 `maxminddb:"latitude"`
		Lon float64 `maxminddb:"longitude"`
	} `maxminddb:"location"`
}

// drawing is a way to pick random addresses: networks of the full database
// by weight, then an address in it, all alike.
type drawing struct {
	name     string
	networks []network
	weight   func(bits uint8) float64
	v4       bool
}

func drawings(src *source) []drawing {
	return []drawing{
		{"IPv4 address", src.v4, weight4, true},
		{"IPv6 site, capped at /32", src.v6, weight6(32), false},
		{"IPv6 site, capped at /40", src.v6, weight6(40), false},
		{"IPv6 site, capped at /48", src.v6, weight6(48), false},
		{"IPv6 network", src.v6, func(uint8) float64 { return 1 }, false},
	}
}

func compare(src *source, reduced []byte, seed uint64, count int, out io.Writer) error {
	db, err := maxminddb.OpenBytes(reduced)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "size %d bytes, %d nodes; seed %d, %d random addresses a row\n\n",
		len(reduced), db.Metadata.NodeCount, seed, count)
	table := tabwriter.NewWriter(out, 2, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "random\t3 regions\t5 regions\t9 regions\tother fleets\tcountry\tlost\tkm off p50\tp95\t")
	for _, d := range drawings(src) {
		readings, err := d.draw(db, src.places, count, rand.New(rand.NewPCG(seed, 1)))
		if err != nil {
			return err
		}
		printRow(table, d.name, readings, otherFleets(src, seed))
	}
	return table.Flush()
}

func printRow(out io.Writer, name string, readings []reading, others [][]vec) {
	fmt.Fprintf(out, "%s\t", name)
	for _, n := range []int{3, 5, 9} {
		fmt.Fprintf(out, "%.2f %%\t", 100*agreement(readings, fleetOf(n)))
	}
	sum := 0.0
	for i, fleet := range others {
		sum += agreement(readings[i*len(readings)/len(others):(i+1)*len(readings)/len(others)], fleet)
	}
	fmt.Fprintf(out, "%.2f %%\t", 100*sum/float64(len(others)))
	country, lost := 0, 0
	var off []float64
	for _, r := range readings {
		if r.sameCountry {
			country++
		}
		if !r.located {
			lost++
		} else {
			off = append(off, r.full.km(r.reduced))
		}
	}
	slices.Sort(off)
	all := float64(len(readings))
	fmt.Fprintf(out, "%.2f %%\t%.3f %%\t%.0f\t%.0f\t\n", 100*float64(country)/all, 100*float64(lost)/all, quantile(off, 0.5), quantile(off, 0.95))
}

func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	return sorted[int(q*float64(len(sorted)-1))]
}

func fleetOf(n int) []vec {
	var fleet []vec
	for _, t := range towns[:n] {
		fleet = append(fleet, t.at.vec())
	}
	return fleet
}

// otherFleets are 50 fleets of 3 to 9 regions where random IPv4 addresses
// are: neither the towns above nor the metros that the reduction imagines.
func otherFleets(src *source, seed uint64) [][]vec {
	random := rand.New(rand.NewPCG(seed, 2))
	sums := cumulative(src.v4, weight4)
	fleets := make([][]vec, 50)
	for i := range fleets {
		for range 3 + random.IntN(7) {
			n := src.v4[pick(sums, random)]
			fleets[i] = append(fleets[i], src.places[n.place].vec())
		}
	}
	return fleets
}

// agreement is the share of readings for which both databases choose the
// same nearest region. What the reduced one does not locate does not agree.
func agreement(readings []reading, fleet []vec) float64 {
	same := 0
	for _, r := range readings {
		a, _ := nearest(fleet, r.full)
		b, _ := nearest(fleet, r.reduced)
		if r.located && a == b {
			same++
		}
	}
	return float64(same) / float64(max(1, len(readings)))
}

func cumulative(networks []network, weight func(uint8) float64) []float64 {
	sums := make([]float64, len(networks))
	total := 0.0
	for i, n := range networks {
		total += weight(n.bits)
		sums[i] = total
	}
	return sums
}

func pick(sums []float64, random *rand.Rand) int {
	at := random.Float64() * sums[len(sums)-1]
	return min(len(sums)-1, sort.Search(len(sums), func(i int) bool { return sums[i] > at }))
}

func (d drawing) draw(db *maxminddb.Reader, places []place, count int, random *rand.Rand) ([]reading, error) {
	sums := cumulative(d.networks, d.weight)
	readings := make([]reading, 0, count)
	for len(readings) < count {
		n := d.networks[pick(sums, random)]
		addr := n.randomAddr(random, d.v4)
		if skipped(addr) {
			continue
		}
		r, err := look(db, addr, places[n.place])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", addr, err)
		}
		readings = append(readings, r)
	}
	return readings, nil
}

// skipped are addresses whose place in the reduced database is not meant to
// be that of the full one.
func skipped(addr netip.Addr) bool {
	for _, list := range [][]netip.Prefix{nowhere4, nowhere6, embedded4} {
		for _, p := range list {
			if p.Contains(addr) {
				return true
			}
		}
	}
	return false
}

func look(db *maxminddb.Reader, addr netip.Addr, full place) (reading, error) {
	result := db.Lookup(addr)
	var record cityRecord
	if err := result.Decode(&record); err != nil {
		return reading{}, err
	}
	p := place{lat: record.Location.Lat, lon: record.Location.Lon}
	return reading{full.vec(), p.vec(), result.Found(), record.Country.ISOCode == full.country}, nil
}

// randomAddr is one of the network's addresses, all alike.
func (n network) randomAddr(random *rand.Rand, v4 bool) netip.Addr {
	hi, lo := random.Uint64(), random.Uint64()
	mask := func(bits int) uint64 { return ^uint64(0) >> max(0, bits) }
	hi = n.hi | hi&mask(int(n.bits))
	lo = n.lo | lo&mask(int(n.bits)-64)
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], hi)
	binary.BigEndian.PutUint64(b[8:], lo)
	if v4 {
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrFrom16(b)
}
