package regions

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
)

// vantage is what one region, as a place to probe from, says of one endpoint.
type vantage struct {
	vote    VantageVote
	region  int
	suspect bool
	since   time.Time // of a down vote: when the majority of its instances was complete
}

func (v vantage) counts() bool { return v.vote.State != healthcheck.Unknown }

// polls holds, by service and endpoint, the vantages that sent a ballot, in
// the order of regions.
type polls [][][]vantage

// countedBallots is the fresh ballots by instance name, one each, with the
// instance's own votes in place of what the store has of it.
func countedBallots(in Input) []Ballot {
	var counted []Ballot
	if in.Own != nil {
		counted = append(counted, *in.Own)
	}
	counted = append(counted, in.Ballots...)
	slices.SortStableFunc(counted, func(a, b Ballot) int { return strings.Compare(a.Instance, b.Instance) })
	return slices.CompactFunc(counted, func(a, b Ballot) bool { return a.Instance == b.Instance })
}

// poll counts the ballots. Ballots from regions that are not configured do
// not count.
func poll(t *Topology, ballots []Ballot) polls {
	byRegion := make([][]Ballot, len(t.Regions))
	for i := range t.Regions {
		for _, b := range ballots {
			if b.Region == t.Regions[i].Name {
				byRegion[i] = append(byRegion[i], b)
			}
		}
	}
	ps := make(polls, len(t.Services))
	for s, svc := range t.Services {
		ps[s] = make([][]vantage, len(svc.Endpoints))
		for e, ep := range svc.Endpoints {
			ps[s][e] = pollEndpoint(t, byRegion, ep.ID)
		}
	}
	return ps
}

func pollEndpoint(t *Topology, byRegion [][]Ballot, id string) []vantage {
	vs := make([]vantage, 0, len(byRegion))
	for i, ballots := range byRegion {
		if len(ballots) > 0 {
			vs = append(vs, combine(i, t.Regions[i].Name, ballots, id))
		}
	}
	return vs
}

// combine makes the one vote of a vantage: down only when more than half of
// its instances that vote up or down say down, otherwise up when any says up,
// otherwise it abstains. A tie is up and suspect.
func combine(region int, name string, ballots []Ballot, id string) vantage {
	v := vantage{region: region, vote: VantageVote{Region: name}}
	var downs []time.Time
	upReason, downReason := "", ""
	for _, b := range ballots {
		vote := b.Votes[id]
		switch vote.State {
		case healthcheck.Up:
			if v.vote.Up++; v.vote.Up == 1 {
				upReason = vote.Reason
			}
		case healthcheck.Down:
			if downs = append(downs, vote.Since); len(downs) == 1 {
				downReason = vote.Reason
			}
		default:
			continue
		}
		v.suspect = v.suspect || vote.Suspect
	}
	v.vote.Down = len(downs)
	voting := v.vote.Up + v.vote.Down
	switch {
	case 2*v.vote.Down > voting:
		v.vote.State, v.vote.Reason = healthcheck.Down, downReason
		v.since = majorityComplete(downs, voting)
	case v.vote.Up > 0:
		v.vote.State, v.vote.Reason = healthcheck.Up, upReason
		v.suspect = v.suspect || 2*v.vote.Down == voting
	}
	return v
}

// majorityComplete is the moment at which more than half of voting had said
// down; downs must be more than half of voting. It is sorted in place.
func majorityComplete(downs []time.Time, voting int) time.Time {
	slices.SortFunc(downs, time.Time.Compare)
	return downs[voting/2]
}

// minBlindTargets is the fewest targets from which a vantage can be found
// blind, and minBlindWitnesses the fewest other vantages that contradict it.
const (
	minBlindTargets   = 3
	minBlindWitnesses = 2
)

// abstainBlind takes the votes from vantages that see more than half of their
// targets down which most others see up (rule 3): it is they who cannot see.
// All vantages are examined before any abstains.
func abstainBlind(t *Topology, ps polls) {
	targets, contradicted := make([]int, len(t.Regions)), make([]int, len(t.Regions))
	ps.each(func(vs []vantage) {
		for _, v := range vs {
			if v.counts() {
				targets[v.region]++
			}
			if v.vote.State == healthcheck.Down && othersSeeUp(vs, v.region) {
				contradicted[v.region]++
			}
		}
	})
	ps.each(func(vs []vantage) {
		for i := range vs {
			n, m := contradicted[vs[i].region], targets[vs[i].region]
			if vs[i].counts() && m >= minBlindTargets && 2*n > m {
				vs[i].vote.State, vs[i].suspect = healthcheck.Unknown, false
				vs[i].vote.Reason = fmt.Sprintf("abstains as blind: sees %d of %d targets down that other vantages see up", n, m)
			}
		}
	})
}

func (ps polls) each(f func([]vantage)) {
	for _, service := range ps {
		for _, vs := range service {
			f(vs)
		}
	}
}

func othersSeeUp(vs []vantage, but int) bool {
	up, voting := 0, 0
	for _, v := range vs {
		if v.region == but || !v.counts() {
			continue
		}
		voting++
		if v.vote.State == healthcheck.Up {
			up++
		}
	}
	return voting >= minBlindWitnesses && 2*up > voting
}
