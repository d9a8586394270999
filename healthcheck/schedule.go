package healthcheck

import (
	"container/heap"
	"context"
	"time"
)

// entry is one check of a target on the schedule: the target's own, or one of
// those that its combination counts. The first four fields never change; the
// rest is owned by the runner's lock.
type entry struct {
	record *record
	target Target // the record's, with this entry's check
	hash   uint64 // of the instance's seed and the target's ID
	lane   *lane
	starts uint64 // probes started so far
	began  time.Time
	due    time.Time          // of a report: when it ends
	index  int                // in the queue; -1: not in it
	cancel context.CancelFunc // ends the probe under way, if there is one
	h      Hysteresis
	last   Observation // the latest; zero before the first
}

// reports says whether the entry waits for reports instead of probing.
func (e *entry) reports() bool { return e.target.Check.Kind == Push }

// queue is a heap of entries, the one that is due first on top. Among equals
// the hash decides, so that no target is always last.
type queue []*entry

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	if c := q[i].due.Compare(q[j].due); c != 0 {
		return c < 0
	}
	return q[i].hash < q[j].hash
}

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push is for container/heap.
func (q *queue) Push(x any) {
	e := x.(*entry)
	e.index = len(*q)
	*q = append(*q, e)
}

// Pop is for container/heap.
func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	e.index = -1
	return e
}

func (q *queue) remove(e *entry) {
	if e.index >= 0 {
		heap.Remove(q, e.index)
	}
}

// firstSpread is the window over which new targets get their first probe.
func firstSpread(interval time.Duration) time.Duration { return min(interval, time.Second) }

// firstDelay is the time from a target's arrival to its first probe.
func firstDelay(hash uint64, interval time.Duration) time.Duration {
	return draw(mix(hash), firstSpread(interval))
}

// gap is the time from the start of probe n (1, 2, ...) to the next one:
// Interval ±10 %. After the first it may be shorter, so that targets that
// came in one batch spread over the whole interval, not over its first second.
func gap(hash, n uint64, interval time.Duration) time.Duration {
	low, width := interval-interval/10, 2*(interval/10)
	if n == 1 && firstSpread(interval) < interval {
		low, width = interval/10, interval
	}
	return low + draw(mix(hash^mix(n)), width)
}

// draw maps h to 0..width, both included.
func draw(h uint64, width time.Duration) time.Duration {
	return time.Duration(h % (uint64(width) + 1))
}

// hashID is FNV-1a over the ID, begun from the seed.
func hashID(seed uint64, id string) uint64 {
	h := mix(seed) ^ 14695981039346656037
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	return mix(h)
}

// mix is the finalizer of SplitMix64: each input bit changes half of the output's.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
