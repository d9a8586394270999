package geo

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// maxPlaces bounds the places of a fleet file.
const maxPlaces = 1 << 17

// PlaceRule says where a prefix is, before any database is asked. The longest
// prefix that holds an address wins. An IPv6 prefix has at most 64 bits; one
// that maps IPv4 stands for the IPv4 prefix. Place.Prefix and Place.Source are
// ignored; the AS number, when 0, is taken from the ASN database.
type PlaceRule struct {
	Prefix netip.Prefix
	Place  Place
}

// normalize checks a rule and brings it into the form that is stored.
func (r PlaceRule) normalize() (PlaceRule, error) {
	p := r.Prefix
	if !p.IsValid() {
		return r, errors.New("places: a prefix is missing or not valid; write it as 192.0.2.0/24 or 2001:db8::/32")
	}
	p = unmapPrefix(p).Masked()
	if p.Addr().Is6() && p.Bits() > 64 {
		return r, fmt.Errorf("places: %v: is longer than /64; write %v", p, netip.PrefixFrom(p.Addr(), 64).Masked())
	}
	if err := r.Place.Point.check(); r.Place.Located && err != nil {
		return r, fmt.Errorf("places: %v: %w; latitude is -90..90, longitude -180..180", p, err)
	}
	r.Prefix = p
	r.Place.Prefix, r.Place.Source = netip.Prefix{}, "places"
	return r, nil
}

// unmapPrefix turns a prefix of IPv4-mapped IPv6 addresses into the IPv4
// prefix; all others stay.
func unmapPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// normalizeRules is every rule in order of prefix, or all problems at once.
func normalizeRules(rules []PlaceRule) ([]PlaceRule, error) {
	if len(rules) > maxPlaces {
		return nil, fmt.Errorf("places: there are %d; at most %d are allowed; put them into a database", len(rules), maxPlaces)
	}
	out := make([]PlaceRule, 0, len(rules))
	var problems []error
	for _, r := range rules {
		n, err := r.normalize()
		if err != nil {
			problems = append(problems, err)
			continue
		}
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b PlaceRule) int { return comparePrefixes(a.Prefix, b.Prefix) })
	for i := 1; i < len(out); i++ {
		if out[i].Prefix == out[i-1].Prefix {
			problems = append(problems, fmt.Errorf("places: %v: is there twice; keep one", out[i].Prefix))
		}
	}
	return out, errors.Join(problems...)
}

// nested is a prefix, as numbers.
type nested[K word] struct {
	first, last K
	value       uint32
}

// flatten turns prefixes, sorted by address and then length, into ranges in
// which the longest prefix shows.
func flatten[K word](prefixes []nested[K]) ranges[K] {
	var p painter[K]
	var open []nested[K]
	show := func(n nested[K], last K) {
		if !p.full && p.next <= last {
			_ = p.paint(max(p.next, n.first), last, n.value) // in order by construction
		}
	}
	for _, n := range prefixes {
		for len(open) > 0 && open[len(open)-1].last < n.first {
			show(open[len(open)-1], open[len(open)-1].last)
			open = open[:len(open)-1]
		}
		if len(open) > 0 && n.first > 0 {
			show(open[len(open)-1], n.first-1)
		}
		open = append(open, n)
	}
	for ; len(open) > 0; open = open[:len(open)-1] {
		show(open[len(open)-1], open[len(open)-1].last)
	}
	return p.done()
}

// flattenRules gives the ranges of normalized rules for both families; value
// i+1 stands for rule i.
func flattenRules(rules []PlaceRule) (ranges[uint32], ranges[uint64]) {
	prefixes := make([]netip.Prefix, len(rules))
	for i := range rules {
		prefixes[i] = rules[i].Prefix
	}
	return flattenPrefixes(prefixes)
}

// flattenPrefixes does so for sorted prefixes without host bits, IPv6 up to
// /64; value i+1 stands for prefix i.
func flattenPrefixes(prefixes []netip.Prefix) (ranges[uint32], ranges[uint64]) {
	var v4 []nested[uint32]
	var v6 []nested[uint64]
	for i, p := range prefixes {
		value := uint32(i + 1)
		if a := p.Addr(); a.Is4() {
			v4 = append(v4, nested[uint32]{word4(a), word4(a) | hostMask[uint32](p.Bits()), value})
		} else {
			v6 = append(v6, nested[uint64]{word6(a), word6(a) | hostMask[uint64](p.Bits()), value})
		}
	}
	return flatten(v4), flatten(v6)
}
