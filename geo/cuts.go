package geo

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// cutLayer maps every address to 1 + the index of the innermost of the prefixes
// at whose edges cells end, and to 0 outside all of them. Prefixes do not
// cross, so the innermost says which others hold the address as well.
type cutLayer struct {
	v4 ranges[uint32]
	v6 ranges[uint64]
}

// newCuts checks and sorts prefixes; it returns all problems at once.
func newCuts(prefixes []netip.Prefix) (cutLayer, error) {
	var all []netip.Prefix
	var problems []error
	for _, p := range prefixes {
		n, err := normalizeCut(p)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		all = append(all, n)
	}
	slices.SortFunc(all, comparePrefixes)
	v4, v6 := flattenPrefixes(slices.Compact(all))
	return cutLayer{v4, v6}, errors.Join(problems...)
}

func normalizeCut(p netip.Prefix) (netip.Prefix, error) {
	p = unmapPrefix(p).Masked()
	switch {
	case !p.IsValid():
		return p, errors.New("fences: a prefix is missing or not valid; write it as 192.0.2.0/24 or 2001:db8::/32")
	case p.Addr().Is6() && p.Bits() > 64:
		return p, fmt.Errorf("fences: %v: is longer than /64; write %v", p, netip.PrefixFrom(p.Addr(), 64).Masked())
	}
	return p, nil
}

// comparePrefixes orders by address, and the longer behind the shorter.
func comparePrefixes(p, q netip.Prefix) int {
	return cmp.Or(p.Addr().Compare(q.Addr()), p.Bits()-q.Bits())
}

// leafIn is the largest aligned prefix that begins a run of addresses.
func leafIn[K word](first, last K) netip.Prefix {
	bits := leafBits(first, first, last)
	if width[K]() == 32 {
		return netip.PrefixFrom(addr4(uint32(first)), bits)
	}
	return netip.PrefixFrom(addr6(uint64(first)), bits)
}
