package steering

import (
	"math/bits"
	"net/netip"
)

// The prefixes whose clients share a variant.
const (
	VariantBits4 = 24
	VariantBits6 = 48
)

// VariantOf is the variant of a client: the same for all of its /24 or /48,
// on every machine, and below Variants. An invalid address has variant 0.
//
// It hashes the 16 octets of the prefix's address, an IPv4 one written as
// IPv4-mapped. What is the same for a family is in the constants.
func VariantOf(addr netip.Addr) uint8 {
	addr = addr.Unmap()
	var h uint64
	switch {
	case addr.Is4():
		b := addr.As4()
		h = fnv(fnvMapped, b[:VariantBits4/8]) * fnvPrime
	case addr.Is6():
		b := addr.As16()
		h = fnv(fnvOffset, b[:VariantBits6/8]) * fnvZeros10
	default:
		return 0
	}
	return uint8(mix(h) % Variants)
}

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211

	// fnvZeros10 is what ten octets of 0 multiply a hash with, and fnvMapped
	// the hash of ten octets of 0 and two of 255: the start of an IPv4-mapped
	// address (RFC 4291 section 2.5.5.2).
	fnvZeros10 = fnvPrime * fnvPrime * fnvPrime * fnvPrime * fnvPrime * fnvPrime * fnvPrime * fnvPrime * fnvPrime * fnvPrime % (1 << 64)
	fnvZeros   = fnvOffset * fnvZeros10 % (1 << 64)
	fnvOnes    = (fnvZeros ^ 0xff) * fnvPrime % (1 << 64)
	fnvMapped  = (fnvOnes ^ 0xff) * fnvPrime % (1 << 64)
)

// fnv continues an FNV-1a hash.
func fnv[T string | []byte](h uint64, data T) uint64 {
	for i := 0; i < len(data); i++ {
		h = (h ^ uint64(data[i])) * fnvPrime
	}
	return h
}

// mix spreads a hash over all 64 bits (the finalizer of SplitMix64).
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// score places an endpoint in weighted rendezvous hashing: the smaller
// -log2(u)/weight comes first, u being uniform by variant and endpoint ID.
//
// All of it is integer arithmetic: floating point may be fused on one kind of
// machine and not on another (Go specification, "Floating-point operators"),
// and instances of one epoch must decide alike to the last bit.
type score struct {
	cost   uint64 // -log2(u), 32 bits of fraction
	weight uint64 // at least 1
}

// compare is by cost/weight, without dividing.
func (a score) compare(b score) int {
	ahi, alo := bits.Mul64(a.cost, b.weight)
	bhi, blo := bits.Mul64(b.cost, a.weight)
	switch {
	case ahi != bhi && ahi < bhi, ahi == bhi && alo < blo:
		return -1
	case ahi == bhi && alo == blo:
		return 0
	}
	return 1
}

// scores is by endpoint index. A region's endpoints share its capacity by
// their weights; those that are down keep their part, so that losing one
// moves only the clients it had.
func (d *deliberation) scores(list []*entry) []score {
	total := make([]uint64, len(d.w.Topology.Regions))
	for i := range d.entries {
		if e := &d.entries[i]; FamilyOf(e.endpoint) == d.fam {
			total[e.Region] += uint64(max(1, e.endpoint.Weight))
		}
	}
	scores := make([]score, len(d.entries))
	for _, e := range list {
		share := weightShare(capacityUnits(d.w.Topology.Regions[e.Region].Capacity), e.endpoint.Weight, total[e.Region])
		u := mix(fnv(fnv(fnvOffset, []byte{d.variant}), e.endpoint.ID))
		scores[e.Endpoint] = score{cost: negLog2(u), weight: share}
	}
	return scores
}

// capacityUnits is a region's capacity in units of 2^-20, from 1 to 2^40.
// Scaling by a power of two is exact on every machine.
func capacityUnits(capacity float64) uint64 {
	switch {
	case !(capacity > 0):
		return 1
	case capacity >= 1<<20:
		return 1 << 40
	}
	return max(1, uint64(capacity*(1<<20)))
}

// weightShare is capacity*weight/total, at least 1; weight is at most total.
func weightShare(capacity uint64, weight uint32, total uint64) uint64 {
	hi, lo := bits.Mul64(capacity, uint64(max(1, weight)))
	q, _ := bits.Div64(hi, lo, total)
	return max(1, q)
}

// negLog2 is -log2((u+1)/2^64) with 32 bits of fraction, by squaring: exact
// to the last bit on every machine. At least 1, so that no cost is free.
func negLog2(u uint64) uint64 {
	if u++; u == 0 {
		return 1
	}
	shift := bits.LeadingZeros64(u)
	x := u << shift // in [1, 2) with 63 bits of fraction
	var frac uint64
	for range 32 {
		hi, lo := bits.Mul64(x, x)
		frac <<= 1
		if hi >= 1<<63 { // the square reached 2
			frac |= 1
			x = hi
		} else {
			x = hi<<1 | lo>>63
		}
	}
	return max(1, uint64(shift+1)<<32-frac)
}
