package dnsserver

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"sort"
)

// prefixes says for an address what was said of the longest prefix that it
// lies in. Immutable; nil says no of everything. IPv6 addresses count up to
// their /64.
type prefixes struct{ v4, v6 spans }

// spans cut the numbers of addresses into spans, each from one start to the
// next.
type spans struct {
	starts []uint64 // ascending; the first is 0
	says   []bool
}

// listed is a prefix and what is said of it.
type listed struct {
	netip.Prefix
	says bool
}

// newPrefixes compiles a list; other holds for addresses in no prefix. When a
// prefix is listed twice, the later one counts.
func newPrefixes(list []listed, other bool) *prefixes {
	var v4, v6 []listed
	for _, p := range list {
		if p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	return &prefixes{spansOf(v4, other), spansOf(v6, other)}
}

// spansOf sweeps over the prefixes in order; those open at a point lie within
// one another.
func spansOf(list []listed, other bool) spans {
	slices.SortStableFunc(list, func(a, b listed) int {
		return cmp.Or(cmp.Compare(number(a.Addr()), number(b.Addr())), cmp.Compare(a.Bits(), b.Bits()))
	})
	s := spans{starts: []uint64{0}, says: []bool{other}}
	var open []listed
	closeUntil := func(at uint64, all bool) {
		for len(open) > 0 && (all || lastOf(open[len(open)-1]) < at) {
			end := lastOf(open[len(open)-1])
			open = open[:len(open)-1]
			says := other
			if len(open) > 0 {
				says = open[len(open)-1].says
			}
			if end != 1<<64-1 {
				s.put(end+1, says)
			}
		}
	}
	for _, p := range list {
		closeUntil(number(p.Addr()), false)
		open = append(open, p)
		s.put(number(p.Addr()), p.says)
	}
	closeUntil(0, true)
	return s
}

func (s *spans) put(start uint64, says bool) {
	if last := len(s.starts) - 1; s.starts[last] == start {
		s.says[last] = says
		return
	}
	s.starts, s.says = append(s.starts, start), append(s.says, says)
}

// number orders the addresses of a family: the first 64 bits.
func number(a netip.Addr) uint64 {
	if a.Is4() {
		b := a.As4()
		return uint64(binary.BigEndian.Uint32(b[:])) << 32
	}
	b := a.As16()
	return binary.BigEndian.Uint64(b[:])
}

// lastOf is the number of the last address in p.
func lastOf(p listed) uint64 {
	if n := p.Bits(); n < 64 {
		return number(p.Addr()) | (1<<64-1)>>n
	}
	return number(p.Addr())
}

// says is what was said of a.
func (p *prefixes) says(a netip.Addr) bool {
	if p == nil {
		return false
	}
	if a.Is4() {
		return p.v4.at(number(a))
	}
	return p.v6.at(number(a))
}

func (s *spans) at(n uint64) bool {
	i := sort.Search(len(s.starts), func(i int) bool { return s.starts[i] > n })
	return s.says[i-1]
}
