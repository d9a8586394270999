package steering

import (
	"encoding/binary"
	"math"

	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/regions"
)

// bucketKm is the width of a step of nearness: regions whose distances fall
// in the same step are equally near, so that order is stable and scopes are
// wide.
const bucketKm = 100

// DistanceKm is how far a region seems from a place, after its bias and at
// least 0; -1 when the place is not located.
func DistanceKm(r *regions.Region, p *geo.Place) float64 {
	if !p.Located {
		return -1
	}
	return math.Max(0, p.Point.DistanceKm(r.At)-r.BiasKm)
}

// bucketOf is a region's step of nearness, below 0 for nowhere.
func bucketOf(r *regions.Region, p *geo.Place) int32 {
	km := DistanceKm(r, p)
	if km < 0 {
		return -1
	}
	return int32(math.Min(km/bucketKm, math.MaxInt32))
}

// stackRegions is up to how many regions ranking takes no heap.
const stackRegions = 64

// rankRegions is the dense rank of every region by nearness, 0 nearest; all 0
// for a place that is not located, whatever else is known of it.
func rankRegions(t *regions.Topology, p *geo.Place) []int {
	var stack [stackRegions]int32
	buckets := bucketRegions(stack[:0], t, p)
	ranks := make([]int, len(buckets))
	for i := range buckets {
		ranks[i] = denseRank(buckets, i)
	}
	return ranks
}

func bucketRegions(buckets []int32, t *regions.Topology, p *geo.Place) []int32 {
	for i := range t.Regions {
		buckets = append(buckets, bucketOf(&t.Regions[i], p))
	}
	return buckets
}

// denseRank counts the distinct steps nearer than that of i.
func denseRank(buckets []int32, i int) int {
	rank := 0
	for j, b := range buckets {
		if b >= buckets[i] {
			continue
		}
		first := true
		for _, earlier := range buckets[:j] {
			first = first && earlier != b
		}
		if first {
			rank++
		}
	}
	return rank
}

// Classifier returns a function that appends to dst the key of the cell that
// a place is in. Places with equal keys get equal decisions for every
// service, family, health and variant, but for Candidate.DistanceKm. The key
// is the regions' ranks, and which of the fences hold for the place. A place
// whose prefix is wider than a fence's is outside that fence: split prefixes
// at FencePrefixes first.
//
// The function is safe for concurrent use and, with room in dst and up to 64
// regions, does not allocate. t must not change.
func Classifier(t *regions.Topology) func(dst []byte, p *geo.Place) []byte {
	fences := distinctFences(t)
	return func(dst []byte, p *geo.Place) []byte {
		located := byte(0)
		if p.Located {
			located = 1
		}
		dst = append(dst, located)
		var stack [stackRegions]int32
		buckets := bucketRegions(stack[:0], t, p)
		for i := range buckets {
			dst = binary.AppendUvarint(dst, uint64(denseRank(buckets, i)))
		}
		return appendFenceBits(dst, fences, p)
	}
}

func appendFenceBits(dst []byte, fences []*regions.Fence, p *geo.Place) []byte {
	var b byte
	for i, f := range fences {
		if holds(f, p) {
			b |= 1 << (i % 8)
		}
		if i%8 == 7 || i == len(fences)-1 {
			dst = append(dst, b)
			b = 0
		}
	}
	return dst
}
