package regions

import (
	"context"
	"log/slog"
	"time"
)

// Transition is one change of what the fleet says of a region, service or
// endpoint.
type Transition struct {
	Kind   OverrideKind `json:"kind"`
	Name   string       `json:"name"` // as in an override
	From   string       `json:"from"` // a Verdict's Label
	To     string       `json:"to"`
	Reason string       `json:"reason"`
	At     time.Time    `json:"at"`
}

// Label is the verdict in one word: drained, held, demoted, down, up or
// unknown, the first that holds.
func (v *Verdict) Label() string {
	switch {
	case v.Drained != nil:
		return "drained"
	case v.Held:
		return "held"
	case v.Demoted:
		return "demoted"
	}
	return v.State.String()
}

// transitions is what changed from a to b, regions first. What a does not
// know (a may be nil) was unknown.
func transitions(a, b *World) []Transition {
	past := remember(a)
	var ts []Transition
	note := func(kind OverrideKind, name string, last, v Verdict) {
		if from, to := last.Label(), v.Label(); from != to {
			ts = append(ts, Transition{Kind: kind, Name: name, From: from, To: to, Reason: why(&v), At: b.Judged})
		}
	}
	for i, r := range b.Topology.Regions {
		note(OverrideRegion, r.Name, past.regions[r.Name], b.Regions[i])
	}
	was := drainedServices(a)
	for s, svc := range b.Topology.Services {
		key := overrideKey(OverrideService, svc.Name)[1]
		note(OverrideService, key, Verdict{Drained: was[key]}, Verdict{Drained: b.Services[s]})
		for e, ep := range svc.Endpoints {
			note(OverrideEndpoint, ep.ID, past.endpoints[ep.ID], b.Endpoints[s][e])
		}
	}
	return ts
}

func drainedServices(w *World) map[string]*Override {
	m := map[string]*Override{}
	if w == nil {
		return m
	}
	for s, svc := range w.Topology.Services {
		if w.Services[s] != nil {
			m[overrideKey(OverrideService, svc.Name)[1]] = w.Services[s]
		}
	}
	return m
}

func why(v *Verdict) string {
	switch {
	case v.Drained != nil:
		return "drained by " + v.Drained.Owner + ": " + v.Drained.Reason
	case v.Demoted:
		return "demoted: the votes there are say down, but too few vote to remove it, or the store is out of reach"
	case v.Reason == "":
		return "no override any more"
	}
	return v.Reason
}

func (t Transition) log(log *slog.Logger) {
	level := slog.LevelInfo
	switch {
	case t.To == "down" || t.To == "held" || t.To == "demoted":
		level = slog.LevelWarn
	case t.From == "unknown" && t.To == "up":
		level = slog.LevelDebug
	}
	log.Log(context.Background(), level, "verdict", "kind", string(t.Kind), "name", t.Name,
		"from", t.From, "to", t.To, "reason", t.Reason)
}
