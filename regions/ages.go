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
	at   time.Time // zero: not since it is watched
	past []string  // boots before that one
	back stamp     // of an older one that came back after it
}

// stamp tells one write of a ballot from the others.
type stamp struct {
	boot string
	seq  uint64
}

// mostPast is how many boots of an instance are remembered.
const mostPast = 8

// forward tells whether b is newer than all that was seen, or an older one that
// came back and has moved since: then its writer lives.
func (s sighting) forward(b Ballot) bool {
	switch {
	case s.back.boot == b.Boot && b.Seq > s.back.seq:
		return true
	case s.boot == b.Boot:
		return b.Seq > s.seq
	}
	return !slices.Contains(s.past, b.Boot)
}

// shows tells whether b is the newest that was seen.
func (s sighting) shows(b Ballot) bool { return s.boot == b.Boot && s.seq == b.Seq }

// next is the sighting of another ballot.
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
// time after a gap may be as old as its store was away, leases and all: unless
// trusting, it has to move once before it counts. So has one that moved back,
// to a lower number or an earlier boot: a backup or a late write brought it,
// and it says what was long ago. One that shows while the store is watched was
// just written.
func (a ages) see(ballots []Ballot, trusting bool, since time.Time) {
	here := make(map[string]bool, len(ballots))
	for _, b := range ballots {
		here[b.Instance] = true
		last, known := a[b.Instance]
		switch {
		case known && last.shows(b):
		case known && last.forward(b):
			a[b.Instance] = last.next(b, since)
		case known:
			last.back = stamp{b.Boot, b.Seq}
			a[b.Instance] = last
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
	fresh := make([]Ballot, 0, len(p.Ballots))
	var next time.Time
	for _, b := range p.Ballots {
		last := a[b.Instance]
		until := last.at.Add(3*beatOf(b) + grace)
		if last.shows(b) && until.After(now) {
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
