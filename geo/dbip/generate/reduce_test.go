package main

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oschwald/geoip2-golang/v2"
	"github.com/oschwald/maxminddb-golang/v2"
	"pgregory.net/rapid"
)

func TestReduceIsDeterministic(t *testing.T) {
	var first []byte
	for range 3 {
		got, _, err := reduce(madeUp(t), defaultPlan())
		if err != nil {
			t.Fatal(err)
		}
		if first != nil && !bytes.Equal(first, got) {
			t.Fatal("the same source gave other bytes")
		}
		first = got
	}
}

func TestReduceRefusesWhatCannotFit(t *testing.T) {
	p := defaultPlan()
	p.maxBytes = 100
	if _, _, err := reduce(madeUp(t), p); err == nil {
		t.Fatal("a database of 100 bytes")
	}
}

// The whole command: two sources in, a database that a GeoIP2 reader opens
// out, and nothing but that file in the directory.
func TestGenerateAndCompare(t *testing.T) {
	v4, v6 := writeFull(t, 4, madeUp4), writeFull(t, 6, madeUp6)
	dir := t.TempDir()
	path := filepath.Join(dir, "city.mmdb")
	if err := os.WriteFile(path, []byte("the old file"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run([]string{"-o", path, v4, v6}, &out); err != nil {
		t.Fatal(err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
	checkMadeUp(t, path)
	out.Reset()
	if err := run([]string{"compare", "-n", "500", v4, v6, path}, &out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "100.00 %"); n != 5*len(drawings(&source{})) {
		t.Errorf("a database without loss differs from its source:\n%s", out.String())
	}
}

func checkMadeUp(t *testing.T, path string) {
	t.Helper()
	db, err := geoip2.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, e := range append(madeUp4, madeUp6...) {
		got, err := db.City(netip.MustParsePrefix(e.prefix).Addr())
		if err != nil {
			t.Fatal(err)
		}
		if got.Country.ISOCode != e.at.country || *got.Location.Latitude != e.at.lat || *got.Location.Longitude != e.at.lon {
			t.Errorf("%s: %s at %v, %v; want %v", e.prefix, got.Country.ISOCode, *got.Location.Latitude, *got.Location.Longitude, e.at)
		}
	}
}

// A database of the antipodes must not look good.
func TestCompareSeesErrors(t *testing.T) {
	v4, v6 := writeFull(t, 4, madeUp4), writeFull(t, 6, madeUp6)
	other := func(entries []entry) []entry {
		moved := append([]entry(nil), entries...)
		for i := range moved {
			moved[i].at = place{"ZA", -moved[i].at.lat, moved[i].at.lon / 2}
		}
		return moved
	}
	path := filepath.Join(t.TempDir(), "wrong.mmdb")
	if err := run([]string{"-o", path, writeFull(t, 4, other(madeUp4)), writeFull(t, 6, other(madeUp6))}, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run([]string{"compare", "-n", "500", v4, v6, path}, &out); err != nil {
		t.Fatal(err)
	}
	rows := len(drawings(&source{}))
	if strings.Count(out.String(), "  0.00 %") < rows { // no row has the country right
		t.Errorf("a wrong database agrees:\n%s", out.String())
	}
}

func TestAgreementIsAShareOfWhatIsLocated(t *testing.T) {
	a, b := amsterdam.vec(), sydney.vec()
	readings := []reading{
		{full: a, reduced: a, located: true},
		{full: a, reduced: b, located: true},
		{full: b, reduced: place{lat: -30, lon: 150}.vec(), located: true}, // moved, but the same region
		{full: a, reduced: a},                                              // not located: an answer by luck does not count
	}
	if got := agreement(readings, []vec{a, b}); got != 0.5 {
		t.Errorf("agreement %v, want 0.5", got)
	}
}

func TestRunRefuses(t *testing.T) {
	for _, args := range [][]string{{}, {"one"}, {"compare"}, {"compare", "a", "b", "c", "d"}, {"compare", "-n", "0", "a", "b"}, {"-no-such-flag"}} {
		if err := run(args, &bytes.Buffer{}); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}

func TestSnapStaysNearAndInTheCountry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var places []place
		var weights []float64
		for range rapid.IntRange(1, 30).Draw(t, "n") {
			places = append(places, place{
				rapid.SampledFrom([]string{"NL", "BE", "US"}).Draw(t, "country"),
				rapid.Float64Range(50, 53).Draw(t, "lat"), rapid.Float64Range(3, 7).Draw(t, "lon"),
			})
			weights = append(weights, rapid.Float64Range(0, 1).Draw(t, "weight"))
		}
		s := snap(places, weights, 70)
		for i, p := range places {
			l := s.labels[s.label[i]]
			if l.country != p.country || l.vec().km(p.vec()) > 70.001 {
				t.Fatalf("%v became %v", p, l)
			}
		}
	})
}

func TestGraftReplacesOnlyItsPrefix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr, _ := buildTest(drawNetworks(t))
		collapsed, _ := tr.prune(0)
		d := newDAG(0)
		root := d.add(tr, collapsed)
		hole := netip.PrefixFrom(netip.AddrFrom4([4]byte{20, 0, 0, rapid.Byte().Draw(t, "octet")}), rapid.IntRange(20, 32).Draw(t, "bits")).Masked()
		with := d.graft(root, hole, leaf(99))
		for i := range 256 {
			addr := netip.AddrFrom4([4]byte{20, 0, 0, byte(i)})
			want := lookup(d, root, addr)
			if hole.Contains(addr) {
				want = leaf(99)
			}
			if got := lookup(d, with, addr); got != want {
				t.Fatalf("%s: %v, want %v", addr, got, want)
			}
		}
	})
}

