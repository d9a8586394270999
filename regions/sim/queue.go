package sim

import "time"

// event is something that happens at a moment of a story.
type event struct {
	at   time.Duration
	nth  uint64 // breaks ties by the order of scheduling
	do   func()
	node *node // instead of do: it wakes up
}

// queue is a heap of events, the next one on top.
type queue struct {
	heap []event
	nth  uint64
}

func (q *queue) push(e event) {
	q.nth++
	e.nth = q.nth
	q.heap = append(q.heap, e)
	for i := len(q.heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if !q.heap[i].before(&q.heap[parent]) {
			return
		}
		q.heap[i], q.heap[parent] = q.heap[parent], q.heap[i]
		i = parent
	}
}

func (e *event) before(other *event) bool {
	return e.at < other.at || e.at == other.at && e.nth < other.nth
}

func (q *queue) pop() event {
	top, last := q.heap[0], len(q.heap)-1
	q.heap[0] = q.heap[last]
	q.heap[last] = event{}
	q.heap = q.heap[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if q.heap[child].before(&q.heap[least]) {
				least = child
			}
		}
		if least == i {
			return top
		}
		q.heap[i], q.heap[least] = q.heap[least], q.heap[i]
		i = least
	}
}

func (q *queue) empty() bool { return len(q.heap) == 0 }

// dice are a stream of chances. Everything that draws has its own, named by
// the seed and itself, so that leaving a fault out of a story changes as
// little as possible of the rest.
type dice struct{ state uint64 }

func newDice(seed uint64, name uint64) *dice {
	return &dice{state: mix(seed ^ mix(name+0x632be59bd9b4e019))}
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (d *dice) next() uint64 {
	d.state += 0x9e3779b97f4a7c15
	return mix(d.state)
}

// below draws 0..n-1; 0 when n is not positive.
func (d *dice) below(n int) int {
	if n <= 0 {
		return 0
	}
	return int(d.next() % uint64(n))
}

// one draws true once in n times.
func (d *dice) one(n int) bool { return d.below(n) == 0 }

// span draws a time from low to high.
func (d *dice) span(low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + time.Duration(d.next()%uint64(high-low))
}

// draw is protocol.Timing's chance.
func (d *dice) draw(n time.Duration) time.Duration { return d.span(0, n) }
