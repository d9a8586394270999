package geo

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// byCuts tells clients apart by country and by which prefixes cover them.
func byCuts(cuts []netip.Prefix) Classify {
	return func(dst []byte, p *Place) []byte {
		dst = fmt.Appendf(dst, "%s %t|", p.Country, p.Located)
		for _, c := range cuts {
			dst = fmt.Append(dst, p.Prefix.IsValid() && c.Bits() <= p.Prefix.Bits() && c.Contains(p.Prefix.Addr()))
		}
		return dst
	}
}

func compileCut(t interface{ Fatal(...any) }, d *Data, cuts ...netip.Prefix) *Atlas {
	a, err := Compile(context.Background(), d, cuts, byCuts(cuts), nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Where databases divide a /24, the larger share decides on each side of a
// cut by itself; the cut stays exact to the address.
func TestCutsInDividedBlocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(what string) netip.Prefix {
			at := addr4(0xc0000200 | rapid.Uint32Range(0, 255).Draw(t, what))
			return netip.PrefixFrom(at, rapid.IntRange(24, 32).Draw(t, what+" bits")).Masked()
		}
		var cities []entry
		for range rapid.IntRange(1, 8).Draw(t, "networks") {
			n := rapid.IntRange(0, 3).Draw(t, "place")
			cities = append(cities, entry{draw("network").String(), inCity(float64(n), 0, someISO[n])})
		}
		cuts := []netip.Prefix{draw("cut"), draw("cut"), draw("cut")}
		d := mustDecode(t, makeDB(t, "City", cities...), nil, nil)
		a := compileCut(t, d, cuts...)
		shares := map[string]int{} // by key; its end says which cuts hold
		for host := range uint32(256) {
			shares[exactKey(d, cuts, addr4(0xc0000200|host))]++
		}
		for host := range uint32(256) {
			at := addr4(0xc0000200 | host)
			cell, _ := a.Locate(at)
			got, own := string(byCuts(cuts)(nil, a.Place(cell))), exactKey(d, cuts, at)
			if sides(got) != sides(own) {
				t.Fatalf("%v is in %q, but steering says %q", at, got, own)
			}
			for k, n := range shares {
				if sides(k) == sides(own) && n > shares[got] {
					t.Fatalf("%v is in %q with %d addresses, while %q has %d", at, got, shares[got], k, n)
				}
			}
		}
	})
}

func exactKey(d *Data, cuts []netip.Prefix, at netip.Addr) string {
	p := d.Locate(at)
	p.Prefix = netip.PrefixFrom(at, at.BitLen())
	return string(byCuts(cuts)(nil, &p))
}

// sides is the part of a key that says on which side of each cut it is.
func sides(key string) string {
	return key[strings.IndexByte(key, '|'):]
}

// Cuts may repeat and come in any order; those that nobody tells apart leave
// no trace.
func TestCutsOfAllKinds(t *testing.T) {
	d := mustDecode(t, makeDB(t, "City", entry{"192.0.2.0/24", inCity(1, 1, "DE")}, entry{"2001:db8::/32", inCity(2, 2, "US")}), nil, nil)
	one, two := pfx("192.0.2.128/26"), pfx("2001:db8:1::/48")
	a := compileCut(t, d, one, two)
	classify := byCuts([]netip.Prefix{one, two})
	for name, cuts := range map[string][]netip.Prefix{
		"repeated":  {two, one, one, two},
		"host bits": {netip.PrefixFrom(addr("192.0.2.131"), 26), two},
		"mapped":    {pfx("::ffff:192.0.2.128/122"), two},
	} {
		b, err := Compile(context.Background(), d, cuts, classify, nil)
		if err != nil || a.Digest() != b.Digest() {
			t.Errorf("%s: not as once and in order, error %v", name, err)
		}
	}
	plain := mustCompile(t, d, alone)
	if b, err := Compile(context.Background(), d, []netip.Prefix{one, two}, alone, nil); err != nil || b.Digest() != plain.Digest() {
		t.Errorf("cuts that no key tells apart: error %v", err)
	}
	for at, bits := range map[string]uint8{"192.0.2.129": 26, "192.0.2.1": 25, "192.0.2.200": 26, "2001:db8:1:2::3": 48, "2001:db8:0:1::": 48} {
		if _, got := a.Locate(addr(at)); got != bits {
			t.Errorf("the leaf around %s has %d bits, want %d", at, got, bits)
		}
	}
	outside, _ := a.Locate(addr("192.0.2.1"))
	inside, _ := a.Locate(addr("192.0.2.129"))
	if a.Place(outside).Prefix.IsValid() || a.Place(inside).Prefix != one {
		t.Errorf("prefixes %v outside, %v inside", a.Place(outside).Prefix, a.Place(inside).Prefix)
	}
}

func TestBadCuts(t *testing.T) {
	d := mustDecode(t, makeDB(t, "City", entry{"192.0.2.0/24", inCity(1, 1, "DE")}), nil, nil)
	_, err := Compile(context.Background(), d, []netip.Prefix{{}, pfx("2001:db8::1/128"), pfx("2001:db8::/64")}, alone, nil)
	for _, want := range []string{"a prefix is missing", "2001:db8::1/128: is longer than /64; write 2001:db8::/64"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
}
