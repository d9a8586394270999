package dnsserver

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// TestPrefixesFindTheLongest compares with a search through the list.
func TestPrefixesFindTheLongest(t *testing.T) {
	octet := rapid.SampledFrom([]byte{0, 1, 127, 128, 192, 255})
	address := rapid.Custom(func(t *rapid.T) netip.Addr {
		if rapid.Bool().Draw(t, "v4") {
			return netip.AddrFrom4([4]byte{octet.Draw(t, "a"), octet.Draw(t, "b"), octet.Draw(t, "c"), octet.Draw(t, "d")})
		}
		var b [16]byte
		for i := range 8 {
			b[i] = octet.Draw(t, "x")
		}
		return netip.AddrFrom16(b)
	})
	rapid.Check(t, func(t *rapid.T) {
		var list []listed
		for range rapid.IntRange(0, 12).Draw(t, "n") {
			a := address.Draw(t, "prefix")
			list = append(list, listed{netip.PrefixFrom(a, rapid.IntRange(0, min(a.BitLen(), 64)).Draw(t, "bits")).Masked(), rapid.Bool().Draw(t, "says")})
		}
		other := rapid.Bool().Draw(t, "other")
		p := newPrefixes(append([]listed(nil), list...), other)
		for range 20 {
			a := address.Draw(t, "address")
			if got, want := p.says(a), searched(list, other, a); got != want {
				t.Fatalf("%v: %v of %v", a, got, list)
			}
		}
	})
}

func searched(list []listed, other bool, a netip.Addr) bool {
	best := -1
	for _, l := range list {
		if l.Contains(a) && l.Bits() >= best {
			best, other = l.Bits(), l.says
		}
	}
	return other
}

func TestNoPrefixesSayNo(t *testing.T) {
	var p *prefixes
	if p.says(london) {
		t.Error("yes")
	}
}
