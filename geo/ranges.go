package geo

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"sort"
)

// word is an address of one family as a number: all 32 bits of an IPv4
// address, the high 64 bits of an IPv6 address.
type word interface{ uint32 | uint64 }

// width is the number of bits of a word.
func width[K word]() int { return bits.OnesCount64(uint64(^K(0))) }

func word4(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func word6(a netip.Addr) uint64 {
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8])
}

func addr4(k uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, k)))
}

func addr6(k uint64) netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], k)
	return netip.AddrFrom16(b)
}

// hostMask is the ones below a prefix of the given length, 0..width.
func hostMask[K word](prefixBits int) K {
	return ^K(0) >> prefixBits // a shift by the whole width gives 0
}

// leafBits is the length of the largest aligned block around at that lies
// within first..last.
func leafBits[K word](at, first, last K) int {
	free := width[K]()
	if first != 0 {
		free = min(free, bits.Len64(uint64(at^(first-1)))-1)
	}
	if last != ^K(0) {
		free = min(free, bits.Len64(uint64(at^(last+1)))-1)
	}
	return width[K]() - free
}

// ranges maps every address of a family to a value: start[i] up to the next
// start has value[i]. Neighbours differ in value and start[0] is 0.
type ranges[K word] struct {
	start []K
	value []uint32
}

// nothing maps every address to 0.
func nothing[K word]() ranges[K] {
	return ranges[K]{start: []K{0}, value: []uint32{0}}
}

// find is the index of the range that holds at.
func (r *ranges[K]) find(at K) int {
	return sort.Search(len(r.start), func(i int) bool { return r.start[i] > at }) - 1
}

// last is the last address of range i.
func (r *ranges[K]) last(i int) K {
	if i+1 < len(r.start) {
		return r.start[i+1] - 1
	}
	return ^K(0)
}

// begin starts a new range at from, which lies behind all earlier ones.
func (r *ranges[K]) begin(from K, value uint32) {
	if n := len(r.value); n > 0 && r.value[n-1] == value {
		return
	}
	r.start = append(r.start, from)
	r.value = append(r.value, value)
}

// painter makes ranges out of disjoint pieces in ascending order; what no
// piece covers becomes 0.
type painter[K word] struct {
	out  ranges[K]
	next K    // the first address not yet painted
	full bool // the last address is painted
}

// paint gives first..last a value. It fails when they overlap what is painted.
func (p *painter[K]) paint(first, last K, value uint32) error {
	if p.full || first < p.next || last < first {
		return fmt.Errorf("networks overlap or are out of order")
	}
	if first > p.next {
		p.out.begin(p.next, 0)
	}
	p.out.begin(first, value)
	p.next, p.full = last+1, last == ^K(0)
	return nil
}

// done returns the ranges; the painter must not be used again.
func (p *painter[K]) done() ranges[K] {
	if !p.full {
		p.out.begin(p.next, 0)
	}
	return p.out
}

// overlay joins two ranges: each address gets join of its two values.
func overlay[K word](a, b ranges[K], join func(x, y uint32) uint32) ranges[K] {
	var out ranges[K]
	for i, j := 0, 0; ; {
		out.begin(max(a.start[i], b.start[j]), join(a.value[i], b.value[j]))
		lastA, lastB := a.last(i), b.last(j)
		if lastA == ^K(0) && lastB == ^K(0) {
			return out
		}
		if lastA <= lastB {
			i++
		}
		if lastB <= lastA {
			j++
		}
	}
}
