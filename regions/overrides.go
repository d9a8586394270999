package regions

import (
	"slices"
	"strings"
	"time"
)

// placeOverrides sizes the world's verdicts and marks what the overrides in
// force drain (rule 8). Overrides end by this instance's own clock, with or
// without the store. It returns the next moment at which one ends.
func placeOverrides(w *World, in Input) time.Time {
	t := w.Topology
	w.Overrides = inForce(knownOverrides(in), in.Now)
	var next time.Time
	byName := make(map[[2]string]*Override, len(w.Overrides))
	for i := range w.Overrides {
		o := &w.Overrides[i]
		byName[overrideKey(o.Kind, o.Name)] = o
		next = earliest(next, o.Expires)
	}
	w.Regions = make([]Verdict, len(t.Regions))
	for i, r := range t.Regions {
		w.Regions[i].Drained = byName[overrideKey(OverrideRegion, r.Name)]
	}
	w.Services = make([]*Override, len(t.Services))
	w.Endpoints = make([][]Verdict, len(t.Services))
	for s, svc := range t.Services {
		w.Services[s] = byName[overrideKey(OverrideService, svc.Name)]
		w.Endpoints[s] = make([]Verdict, len(svc.Endpoints))
		for e, ep := range svc.Endpoints {
			w.Endpoints[s][e].Drained = byName[overrideKey(OverrideEndpoint, ep.ID)]
		}
	}
	return next
}

func knownOverrides(in Input) []Override {
	switch {
	case in.Picture != nil:
		return in.Picture.Overrides
	case in.Previous != nil:
		return in.Previous.Overrides
	}
	return nil
}

// inForce is the overrides that have not ended, by kind and name, one each:
// of several the one that ends last.
func inForce(all []Override, now time.Time) []Override {
	var live []Override
	for _, o := range all {
		if o.Expires.After(now) {
			live = append(live, o)
		}
	}
	slices.SortFunc(live, func(a, b Override) int {
		if c := compareKeys(a, b); c != 0 {
			return c
		}
		return b.Expires.Compare(a.Expires)
	})
	return slices.CompactFunc(live, func(a, b Override) bool { return compareKeys(a, b) == 0 })
}

func compareKeys(a, b Override) int {
	ka, kb := overrideKey(a.Kind, a.Name), overrideKey(b.Kind, b.Name)
	return slices.Compare(ka[:], kb[:])
}

// overrideKey names what an override is about; service names compare without
// case and final dot.
func overrideKey(kind OverrideKind, name string) [2]string {
	if kind == OverrideService {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
	}
	return [2]string{string(kind), name}
}
