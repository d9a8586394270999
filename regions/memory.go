package regions

import (
	"slices"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
)

// memory is the verdicts of the world before. Those of the same topology are
// found by index; of another one by name, since indices change with it.
type memory struct {
	world     *World // nil: none
	topology  *Topology
	regions   map[string]*Verdict // nil when the topology is the same
	endpoints map[string]*Verdict
}

// remember makes the memory of w for judging t.
func remember(w *World, t *Topology) memory {
	m := memory{world: w, topology: t}
	if w == nil || w.Topology == t {
		return m
	}
	m.regions, m.endpoints = map[string]*Verdict{}, map[string]*Verdict{}
	for i := range w.Topology.Regions {
		m.regions[w.Topology.Regions[i].Name] = &w.Regions[i]
	}
	for s := range w.Topology.Services {
		for e := range w.Topology.Services[s].Endpoints {
			m.endpoints[w.Topology.Services[s].Endpoints[e].ID] = &w.Endpoints[s][e]
		}
	}
	return m
}

// region is the last verdict on a region of the topology that is judged; nil
// when there was none. It must not be changed; nor that of endpoint.
func (m memory) region(i int) *Verdict {
	switch {
	case m.world == nil:
		return nil
	case m.regions == nil:
		return &m.world.Regions[i]
	}
	return m.regions[m.topology.Regions[i].Name]
}

func (m memory) endpoint(s, e int) *Verdict {
	switch {
	case m.world == nil:
		return nil
	case m.endpoints == nil:
		return &m.world.Endpoints[s][e]
	}
	return m.endpoints[m.topology.Services[s].Endpoints[e].ID]
}

func (m memory) brake() BrakeState {
	if m.world == nil {
		return BrakeState{}
	}
	return m.world.Brake
}

// carryVerdicts lets the last verdicts stand as they were, but for what
// overrides say now.
func carryVerdicts(w *World, past memory) {
	for i := range w.Regions {
		carry(&w.Regions[i], past.region(i), w.Judged)
	}
	for s := range w.Endpoints {
		for e := range w.Endpoints[s] {
			carry(&w.Endpoints[s][e], past.endpoint(s, e), w.Judged)
		}
	}
	w.Brake = past.brake()
}

// holdUncovered keeps in the answers what is down and was never let go by the
// brake, since an override that has ended stood before it: without the store
// nobody newly leaves.
func holdUncovered(w *World) {
	w.Brake.Held = slices.Clone(w.Brake.Held)
	serving := serving(w)
	for i := range w.Regions {
		v := &w.Regions[i]
		if serving[i] && v.State == healthcheck.Down && !v.Held && v.Drained == nil && v.Pinned == nil &&
			!slices.Contains(w.Brake.Out, w.Topology.Regions[i].Name) {
			hold(w, i)
		}
	}
}

// forgetReturned takes off the list of those that are out what came back by
// the clock, or is out by an operator's word now.
func forgetReturned(w *World) {
	var out []string
	for i := range w.Regions {
		if name := w.Topology.Regions[i].Name; w.Regions[i].gone() && slices.Contains(w.Brake.Out, name) {
			out = append(out, name)
		}
	}
	w.Brake.Out = out
}

func carry(v, last *Verdict, now time.Time) {
	drained, pinned := v.Drained, v.Pinned
	if last != nil {
		*v = *last
	} else {
		*v = Verdict{Since: now, Reason: "unknown: no verdict yet, and the store is out of reach"}
	}
	v.Drained, v.Pinned = drained, pinned
}

// demote ranks last what this instance's own probes call down while the
// store is gone (rule 9): alone, it never removes. What it sees up is ranked
// as usual, and what it does not know stays ranked as it was.
func demote(w *World, own *Ballot) {
	eachVote(w, own, func(v *Verdict, vote healthcheck.State) {
		if vote != healthcheck.Unknown {
			v.Demoted = v.State != healthcheck.Down && vote == healthcheck.Down
		}
	})
}

// demoteFrozen does the same for what is frozen.
func demoteFrozen(w *World, own *Ballot) {
	if !frozen(w) {
		return
	}
	eachVote(w, own, func(v *Verdict, vote healthcheck.State) {
		if v.Frozen && v.State != healthcheck.Down && !v.Demoted && vote == healthcheck.Down {
			v.Demoted = true
			v.Reason += "; ranked last, since this instance's own probes call it down"
		}
	})
}

// frozen reports whether any verdict is: then some region's is.
func frozen(w *World) bool {
	return slices.ContainsFunc(w.Regions, func(v Verdict) bool { return v.Frozen })
}

// eachVote calls f with every verdict on a target and the own vote on it.
func eachVote(w *World, own *Ballot, f func(v *Verdict, vote healthcheck.State)) {
	if own == nil {
		return
	}
	for s := range w.Topology.Services {
		for e := range w.Topology.Services[s].Endpoints {
			f(&w.Endpoints[s][e], own.Votes[w.Topology.Services[s].Endpoints[e].ID].State)
		}
	}
	for i := range w.Topology.Regions {
		if r := &w.Topology.Regions[i]; r.Entrance.IsValid() {
			f(&w.Regions[i], own.Votes[EntranceID(r.Name)].State)
		}
	}
}

// Restored is what a restart remembers of the world before it, by name. Its
// maker is the snapshot; State.Restore takes it.
type Restored struct {
	SavedAt   time.Time
	Cluster   uint64
	Revision  int64
	Overrides []Override
	Regions   map[string]Verdict // by region name
	Endpoints map[string]Verdict // by endpoint ID
	Brake     BrakeState
	Serials   []ZoneSerial
}

// world makes the World that was, as far as t still knows its parts. What t
// does not know is forgotten, what is new in t is unknown.
func (r *Restored) world(t *Topology) *World {
	w := &World{
		Topology: t, Ready: true, StoreLost: true,
		Cluster: r.Cluster, Revision: r.Revision, Judged: r.SavedAt,
		Overrides: r.Overrides, Serials: r.Serials,
		Regions:   make([]Verdict, len(t.Regions)),
		Services:  make([]*Override, len(t.Services)),
		Endpoints: make([][]Verdict, len(t.Services)),
	}
	for s, svc := range t.Services {
		w.Endpoints[s] = make([]Verdict, len(svc.Endpoints))
	}
	carryVerdicts(w, r.memory(t))
	w.Brake = r.Brake
	return w
}

func (r *Restored) memory(t *Topology) memory {
	m := memory{world: &World{}, topology: t, regions: map[string]*Verdict{}, endpoints: map[string]*Verdict{}}
	for name, v := range r.Regions {
		m.regions[name] = &v
	}
	for name, v := range r.Endpoints {
		m.endpoints[name] = &v
	}
	return m
}

// Remember is the way back: what a restart should know of w.
func Remember(w *World) Restored {
	r := Restored{
		SavedAt: w.Judged, Cluster: w.Cluster, Revision: w.Revision, Overrides: w.Overrides,
		Regions: map[string]Verdict{}, Endpoints: map[string]Verdict{}, Brake: w.Brake, Serials: w.Serials,
	}
	for i := range w.Topology.Regions {
		r.Regions[w.Topology.Regions[i].Name] = w.Regions[i]
	}
	for s := range w.Topology.Services {
		for e := range w.Topology.Services[s].Endpoints {
			r.Endpoints[w.Topology.Services[s].Endpoints[e].ID] = w.Endpoints[s][e]
		}
	}
	return r
}

// Recall makes the World that r remembers, as far as t still knows its parts:
// what State takes for the previous world after Restore.
func Recall(r Restored, t *Topology) *World { return r.world(t) }
