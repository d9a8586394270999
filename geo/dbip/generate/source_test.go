package main

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"pgregory.net/rapid"
)

var (
	amsterdam = place{"NL", 52.37, 4.89}
	virginia  = place{"US", 39.04, -77.49}
	oregon    = place{"US", 45.84, -119.7}
	tokyo     = place{"JP", 35.68, 139.65}
	sydney    = place{"AU", -33.87, 151.21}
)

// entry is a network of a made-up source. The generator only works on space
// that may be located, so made-up sources use 20.0.0.0/8 and 2a00::/16 instead of
// documentation prefixes, which it leaves out; nothing is sent there.
type entry struct {
	prefix string
	at     place
}

var (
	madeUp4 = []entry{
		{"20.0.0.0/24", tokyo}, {"20.0.1.0/24", amsterdam}, {"20.0.2.0/23", amsterdam},
		{"20.1.0.0/16", virginia}, {"20.2.0.0/17", oregon}, {"20.2.128.0/17", virginia}, {"20.128.0.0/9", sydney},
	}
	madeUp6 = []entry{
		{"2a00:1000::/33", amsterdam}, {"2a00:1000:8000::/33", virginia}, {"2a00:2000::/32", tokyo}, {"2a00:2001::/48", sydney},
	}
)

func writeFull(t *testing.T, version int, entries []entry) string {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		IPVersion: version, RecordSize: 28, BuildEpoch: 1_700_000_000, DatabaseType: "city",
		DisableIPv4Aliasing: true, IncludeReservedNetworks: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := insert(tree, e); err != nil {
			t.Fatal(err)
		}
	}
	var buf bytes.Buffer
	if _, err := tree.WriteTo(&buf); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "full.mmdb")
	if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func flat(p place) mmdbtype.Map {
	return mmdbtype.Map{
		"city": mmdbtype.String("somewhere"), "country_code": mmdbtype.String(p.country),
		"latitude": mmdbtype.Float32(p.lat), "longitude": mmdbtype.Float32(p.lon),
	}
}

func madeUp(t *testing.T) *source {
	t.Helper()
	src, err := readSource(writeFull(t, 4, madeUp4), writeFull(t, 6, madeUp6))
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func TestReadSourceKeepsPlacesAndOrder(t *testing.T) {
	src := madeUp(t)
	if len(src.v4) != len(madeUp4) || len(src.v6) != len(madeUp6) || src.epoch != 1_700_000_000 {
		t.Fatalf("%d and %d networks of epoch %d", len(src.v4), len(src.v6), src.epoch)
	}
	for i, e := range madeUp4 {
		want := newNetwork(netip.MustParsePrefix(e.prefix), 0)
		got := src.v4[i]
		if got.hi != want.hi || got.bits != want.bits || src.places[got.place] != e.at {
			t.Errorf("network %d: %+v at %v, want %s at %v", i, got, src.places[got.place], e.prefix, e.at)
		}
	}
}

func TestReadSourceRefuses(t *testing.T) {
	nowhere := writeFull(t, 4, []entry{{"20.0.0.0/8", place{"ZZ", 0, 0}}})
	v4, v6 := writeFull(t, 4, madeUp4), writeFull(t, 6, madeUp6)
	for name, paths := range map[string][2]string{
		"swapped":          {v6, v4},
		"absent":           {filepath.Join(t.TempDir(), "absent"), v6},
		"locating nothing": {nowhere, v6},
	} {
		if _, err := readSource(paths[0], paths[1]); err == nil {
			t.Errorf("%s files were read without an error", name)
		}
	}
}

func TestContinentsAreDisjoint(t *testing.T) {
	seen := map[string]string{}
	for _, c := range continents {
		for i := 0; i < len(c.countries); i += 3 {
			country := c.countries[i : i+2]
			if other, twice := seen[country]; twice {
				t.Errorf("%s is in %s and in %s", country, other, c.code)
			}
			seen[country] = c.code
			if got := continentOf(country); got != c.code {
				t.Errorf("continentOf(%s) = %q, want %q", country, got, c.code)
			}
		}
	}
	if len(seen) != 250 { // ISO 3166-1 has 249; XK (Kosovo) is in common use
		t.Errorf("%d countries, want 250", len(seen))
	}
	for _, none := range []string{"", "ZZ", "us", "U", "USA", "O B"} {
		if got := continentOf(none); got != "" {
			t.Errorf("continentOf(%q) = %q", none, got)
		}
	}
}

func TestRandomAddrStaysInItsNetwork(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v4 := rapid.Bool().Draw(t, "v4")
		var addr netip.Addr
		if v4 {
			addr = netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "addr")))
		} else {
			addr = netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "addr")))
		}
		p, _ := addr.Prefix(rapid.IntRange(0, addr.BitLen()).Draw(t, "bits"))
		got := newNetwork(p, 0).randomAddr(seeded(rapid.Uint64().Draw(t, "seed")), v4)
		if !p.Contains(got) {
			t.Fatalf("%s is not in %s", got, p)
		}
	})
}

func insert(tree *mmdbwriter.Tree, e entry) error {
	_, network, err := net.ParseCIDR(e.prefix)
	if err != nil {
		return err
	}
	return tree.Insert(network, flat(e.at))
}
