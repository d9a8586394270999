package regions

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
)

// vantage is what one region, as a place to probe from, says of one target.
type vantage struct {
	vote    VantageVote
	region  int
	suspect bool
}

func (v *vantage) counts() bool { return v.vote.State != healthcheck.Unknown }

// polls holds the vantages that sent a ballot, in the order of regions, for
// each target: by service and endpoint, and the entrances by region.
type polls struct {
	endpoints [][][]vantage
	entrances [][]vantage // empty for a region without a check of its own
}

// each calls f with the vantages of every target and the target's ID.
func (ps *polls) each(t *Topology, f func(id string, vs []vantage)) {
	for s := range t.Services {
		for e := range t.Services[s].Endpoints {
			f(t.Services[s].Endpoints[e].ID, ps.endpoints[s][e])
		}
	}
	for i := range t.Regions {
		if t.Regions[i].Entrance.IsValid() {
			f(EntranceID(t.Regions[i].Name), ps.entrances[i])
		}
	}
}

// voter is a ballot that is counted.
type voter struct {
	*Ballot
	region int
	blind  string // why it abstains as a whole; "": it does not
}

// countedBallots is the fresh ballots by instance name, one each.
func countedBallots(in Input) []*Ballot {
	counted := make([]*Ballot, len(in.Ballots))
	for i := range in.Ballots {
		counted[i] = &in.Ballots[i]
	}
	slices.SortStableFunc(counted, func(a, b *Ballot) int { return strings.Compare(a.Instance, b.Instance) })
	return slices.CompactFunc(counted, func(a, b *Ballot) bool { return a.Instance == b.Instance })
}

// electorate is the voters by region. Ballots from regions that are not
// configured, or not as vantages, do not count.
type electorate [][]voter

func electorateOf(t *Topology, ballots []*Ballot) electorate {
	el := make(electorate, len(t.Regions))
	for i := range t.Regions {
		for _, b := range ballots {
			if b.Region == t.Regions[i].Name && !t.Regions[i].NoVantage {
				el[i] = append(el[i], voter{Ballot: b, region: i})
			}
		}
	}
	el.setAsideBlind()
	return el
}

// setAsideBlind lets the instances abstain that doubt themselves, unless most
// do: then it is the world that is dark.
func (el electorate) setAsideBlind() {
	all, blind := 0, 0
	for _, voters := range el {
		for i := range voters {
			all++
			if voters[i].Blind {
				blind++
			}
		}
	}
	if 2*blind > all {
		return
	}
	for _, voters := range el {
		for i := range voters {
			if voters[i].Blind {
				voters[i].blind = "abstains as blind: says itself that most of what it saw went dark at once"
			}
		}
	}
}

// vantages counts the regions that have a voter.
func (el electorate) vantages() int {
	n := 0
	for _, voters := range el {
		if len(voters) > 0 {
			n++
		}
	}
	return n
}

// configuredVantages counts the regions whose votes are waited for.
func configuredVantages(t *Topology) int {
	n := 0
	for i := range t.Regions {
		if !t.Regions[i].NoVantage {
			n++
		}
	}
	return n
}

// poll counts the ballots for every target.
func poll(t *Topology, el electorate) *polls {
	ps := &polls{endpoints: make([][][]vantage, len(t.Services)), entrances: make([][]vantage, len(t.Regions))}
	slab := newSlab[vantage](targets(t) * el.vantages())
	for s := range t.Services {
		ps.endpoints[s] = make([][]vantage, len(t.Services[s].Endpoints))
		for e := range t.Services[s].Endpoints {
			ps.endpoints[s][e] = pollTarget(t, el, t.Services[s].Endpoints[e].ID, slab)
		}
	}
	for i := range t.Regions {
		if t.Regions[i].Entrance.IsValid() {
			ps.entrances[i] = pollTarget(t, el, EntranceID(t.Regions[i].Name), slab)
		}
	}
	return ps
}

func targets(t *Topology) int {
	n := 0
	for s := range t.Services {
		n += len(t.Services[s].Endpoints)
	}
	for i := range t.Regions {
		if t.Regions[i].Entrance.IsValid() {
			n++
		}
	}
	return n
}

func pollTarget(t *Topology, el electorate, id string, slab *slab[vantage]) []vantage {
	vs := slab.take(el.vantages())[:0]
	for i, voters := range el {
		if len(voters) > 0 {
			vs = append(vs, combine(t.Regions[i].Name, voters, id))
		}
	}
	return vs
}

// combine makes the one vote of a vantage: down only when more than half of
// its instances that vote up or down say down, otherwise up when any says up,
// otherwise it abstains. A tie is up and suspect.
func combine(name string, voters []voter, id string) vantage {
	v := vantage{region: voters[0].region, vote: VantageVote{Region: name}}
	var downs []time.Time
	var up, down healthcheck.Vote // the first of each
	silent := ""                  // why the first of those abstains that do
	for i := range voters {
		vote := voters[i].vote(id)
		switch vote.State {
		case healthcheck.Up:
			if v.vote.Up++; v.vote.Up == 1 {
				up = vote
			}
		case healthcheck.Down:
			if downs = append(downs, vote.Since); len(downs) == 1 {
				down = vote
			}
		default:
			if silent == "" {
				silent = cmp.Or(voters[i].blind, vote.Reason)
			}
			continue
		}
		v.suspect = v.suspect || vote.Suspect
	}
	v.vote.Down = len(downs)
	voting := v.vote.Up + v.vote.Down
	switch {
	case 2*v.vote.Down > voting:
		v.vote.State, v.vote.Reason, v.vote.Since = healthcheck.Down, down.Reason, majorityComplete(downs, voting)
	case v.vote.Up > 0:
		v.vote.State, v.vote.Reason, v.vote.Since = healthcheck.Up, up.Reason, up.Since
		v.suspect = v.suspect || 2*v.vote.Down == voting
	default:
		v.vote.Reason = silent
	}
	return v
}

// vote is what a voter says of a target: nothing while it is blind.
func (v *voter) vote(id string) healthcheck.Vote {
	if v.blind != "" {
		return healthcheck.Vote{}
	}
	return v.Votes[id]
}

// majorityComplete is the moment at which more than half of voting had said
// down; downs must be more than half of voting. It is sorted in place.
func majorityComplete(downs []time.Time, voting int) time.Time {
	slices.SortFunc(downs, time.Time.Compare)
	return downs[voting/2]
}

// slab hands out parts of one allocation.
type slab[T any] struct{ rest []T }

func newSlab[T any](n int) *slab[T] { return &slab[T]{rest: make([]T, n)} }

// take returns the next n, with no room to grow into what follows.
func (s *slab[T]) take(n int) []T {
	if n > len(s.rest) {
		return make([]T, n)
	}
	out := s.rest[:n:n]
	s.rest = s.rest[n:]
	return out
}