// What is encoded is what a reader of the format finds, IPv4 also where it is
// embedded in IPv6.
func TestEncodedTreesReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr, _ := buildTest(drawNetworks(t))
		collapsed, _ := tr.prune(0)
		d := newDAG(0)
		root4 := d.add(tr, collapsed)
		data, err := encode(d, joinFamilies(d, root4, empty), testPlaces, 1)
		if root4 == empty {
			if !errors.Is(err, errNothing) {
				t.Fatalf("an empty tree: %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		db, err := maxminddb.OpenBytes(data)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Verify(); err != nil {
			t.Fatal(err)
		}
		for i := range 256 {
			a := netip.AddrFrom4([4]byte{20, 0, 0, byte(i)})
			want := lookup(d, root4, a)
			for _, addr := range []netip.Addr{a, netip.AddrFrom16(a.As16()), netip.AddrFrom16([16]byte{0x20, 0x02, 20, 0, 0, byte(i)})} {
				checkRecord(t, db, addr, want)
			}
		}
	})
}

func checkRecord(t *rapid.T, db *maxminddb.Reader, addr netip.Addr, want ref) {
	result := db.Lookup(addr)
	if result.Found() != want.isLeaf() {
		t.Fatalf("%s: found %v, want %v", addr, result.Found(), want)
	}
	if !result.Found() {
		return
	}
	var record cityRecord
	if err := result.Decode(&record); err != nil {
		t.Fatal(err)
	}
	p := testPlaces[want.asLabel()]
	if got := (place{record.Country.ISOCode, record.Location.Lat, record.Location.Lon}); got != p {
		t.Fatalf("%s: %v, want %v", addr, got, p)
	}
}

// A label in every country: shared values lie beyond the reach of the short
// pointer (2 KiB).
func TestFarPointersReadBack(t *testing.T) {
	var places []place
	for _, c := range continents {
		for _, country := range append(strings.Fields(c.countries), strings.Fields(c.countries)...) {
			places = append(places, place{country, float64(len(places)%90) + 0.5, float64(-len(places) % 180)})
		}
	}
	d := newDAG(0)
	root := empty
	at := func(i int) netip.Addr { return netip.AddrFrom16([16]byte{0x2a, 0, byte(i >> 8), byte(i)}) }
	for i := range places {
		root = d.graft(root, netip.PrefixFrom(at(i), 32), leaf(int32(i)))
	}
	data, err := encode(d, root, places, 1)
	if err != nil {
		t.Fatal(err)
	}
	db, err := maxminddb.OpenBytes(data)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range places {
		r, err := look(db, at(i), want)
		if err != nil || !r.located || !r.sameCountry || r.full != r.reduced {
			t.Fatalf("%s: %+v, %v, want %v", at(i), r, err, want)
		}
	}
}
