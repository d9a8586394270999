package protocol

import (
	mathrand "math/rand/v2"
	"time"
)

// Timing is the pace of an instance's dealings with the store.
type Timing struct {
	Beat     time.Duration // the longest time between two writes of votes
	LeaseTTL time.Duration // life of votes after the last sign of their instance
	Relist   time.Duration // between two full lists, varied by a quarter
	Silence  time.Duration // a watch that says nothing for so long is torn down
	Coalesce time.Duration // the shortest time between two writes of votes

	// Draw is a chance of 0 to d, d excluded; nil: by the system's dice.
	Draw func(d time.Duration) time.Duration
}

// vary is d by up to a quarter more or less, so that a fleet does not beat in
// step.
func (t Timing) vary(d time.Duration) time.Duration {
	return d*3/4 + t.draw(d/2+1)
}

func (t Timing) draw(d time.Duration) time.Duration {
	if t.Draw != nil {
		return t.Draw(d)
	}
	return mathrand.N(d)
}

// Backoff is the time between attempts: it doubles from 100 ms to 5 s, with
// half of it left to chance.
type Backoff struct {
	timing   Timing
	failures int
}

// NewBackoff makes a Backoff without a failure.
func NewBackoff(t Timing) Backoff { return Backoff{timing: t} }

const (
	shortestPause = 100 * time.Millisecond
	longestPause  = 5 * time.Second
)

// Reset forgets the failures.
func (b *Backoff) Reset() { b.failures = 0 }

// Next counts a failure and is the pause after it.
func (b *Backoff) Next() time.Duration {
	d := min(shortestPause<<b.failures, longestPause)
	b.failures = min(b.failures+1, 10)
	return d/2 + b.timing.draw(d/2)
}

// pace says when the next write may go out. Writes keep a gap; the first few
// of a rush go at that gap, those of a lasting rush at a fifth of its rate.
// It is pure: the clock is an argument.
type pace struct {
	gap  time.Duration
	last time.Time // of the last write
	debt time.Time // when all writes so far will have been paid for
}

const (
	paceBurst  = 10
	paceFactor = 5
)

func (p *pace) earliest() time.Time {
	next := p.last.Add(p.gap)
	if steady := p.debt.Add(-(paceBurst - 1) * paceFactor * p.gap); steady.After(next) {
		next = steady
	}
	return next
}

func (p *pace) wrote(now time.Time) {
	if p.debt.Before(now) {
		p.debt = now
	}
	p.last, p.debt = now, p.debt.Add(paceFactor*p.gap)
}
