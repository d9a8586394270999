package regions

import (
	"slices"
	"time"
)

// Bounds on what a ballot may claim as its beat; outside of them the default
// or the longest counts.
const (
	defaultBeat = 5 * time.Second
	longestBeat = time.Minute
)

// sighting is when a ballot was last seen to change, on this instance's
// monotonic clock. A vote's age is not the store's key's: a lease may live on
// without its instance, and die without it.
type sighting struct {
	boot string // of the newest that was seen, as seq
	seq  uint64
	at   time.Time
	past []string // boots before that one
	back bool     // what is there now is older than what was seen: the store was restored from a backup
}

// mostPast is how many boots of an instance are remembered.
const mostPast = 8

// wentBack tells whether a ballot is from before the newest one.
func (s sighting) wentBack(b Ballot) bool {
	return s.boot == b.Boot && b.Seq < s.seq || slices.Contains(s.past, b.Boot)
}

// next is the sighting of a newer ballot.
func (s sighting) next(b Ballot, at time.Time) sighting {
	n := sighting{boot: b.Boot, seq: b.Seq, at: at, past: s.past}
	if s.boot != b.Boot {
		n.past = append(slices.Clone(s.past), s.boot)
		n.past = n.past[max(0, len(n.past)-mostPast):]
	}
	return n
}

// ages is the sightings by instance name.
type ages map[string]sighting

// see notes which ballots moved, and forgets those that are gone. What moved
// did so after since: the moment at which the store was last known before
// this, which is now while it is watched. A ballot that is seen for the first
// time may be as old as its store was away, leases and all: unless trusting,
// it has to move once before it counts. One that moved back came with a
// backup or by a late write, and says what was long ago.
func (a ages) see(ballots []Ballot, trusting bool, since time.Time) {
	here := make(map[string]bool, len(ballots))
	for _, b := range ballots {
		here[b.Instance] = true
		last, known := a[b.Instance]
		switch {
		case known && last.boot == b.Boot && last.seq == b.Seq:
			last.back = false
			a[b.Instance] = last
		case known && last.wentBack(b):
			last.back = true
			a[b.Instance] = last
		case known:
			a[b.Instance] = last.next(b, since)
		case trusting:
			a[b.Instance] = sighting{boot: b.Boot, seq: b.Seq, at: since}
		default:
			a[b.Instance] = sighting{boot: b.Boot, seq: b.Seq} // stale since ever
		}
	}
	for name := range a {
		if !here[name] {
			delete(a, name)
		}
	}
}

// fresh is the ballots that moved within three beats and grace, and the
// moment at which the first of them will have grown stale (zero: none).
func (a ages) fresh(p *Picture, grace time.Duration, now time.Time) ([]Ballot, time.Time) {
	if p == nil {
		return nil, time.Time{}
	}
	var fresh []Ballot
	var next time.Time
	for _, b := range p.Ballots {
		seen := a[b.Instance]
		until := seen.at.Add(3*beatOf(b) + grace)
		if !seen.back && until.After(now) {
			fresh = append(fresh, b)
			next = earliest(next, until)
		}
	}
	return fresh, next
}

func beatOf(b Ballot) time.Duration {
	if b.Beat <= 0 {
		return defaultBeat
	}
	return min(b.Beat, longestBeat)
}
