package regions

import (
	"context"
	"log/slog"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
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

// Label is the verdict in one word: drained, pinned, held, demoted, down,
// lacking, waiting, ramping, up or unknown, the first that holds.
func (v *Verdict) Label() string {
	switch {
	case v.Drained != nil:
		return "drained"
	case v.Pinned != nil:
		return "pinned"
	case v.Held:
		return "held"
	case v.Demoted:
		return "demoted"
	case v.State == healthcheck.Down:
		return "down"
	case v.Lacks != "":
		return "lacking"
	case v.Waiting:
		return "waiting"
	case v.Ramp > 0:
		return "ramping"
	}
	return v.State.String()
}

// transitions is what changed from a to b, regions first. What a does not
// know (a may be nil) was unknown.
func transitions(a, b *World) []Transition {
	past := remember(a, b.Topology)
	var ts []Transition
	note := func(kind OverrideKind, name func() string, last, v *Verdict) {
		from := healthcheck.Unknown.String()
		if last != nil {
			from = last.Label()
		}
		if to := v.Label(); from != to {
			ts = append(ts, Transition{Kind: kind, Name: name(), From: from, To: to, Reason: why(v), At: b.Judged})
		}
	}
	for i := range b.Regions {
		note(OverrideRegion, func() string { return b.Topology.Regions[i].Name }, past.region(i), &b.Regions[i])
	}
	was := drainedServices(a)
	for s := range b.Endpoints {
		key := overrideKey(OverrideService, b.Topology.Services[s].Name)[1]
		if from, to := was[key], b.Services[s]; (from == nil) != (to == nil) {
			label, reason := steered(to)
			was, _ := steered(from)
			ts = append(ts, Transition{Kind: OverrideService, Name: key, From: was, To: label, Reason: reason, At: b.Judged})
		}
		for e := range b.Endpoints[s] {
			note(OverrideEndpoint, func() string { return b.Topology.Services[s].Endpoints[e].ID }, past.endpoint(s, e), &b.Endpoints[s][e])
		}
	}
	return ts
}

// steered is how a service stands, and why: it has no verdict of its own.
func steered(drained *Override) (label, reason string) {
	if drained != nil {
		return "drained", drained.Word()
	}
	return "steered", "it is not drained any more"
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
		return v.Drained.Word()
	case v.Pinned != nil:
		return v.Pinned.Word() + "; by votes " + v.Reason
	case v.Demoted:
		return "demoted: the votes there are say down, but too few vote to remove it, or the store is out of reach"
	case v.Lacks != "" && v.State != healthcheck.Down:
		return "needs " + v.Lacks + ", which is down in its region"
	}
	return v.Why()
}

func (t Transition) log(log *slog.Logger) {
	level := slog.LevelInfo
	switch {
	case t.To == "down" || t.To == "held" || t.To == "demoted" || t.To == "lacking":
		level = slog.LevelWarn
	case t.From == "unknown" && t.To == "up":
		level = slog.LevelDebug
	}
	log.Log(context.Background(), level, "verdict", "kind", string(t.Kind), "name", t.Name,
		"from", t.From, "to", t.To, "reason", t.Reason)
}
