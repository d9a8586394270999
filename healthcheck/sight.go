package healthcheck

import "time"

// When an instance takes itself for blind.
const (
	sightPlaces = 3               // at least as many places must have answered lately
	sightMemory = 5 * time.Minute // what lately means
	sightEvery  = 100 * time.Millisecond
)

// sight is the instance's own reachability self-test (rule 3). When more than
// three quarters of the places that answered lately fail at once, the fault is
// more likely here than in all of them. That is a suspicion only: a fleet whose
// instances all say so of themselves has lost its endpoints. It ends when a
// quarter of those places answer again.
type sight struct {
	blind  bool
	since  time.Time // when it became blind
	looked time.Time // when it last looked
}

// due says whether an observation is worth a look at all places: only
// failures make blind, and only successes make see.
func (s *sight) due(o Observation) bool {
	return o.OK == s.blind && o.At.Sub(s.looked) >= sightEvery
}

// look judges anew and reports whether that changed anything.
func (s *sight) look(lanes map[place]*lane, now time.Time) (changed bool) {
	s.looked = now
	if s.blind {
		return s.recover(lanes)
	}
	answering, failing := 0, 0
	for _, l := range lanes {
		switch l.missed = now.Sub(l.lastOK) < sightMemory; {
		case l.missed && l.good > 0:
			answering++
		case l.missed:
			failing++
		}
	}
	all := answering + failing
	if all < sightPlaces || 4*failing <= 3*all {
		return false
	}
	s.blind, s.since = true, now
	return true
}

// recover counts what answers again of what was missed.
func (s *sight) recover(lanes map[place]*lane) (changed bool) {
	answering, missed := 0, 0
	for _, l := range lanes {
		if l.missed {
			missed++
			if l.lastOK.After(s.since) {
				answering++
			}
		}
	}
	if 4*answering < missed {
		return false
	}
	s.blind = false
	return true
}
