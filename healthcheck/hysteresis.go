package healthcheck

import "time"

// Hysteresis steadies the observations of one endpoint. It is a value: Next
// returns the next one and leaves its receiver alone. It counts results, not
// time. The zero Hysteresis is unknown, with no reason and no moment.
type Hysteresis struct {
	state   State
	run     int // observations in a row that contradict state; failures in a row while unknown
	blind   int // observations in a row that said nothing
	reason  string
	warning string // of the latest success
	since   time.Time
}

// NewHysteresis is the state of an endpoint that nobody has probed yet.
func NewHysteresis(at time.Time) Hysteresis {
	return Hysteresis{reason: "not yet probed", since: wall(at)}
}

// Next takes one observation. From unknown the first success makes up and
// fall failures in a row make down; from up, fall failures in a row make
// down; from down, rise successes in a row make up. A blind observation counts
// as neither; fall of them in a row make unknown. A fall or rise under 1 counts
// as 1. changed reports whether the vote reads differently now.
func (h Hysteresis) Next(o Observation, fall, rise int) (next Hysteresis, changed bool) {
	next = h.next(o, max(fall, 1), max(rise, 1))
	return next, next.Vote() != h.Vote()
}

func (h Hysteresis) next(o Observation, fall, rise int) Hysteresis {
	if o.Blind {
		return h.nextBlind(o, fall)
	}
	h.blind = 0
	if o.OK {
		h.warning = clean(o.Warning)
	}
	switch {
	case o.OK && h.state == Up:
		h.run = 0
	case o.OK && h.state == Unknown:
		return h.reach(Up, o)
	case o.OK:
		if h.run++; h.run >= rise {
			return h.reach(Up, o)
		}
	case h.state == Down:
		h.run = 0
		h.reason = clean(o.Reason)
	default:
		if h.run++; h.run >= fall {
			return h.reach(Down, o)
		}
		if h.state == Unknown {
			h.reason = clean(o.Reason)
		}
	}
	return h
}

func (h Hysteresis) nextBlind(o Observation, fall int) Hysteresis {
	h.blind++
	switch {
	case h.state == Unknown:
		h.reason = clean(o.Reason)
	case h.blind >= fall:
		return h.reach(Unknown, o)
	}
	return h
}

func (h Hysteresis) reach(s State, o Observation) Hysteresis {
	return Hysteresis{state: s, blind: h.blind, reason: clean(o.Reason), warning: h.warning, since: wall(o.At)}
}

// Vote is what the observations so far amount to. While down, the reason is
// that of the latest failure; while unknown, too, if there was one. While up,
// the latest success's warning stands behind it.
func (h Hysteresis) Vote() Vote {
	v := Vote{
		State:   h.state,
		Suspect: h.state != Unknown && h.run > 0,
		Reason:  h.reason,
		Since:   h.since,
	}
	if h.state == Up && h.warning != "" {
		v.Reason = shorten(h.reason+"; "+h.warning, MaxReason)
	}
	return v
}

// wall drops the monotonic reading: a vote leaves the process.
func wall(t time.Time) time.Time { return t.Round(0).UTC() }
