package dnsserver

import (
	"math/bits"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// buckets is a table of token buckets that never grows: a bucket that nobody
// drew from for long gives way to another one, the one that is fullest first.
// All workers share it without locks.
//
// A bucket is one word: 16 bits that tell it from others in its set, and the
// time in microseconds at which it has been paid for. Drawing a token moves
// that time by one interval; a token is there while that time has passed (the
// virtual scheduling algorithm of ITU-T I.371).
type buckets struct {
	seed [2]uint64
	zero int64 // Unix nanoseconds of time 0
	mask uint64
	sets []bucketSet
}

// bucketSet is one line of the cache.
type bucketSet [8]atomic.Uint64

// bucketTime is the part of a bucket's word that is a time: enough for eight
// years.
const bucketTime = 1<<48 - 1

// newBuckets makes a table for at least n buckets.
func newBuckets(n int) *buckets {
	sets := 1 << bits.Len(uint(max(n, 8)-1)/8)
	return &buckets{
		seed: [2]uint64{rand.Uint64(), rand.Uint64()},
		zero: time.Now().Add(-time.Hour).UnixNano(), // so that no time before now is below 0
		mask: uint64(sets - 1),
		sets: make([]bucketSet, sets),
	}
}

// rate is how a bucket fills.
type rate struct {
	step  uint64 // microseconds a token
	burst uint64 // microseconds that a full bucket is worth
	debt  uint64 // microseconds that it can be overdrawn by
}

// rateOf is n tokens a second, as many at once, and a debt of at most window;
// the zero rate, which has no limit, when n is 0.
func rateOf(n int, window time.Duration) rate {
	if n <= 0 {
		return rate{}
	}
	step := max(uint64(time.Second/time.Microsecond)/uint64(n), 1)
	return rate{step: step, burst: step * uint64(n), debt: uint64(window / time.Microsecond)}
}

func (r rate) unlimited() bool { return r.step == 0 }

// hash names a bucket by two words. Whoever does not know the seed cannot find
// two names for one bucket.
func (b *buckets) hash(x, y uint64) uint64 {
	hi, lo := bits.Mul64(x^b.seed[0], y^b.seed[1])
	hi, lo = bits.Mul64(hi^lo^b.seed[1], 0x9e3779b97f4a7c15)
	return hi ^ lo
}

// take draws a token at a time in Unix nanoseconds and reports whether there
// was one. What is drawn beyond counts as debt.
func (b *buckets) take(hash uint64, r rate, at int64) (ok bool) {
	now := uint64(max(at-b.zero, int64(time.Second))) / 1000
	set, tag := &b.sets[hash&b.mask], hash&^bucketTime
	for range 4 { // then this token is not counted: others have drawn from the bucket each time
		slot, word := set.find(tag)
		paid := now - min(now, r.burst)
		if word&^bucketTime == tag {
			paid = max(paid, word&bucketTime)
		}
		deepest := now + r.debt
		if paid >= deepest && paid <= deepest+r.step {
			return false // as deep in debt as can be: nothing to write
		}
		next := min(paid, deepest) + r.step // paid is beyond when the clock was set back
		ok = next <= now
		if slot.CompareAndSwap(word, tag|next&bucketTime) {
			break
		}
	}
	return ok
}

// find returns the bucket with this tag, or else the one to take over: the
// fullest of the set.
func (s *bucketSet) find(tag uint64) (slot *atomic.Uint64, word uint64) {
	least := uint64(1<<64 - 1)
	for i := range s {
		w := s[i].Load()
		if w&^bucketTime == tag && w != 0 {
			return &s[i], w
		}
		if t := w & bucketTime; t < least {
			slot, word, least = &s[i], w, t
		}
	}
	return slot, word
}
