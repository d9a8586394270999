package geo

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

// entry is one network of a database made in a test; later ones win.
type entry struct {
	prefix string
	record mmdbtype.Map
}

func inCity(lat, lon float64, iso string) mmdbtype.Map {
	return mmdbtype.Map{
		"country":      mmdbtype.Map{"iso_code": mmdbtype.String(iso)},
		"continent":    mmdbtype.Map{"code": mmdbtype.String(ContinentOf(iso))},
		"location":     mmdbtype.Map{"latitude": mmdbtype.Float64(lat), "longitude": mmdbtype.Float64(lon)},
		"subdivisions": mmdbtype.Slice{mmdbtype.Map{"iso_code": mmdbtype.String("S1")}},
		"city":         mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String("Somewhere")}},
	}
}

func inCountry(iso string) mmdbtype.Map {
	return mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(iso)}}
}

func inAS(number uint32) mmdbtype.Map {
	return mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(number)}
}

// makeDB is the contents of a database file.
func makeDB(t interface{ Fatal(...any) }, kindName string, entries ...entry) []byte {
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		DatabaseType: kindName, RecordSize: 24, IncludeReservedNetworks: true, BuildEpoch: 1767225600,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		p := netip.MustParsePrefix(e.prefix)
		network := &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
		if err := tree.Insert(network, e.record); err != nil {
			t.Fatal(e.prefix, err)
		}
	}
	var b bytes.Buffer
	if _, err := tree.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func writeFile(t testing.TB, name string, contents []byte) string {
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, contents, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// mustDecode is a Data of databases' contents; country, asn may be nil.
func mustDecode(t interface{ Fatal(...any) }, city, country, asn []byte, places ...PlaceRule) *Data {
	read := func(k kind, raw []byte) *database {
		if raw == nil {
			return nil
		}
		db, err := readDatabase(k, string(k), raw)
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	rules, err := normalizeRules(places)
	if err != nil {
		t.Fatal(err)
	}
	return assemble(read(kindCity, city), read(kindCountry, country), read(kindASN, asn), rules)
}

// drawPrefix draws prefixes that often nest or touch.
func drawPrefix(t *rapid.T, most4, most6 int) netip.Prefix {
	base := rapid.SampledFrom([]string{"0.0.0.0", "192.0.2.0", "198.51.100.0", "203.0.113.0", "255.255.255.255", "2001:db8::", "2001:db8:8000::", "2a00::", "ffff:ffff:ffff:ffff::"}).Draw(t, "base")
	a := netip.MustParseAddr(base)
	if a.Is4() {
		at := word4(a) ^ rapid.Uint32Range(0, 7).Draw(t, "near")<<rapid.IntRange(0, 29).Draw(t, "shift")
		return netip.PrefixFrom(addr4(at), rapid.IntRange(1, most4).Draw(t, "bits")).Masked()
	}
	at := word6(a) ^ rapid.Uint64Range(0, 7).Draw(t, "near")<<rapid.IntRange(0, 60).Draw(t, "shift")
	return netip.PrefixFrom(addr6(at), rapid.IntRange(4, most6).Draw(t, "bits")).Masked()
}

// storable keeps a drawn prefix away from what a database cannot hold as its
// own: the space of IPv4 within IPv6 and its aliases.
func storable(p netip.Prefix) bool {
	if p.Addr().Is4() {
		return true
	}
	for _, s := range []string{"::/16", "2001::/32", "2002::/16"} {
		if netip.MustParsePrefix(s).Overlaps(p) {
			return false
		}
	}
	return true
}

var someISO = []string{"US", "DE", "JP", "BR", "ZA", "AU"}

func drawCities(t *rapid.T, most4, most6 int) []entry {
	entries := []entry{{"192.0.2.0/24", inCity(1, 1, "DE")}}
	for range rapid.IntRange(0, 12).Draw(t, "networks") {
		if p := drawPrefix(t, most4, most6); storable(p) {
			n := rapid.IntRange(0, 5).Draw(t, "place")
			entries = append(entries, entry{p.String(), inCity(float64(10*n), float64(-20*n), someISO[n])})
		}
	}
	return entries
}

func drawASNs(t *rapid.T, most4, most6 int) []entry {
	entries := []entry{{"198.51.100.0/24", inAS(64496)}}
	for range rapid.IntRange(0, 6).Draw(t, "systems") {
		if p := drawPrefix(t, most4, most6); storable(p) {
			entries = append(entries, entry{p.String(), inAS(rapid.Uint32Range(64496, 64498).Draw(t, "asn"))})
		}
	}
	return entries
}

func drawRules(t *rapid.T, most4, most6 int) []PlaceRule {
	var rules []PlaceRule
	seen := map[netip.Prefix]bool{}
	for range rapid.IntRange(0, 8).Draw(t, "rules") {
		p := drawPrefix(t, most4, most6)
		if seen[p] {
			continue
		}
		seen[p] = true
		n := rapid.IntRange(0, 3).Draw(t, "rule")
		rules = append(rules, PlaceRule{p, Place{Located: n > 0, Point: Point{float64(n), float64(n)}, Country: someISO[n], ASN: uint32(n / 2)}})
	}
	return rules
}

// drawAddr draws addresses at and around the borders of prefixes, and others.
func drawAddr(t *rapid.T, near []netip.Prefix) netip.Addr {
	if len(near) > 0 && rapid.IntRange(0, 3).Draw(t, "where") > 0 {
		p := rapid.SampledFrom(near).Draw(t, "prefix")
		var a netip.Addr
		if p.Addr().Is4() {
			first := word4(p.Addr())
			a = addr4(rapid.SampledFrom([]uint32{first - 1, first, first | hostMask[uint32](p.Bits()), first | hostMask[uint32](p.Bits()) + 1, first | rapid.Uint32().Draw(t, "host")&hostMask[uint32](p.Bits())}).Draw(t, "at"))
		} else {
			first := word6(p.Addr())
			a = addr6(rapid.SampledFrom([]uint64{first - 1, first, first | hostMask[uint64](p.Bits()), first | rapid.Uint64().Draw(t, "host")&hostMask[uint64](p.Bits())}).Draw(t, "at"))
		}
		return a
	}
	if rapid.Bool().Draw(t, "six") {
		return addr6(rapid.Uint64().Draw(t, "addr6"))
	}
	return addr4(rapid.Uint32().Draw(t, "addr4"))
}

func prefixesOf(entries []entry, rules []PlaceRule) []netip.Prefix {
	var out []netip.Prefix
	for _, e := range entries {
		out = append(out, netip.MustParsePrefix(e.prefix))
	}
	for _, r := range rules {
		out = append(out, r.Prefix)
	}
	return out
}

// inside draws an address under a prefix.
func inside(p netip.Prefix, random uint64) netip.Addr {
	if p.Addr().Is4() {
		return addr4(word4(p.Addr()) | uint32(random)&hostMask[uint32](p.Bits()))
	}
	return addr6(word6(p.Addr()) | random&hostMask[uint64](min(p.Bits(), 64)))
}
