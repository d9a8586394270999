package regions

import (
	"time"
)

// Input is all that Judge looks at. Nothing in it is changed.
type Input struct {
	Topology *Topology
	Picture  *Picture // nil before any: the previous verdicts stand, as without the store
	// Ballots are the fresh ones of Picture.Ballots. What is fresh is the
	// receiver's finding: a ballot is fresh while its (Boot, Seq) changed
	// lately on the receiver's monotonic clock (see State). A ballot that is
	// not here abstains: missing is unknown, never down (rule 1).
	Ballots []Ballot
	// Own is this instance's votes of this moment; nil: none. They rank last
	// what they call down where the last verdict stands, and do no more: an
	// instance that heard itself before the store did would add up votes of
	// different moments, and find majorities that there never were.
	Own       *Ballot
	StoreLost bool   // the store is gone: the previous verdicts stand (rule 9)
	Previous  *World // nil: none; its topology may be another one, verdicts carry over by name
	Now       time.Time
}

// Judge makes the next World from what this instance knows. It is pure:
// equal inputs make equal worlds, in any order of ballots and overrides, and
// an instance without history agrees with an old one on every verdict that
// is not frozen, since even the time of a down verdict comes from the votes.
func Judge(in Input) *World {
	w, _ := judge(in)
	return w
}

// judge also tells the next moment at which the same input would be judged
// otherwise by the brake, a return or an override's end; zero when there is
// none.
func judge(in Input) (*World, time.Time) {
	w := &World{
		Topology:  in.Topology,
		Judged:    in.Now,
		StoreLost: in.StoreLost || in.Picture == nil,
		Ready:     in.Picture != nil || in.Previous != nil && in.Previous.Ready,
	}
	w.Cluster, w.Revision = appliedRevision(in)
	w.Serials = knownSerials(in)
	past := remember(in.Previous, in.Topology)
	next := placeOverrides(w, in)
	if w.StoreLost {
		carryVerdicts(w, past)
		holdUncovered(w)
		demote(w, in.Own)
		next = earliest(next, comeBack(w, nil, past))
		forgetReturned(w)
	} else {
		next = earliest(next, judgeVotes(w, in, past))
		demoteFrozen(w, in.Own)
	}
	lack(w)
	w.Epoch = epochOf(w)
	return w, next
}

// judgeVotes applies rules 1 to 7 with what the store holds.
func judgeVotes(w *World, in Input, past memory) time.Time {
	el := electorateOf(in.Topology, countedBallots(in))
	ps := abstainBlind(in.Topology, el, poll(in.Topology, el))
	j := newJury(in.Topology, el, in.Now)
	judgeEndpoints(w, j, ps, past)
	judgeRegions(w, j, ps, past)
	return comeBack(w, chronicleOf(in.Topology, el, in.Now), past)
}

func appliedRevision(in Input) (cluster uint64, revision int64) {
	switch {
	case in.Picture != nil:
		return in.Picture.Cluster, in.Picture.Revision
	case in.Previous != nil:
		return in.Previous.Cluster, in.Previous.Revision
	}
	return 0, 0
}

func knownSerials(in Input) []ZoneSerial {
	switch {
	case in.Picture != nil:
		return in.Picture.Serials
	case in.Previous != nil:
		return in.Previous.Serials
	}
	return nil
}

// judgeEndpoints applies rules 1 to 3 to every endpoint.
func judgeEndpoints(w *World, j *jury, ps *polls, past memory) {
	for s := range w.Endpoints {
		for e := range w.Endpoints[s] {
			v := &w.Endpoints[s][e]
			drained, pinned := v.Drained, v.Pinned
			*v = j.judge(ps.endpoints[s][e], past.endpoint(s, e))
			v.Drained, v.Pinned = drained, pinned
		}
	}
}

// earliest is the earlier of two moments, where zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
