package geo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// byCountry tells clients apart by country and AS number.
func byCountry(dst []byte, p *Place) []byte {
	return fmt.Appendf(dst, "%s %t %d", p.Country, p.Located, p.ASN)
}

// alone puts everybody into one cell.
func alone(dst []byte, _ *Place) []byte { return dst }

func mustCompile(t interface{ Fatal(...any) }, d *Data, classify Classify) *Atlas {
	a, err := Compile(context.Background(), d, nil, classify, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func key(p Place) string { return string(byCountry(nil, &p)) }

// drawWorld is a small world whose databases are no finer than blocks.
func drawWorld(t *rapid.T) (*Data, []netip.Prefix) {
	cities, systems, rules := drawCities(t, 24, 56), drawASNs(t, 24, 56), drawRules(t, 32, 64)
	d := mustDecode(t, makeDB(t, "City", cities...), nil, makeDB(t, "ASN", systems...), rules...)
	return d, prefixesOf(append(cities, systems...), rules)
}

func TestAtlasAgreesWithLocate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, near := drawWorld(t)
		a := mustCompile(t, d, byCountry)
		for range 40 {
			at := drawAddr(t, near)
			cell, bits := a.Locate(at)
			place := d.Locate(at)
			if got, want := key(*a.Place(cell)), key(place); got != want {
				t.Fatalf("%v is in cell %d (%q), but its place is %q", at, cell, got, want)
			}
			if int(bits) > place.Prefix.Bits() {
				t.Fatalf("%v: leaf of %d bits is smaller than its place %v", at, bits, place.Prefix)
			}
		}
	})
}

// Every leaf is an aligned prefix in one cell, leaves follow upon each other
// without gap from the first to the last address, and no two siblings are in
// the same cell.
func TestLeavesPartitionTheSpace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, _ := drawWorld(t)
		a := mustCompile(t, d, byCountry)
		if n := checkPartition(t, &a.v4, a.Locate, addr4); n != a.leaves4 {
			t.Fatalf("%d IPv4 leaves, Stats says %d", n, a.leaves4)
		}
		if n := checkPartition(t, &a.v6, a.Locate, addr6); n != a.leaves6 {
			t.Fatalf("%d IPv6 leaves, Stats says %d", n, a.leaves6)
		}
	})
}

func checkPartition[K word](t *rapid.T, _ *chart[K], locate func(netip.Addr) (Cell, uint8), at func(K) netip.Addr) int {
	leaves := map[netip.Prefix]Cell{}
	for first := K(0); ; {
		cell, bits := locate(at(first))
		p := netip.PrefixFrom(at(first), int(bits))
		if p != p.Masked() {
			t.Fatalf("leaf %v is not aligned", p)
		}
		last := first | hostMask[K](int(bits))
		for range 20 {
			probe := first + K(rand.Uint64())&(last-first)
			if c, b := locate(at(probe)); c != cell || b != bits {
				t.Fatalf("%v under %v: cell %d/%d, not %d", at(probe), p, c, b, cell)
			}
		}
		if c, b := locate(at(last)); c != cell || b != bits {
			t.Fatalf("%v at the end of %v: cell %d/%d, not %d", at(last), p, c, b, cell)
		}
		leaves[p] = cell
		if bits > 0 {
			sibling := netip.PrefixFrom(at(first^(hostMask[K](int(bits))+1)), int(bits))
			if c, ok := leaves[sibling]; ok && c == cell {
				t.Fatalf("siblings %v and %v are both in cell %d", p, sibling, c)
			}
		}
		if last == ^K(0) {
			return len(leaves)
		}
		first = last + 1
	}
}

// A /24 that databases divide gets the cell of the larger share; rules in it
// stay exact.
func TestDividedBlocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cities := []entry{}
		for range rapid.IntRange(1, 10).Draw(t, "networks") {
			n := rapid.IntRange(0, 3).Draw(t, "place")
			p := netip.PrefixFrom(addr4(0xc0000200|rapid.Uint32Range(0, 255).Draw(t, "at")), rapid.IntRange(24, 32).Draw(t, "bits")).Masked()
			cities = append(cities, entry{p.String(), inCity(float64(n), 0, someISO[n])})
		}
		rule := PlaceRule{netip.PrefixFrom(addr("192.0.2.128"), rapid.IntRange(25, 32).Draw(t, "rule")), Place{Country: "NZ"}}
		d := mustDecode(t, makeDB(t, "City", cities...), nil, nil, rule)
		a := mustCompile(t, d, byCountry)
		shares := map[string]int{}
		for host := range uint32(256) {
			if p := d.Locate(addr4(0xc0000200 | host)); p.Source != "places" {
				shares[key(p)]++
			}
		}
		for host := range uint32(256) {
			at := addr4(0xc0000200 | host)
			cell, _ := a.Locate(at)
			got := key(*a.Place(cell))
			if rule.Prefix.Contains(at) {
				if want := key(d.Locate(at)); got != want {
					t.Fatalf("%v under the rule %v is in %q, not %q", at, rule.Prefix, got, want)
				}
				continue
			}
			for k, n := range shares {
				if n > shares[got] {
					t.Fatalf("%v is in %q with %d addresses, while %q has %d", at, got, shares[got], k, n)
				}
			}
		}
	})
}

