package healthcheck

import (
	"net/netip"
	"time"
)

// place is where a target is probed: an address or an alias.
type place struct {
	addr  netip.Addr
	alias string
}

func placeOf(t Target) place {
	if t.Addr.IsValid() {
		return place{addr: t.Addr}
	}
	return place{alias: t.Alias}
}

// lane is one place: its probes queue here, so that an address with many
// endpoints is not hit by all at once. Owned by the runner's lock.
type lane struct {
	entries  int // that belong here
	inFlight int
	waiting  []*entry  // due, in order, until there is room
	good     int       // entries whose latest probe passed
	lastOK   time.Time // when the latest success ended; zero: there was none
	missed   bool      // it answered before the instance became blind
}

// free gives a place back and returns the entry that may have it, if any.
func (l *lane) free() *entry {
	l.inFlight--
	if len(l.waiting) == 0 {
		return nil
	}
	e := l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	return e
}

// remove forgets an entry.
func (l *lane) remove(e *entry) {
	l.entries--
	if e.last.OK && !e.reports() {
		l.good--
	}
	for i, w := range l.waiting {
		if w == e {
			l.waiting = append(l.waiting[:i:i], l.waiting[i+1:]...)
			return
		}
	}
}

// note takes in the observation o that follows e.last.
func (l *lane) note(e *entry, o Observation) {
	switch {
	case e.reports():
		return // tells nothing of the way there
	case o.OK && !e.last.OK:
		l.good++
	case !o.OK && e.last.OK:
		l.good--
	}
	if o.OK {
		l.lastOK = o.At
	}
}
