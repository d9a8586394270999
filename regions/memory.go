package regions

import (
	"time"

	"github.com/steerdns/steerdns/healthcheck"
)

// memory is a world's verdicts by name, since indices change with the
// topology.
type memory struct {
	regions   map[string]Verdict
	endpoints map[string]Verdict
	brake     BrakeState
}

func remember(w *World) memory {
	m := memory{regions: map[string]Verdict{}, endpoints: map[string]Verdict{}}
	if w == nil {
		return m
	}
	m.brake = w.Brake
	for i, r := range w.Topology.Regions {
		m.regions[r.Name] = w.Regions[i]
	}
	for s, svc := range w.Topology.Services {
		for e, ep := range svc.Endpoints {
			m.endpoints[ep.ID] = w.Endpoints[s][e]
		}
	}
	return m
}

// carryVerdicts lets the last verdicts stand as they were, but for what
// overrides say now.
func carryVerdicts(w *World, past memory) {
	for i, r := range w.Topology.Regions {
		carry(&w.Regions[i], past.regions, r.Name, w.Judged)
	}
	for s, svc := range w.Topology.Services {
		for e, ep := range svc.Endpoints {
			carry(&w.Endpoints[s][e], past.endpoints, ep.ID, w.Judged)
		}
	}
	w.Brake = past.brake
}

func carry(v *Verdict, past map[string]Verdict, name string, now time.Time) {
	drained := v.Drained
	last, known := past[name]
	if !known {
		last = Verdict{Since: now, Reason: "unknown: no verdict yet, and the store is out of reach"}
	}
	*v = last
	v.Drained = drained
}

// demote ranks last what this instance's own probes call down while the
// store is gone (rule 9): alone, it never removes. What it sees up is ranked
// as usual, and what it does not know stays ranked as it was.
func demote(w *World, own *Ballot) {
	if own == nil {
		return
	}
	for s, svc := range w.Topology.Services {
		for e, ep := range svc.Endpoints {
			v := &w.Endpoints[s][e]
			if vote := own.Votes[ep.ID].State; vote != healthcheck.Unknown {
				v.Demoted = v.State != healthcheck.Down && vote == healthcheck.Down
			}
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
	carryVerdicts(w, memory{regions: r.Regions, endpoints: r.Endpoints, brake: r.Brake})
	return w
}

// Remember is the way back: what a restart should know of w.
func Remember(w *World) Restored {
	m := remember(w)
	return Restored{
		SavedAt: w.Judged, Cluster: w.Cluster, Revision: w.Revision,
		Overrides: w.Overrides, Regions: m.regions, Endpoints: m.endpoints, Brake: m.brake, Serials: w.Serials,
	}
}

// Recall makes the World that r remembers, as far as t still knows its parts:
// what State takes for the previous world after Restore.
func Recall(r Restored, t *Topology) *World { return r.world(t) }