// The index and the coarse starts lead to the run that a plain search finds,
// however many runs lie close together.
func TestFindInDenseCharts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shift := rapid.IntRange(0, 40).Draw(t, "shift")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		var c chart[uint64]
		at := r.Uint64() >> rapid.IntRange(1, 63).Draw(t, "from")
		c.begin(0, 0)
		for n := range rapid.IntRange(0, 3000).Draw(t, "runs") {
			c.begin(at+1, uint16(1+n%2))
			at += 1 + r.Uint64()>>24>>shift
		}
		c.finish([]bool{false, true, false})
		plain := ranges[uint64]{start: c.start}
		for range 500 {
			probe := c.start[r.IntN(len(c.start))] + r.Uint64N(3) - 1
			if got, want := c.find(probe), plain.find(probe); got != want {
				t.Fatalf("find(%d) = %d, want %d", probe, got, want)
			}
		}
	})
}

func TestOneCellIsOneLeaf(t *testing.T) {
	d := mustDecode(t, makeDB(t, "City", entry{"192.0.2.0/24", inCity(1, 1, "DE")}), nil, nil, PlaceRule{pfx("198.51.100.1/32"), Place{}})
	a := mustCompile(t, d, alone)
	for _, at := range []string{"192.0.2.1", "198.51.100.1", "2001:db8::1", "::ffff:192.0.2.1"} {
		if cell, bits := a.Locate(addr(at)); cell != 0 || bits != 0 {
			t.Errorf("%s: cell %d, %d bits", at, cell, bits)
		}
	}
	if l4, l6, cells, _ := a.Stats(); l4 != 1 || l6 != 1 || cells != 1 || a.Cells() != 1 {
		t.Errorf("Stats: %d, %d leaves, %d cells", l4, l6, cells)
	}
	if cell, bits := a.LocatePrefix(pfx("192.0.2.0/24")); cell != 0 || bits != 0 {
		t.Errorf("prefix: cell %d, %d bits", cell, bits)
	}
	if a.Place(1) != nil || a.Place(0) == nil {
		t.Error("Place does not end where the cells end")
	}
}

// A prefix inside a leaf is that leaf; else it gets the cell with the larger
// share of its located addresses, counted here one by one.
func TestLocatePrefix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, near := drawWorld(t)
		a := mustCompile(t, d, byCountry)
		for range 5 {
			at := drawAddr(t, near)
			if at.Is6() {
				checkPrefix(t, a, netip.PrefixFrom(at, rapid.IntRange(55, 128).Draw(t, "bits6")))
			} else {
				checkPrefix(t, a, netip.PrefixFrom(at, rapid.IntRange(22, 32).Draw(t, "bits4")))
			}
		}
	})
}

func checkPrefix(t *rapid.T, a *Atlas, p netip.Prefix) {
	cell, bits := a.LocatePrefix(p)
	first := p.Masked().Addr()
	if c, b := a.Locate(first); int(b) <= p.Bits() {
		if c != cell || b != bits {
			t.Fatalf("%v lies in leaf %d/%d, but got %d/%d", p, c, b, cell, bits)
		}
		return
	}
	if int(bits) != p.Bits() {
		t.Fatalf("%v spans leaves, but got %d bits", p, bits)
	}
	shares := map[Cell]int{}
	for n := range uint64(1) << (min(p.Addr().BitLen(), 64) - p.Bits()) {
		c, _ := a.Locate(inside(p.Masked(), n))
		shares[c]++
	}
	for c, n := range shares {
		if a.located[c] == a.located[cell] && (n > shares[cell] || n == shares[cell] && c < cell) || a.located[c] && !a.located[cell] {
			t.Fatalf("%v: got cell %d with %d, while %d has %d", p, cell, shares[cell], c, n)
		}
	}
}

func TestLocatePrefixBeyondTally(t *testing.T) {
	entries := []entry{{"192.0.0.0/8", inCity(1, 1, "DE")}}
	for n := range 400 { // 800 runs under 192.0.0.0/12, 5 of 8 addresses in DE
		p := netip.PrefixFrom(addr4(0xc0000000|uint32(n)<<11), 22)
		entries = append(entries, entry{p.String(), inCity(2, 2, "US")})
	}
	a := mustCompile(t, mustDecode(t, makeDB(t, "City", entries...), nil, nil), byCountry)
	for prefix, want := range map[string]string{"192.0.0.0/12": "DE true 0", "0.0.0.0/0": "DE true 0", "192.0.0.0/4": "DE true 0", "::ffff:192.0.0.0/108": "DE true 0"} {
		cell, bits := a.LocatePrefix(pfx(prefix))
		if got := key(*a.Place(cell)); got != want || int(bits) != unmapPrefix(pfx(prefix)).Bits() {
			t.Errorf("%s: %q, %d bits", prefix, got, bits)
		}
	}
}

func TestInvalidAddresses(t *testing.T) {
	a := mustCompile(t, mustDecode(t, makeDB(t, "City", entry{"192.0.2.0/24", inCity(1, 1, "DE")}), nil, nil), byCountry)
	c1, b1 := a.Locate(netip.Addr{})
	c2, b2 := a.LocatePrefix(netip.Prefix{})
	c3, b3 := a.LocatePrefix(pfx("0.0.0.0/0"))
	if c1 != c3 || c2 != c3 || b1 != 0 || b2 != 0 || b3 != 0 || a.Place(c1).Country != "DE" {
		t.Errorf("cells %d, %d, %d; bits %d, %d, %d", c1, c2, c3, b1, b2, b3)
	}
}

func TestCompileLimits(t *testing.T) {
	d := mustDecode(t, makeDB(t, "City", entry{"192.0.2.0/24", inCity(1, 1, "DE")}), nil, nil)
	d.places = nil
	var next uint32
	d.v4.base = ranges[uint32]{}
	for n := range uint32(maxCells + 1) {
		d.places = append(d.places, Place{ASN: n})
		d.v4.base.begin(next, n)
		next += 256
	}
	byASN := func(dst []byte, p *Place) []byte { return fmt.Append(dst, p.ASN) }
	if _, err := Compile(context.Background(), d, nil, byASN, nil); err == nil || !strings.Contains(err.Error(), "65535 kinds") {
		t.Errorf("65536 cells: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	calls := 0
	_, err := Compile(ctx, d, nil, alone, func(done float64) {
		calls++
		cancel()
		if done < 0 || done > 1 {
			t.Errorf("progress %v", done)
		}
	})
	if !errors.Is(err, context.Canceled) || calls != 1 {
		t.Errorf("cancelled: %v after %d calls", err, calls)
	}
}

func TestAtlasDigest(t *testing.T) {
	raw := makeDB(t, "City", entry{"192.0.2.0/24", inCity(1, 1, "DE")}, entry{"2001:db8::/32", inCity(2, 2, "US")})
	d := mustDecode(t, raw, nil, nil)
	one, two := mustCompile(t, d, byCountry).Digest(), mustCompile(t, mustDecode(t, raw, nil, nil), byCountry).Digest()
	other := mustCompile(t, mustDecode(t, raw, nil, nil, PlaceRule{pfx("2001:db8::/48"), Place{}}), byCountry).Digest()
	if one != two || one == other || len(one) != 12 || one == mustCompile(t, d, alone).Digest() {
		t.Errorf("digests %q, %q, %q", one, two, other)
	}
}

func TestLocateConcurrentlyWithoutAllocating(t *testing.T) {
	entries := []entry{{"192.0.2.0/24", inCity(1, 1, "DE")}, {"192.0.2.128/25", inCity(1, 1, "FR")}, {"2001:db8::/32", inCity(1, 1, "US")}, {"2001:db8:8000::/33", inCity(1, 1, "JP")}}
	a := mustCompile(t, mustDecode(t, makeDB(t, "City", entries...), nil, nil, PlaceRule{pfx("192.0.2.64/28"), Place{Country: "NZ"}}), byCountry)
	addrs := []netip.Addr{addr("192.0.2.1"), addr("::ffff:192.0.2.1"), addr("2001:db8::1"), {}}
	prefixes := []netip.Prefix{pfx("192.0.2.0/24"), pfx("192.0.0.0/8"), pfx("2001:db8::/16"), pfx("2001:db8::1/128"), {}}
	use := func() {
		for _, at := range addrs {
			a.Locate(at)
		}
		for _, p := range prefixes {
			a.LocatePrefix(p)
		}
	}
	if n := testing.AllocsPerRun(100, use); n != 0 {
		t.Errorf("%v allocations", n)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				use()
			}
		})
	}
	wg.Wait()
}
