package regions

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// placeOverrides sizes the world's verdicts and marks what the overrides in
// force drain or pin (rule 8). Overrides end by this instance's own clock,
// with or without the store. It returns the next moment at which one ends.
func placeOverrides(w *World, in Input) time.Time {
	t := w.Topology
	w.Overrides = inForce(knownOverrides(in), in.Now)
	book := bookOf(w.Overrides)
	w.Regions = make([]Verdict, len(t.Regions))
	for i := range t.Regions {
		v := &w.Regions[i]
		v.Drained, v.Pinned = book.on(OverrideRegion, t.Regions[i].Name)
	}
	w.Services = make([]*Override, len(t.Services))
	w.Endpoints = make([][]Verdict, len(t.Services))
	total := 0
	for s := range t.Services {
		total += len(t.Services[s].Endpoints)
	}
	verdicts := newSlab[Verdict](total)
	for s := range t.Services {
		svc := &t.Services[s]
		var pinned *Override
		w.Services[s], pinned = book.on(OverrideService, svc.Name)
		w.Endpoints[s] = verdicts.take(len(svc.Endpoints))
		for e := range svc.Endpoints {
			v := &w.Endpoints[s][e]
			v.Drained, v.Pinned = book.on(OverrideEndpoint, svc.Endpoints[e].ID)
			v.Pinned = cmp.Or(v.Pinned, pinned, w.Regions[svc.Endpoints[e].Region].Pinned)
		}
	}
	return book.ends
}

// book is the overrides in force by what they are about.
type book struct {
	byName map[[2]string]*Override
	ends   time.Time // of the first to end
}

func bookOf(all []Override) book {
	b := book{byName: make(map[[2]string]*Override, len(all))}
	for i := range all {
		o := &all[i]
		b.byName[overrideKey(o.Kind, o.Name)] = o
		b.ends = earliest(b.ends, o.Expires)
	}
	return b
}

// on is the override on something, as the drain or as the pin that it is.
func (b book) on(kind OverrideKind, name string) (drained, pinned *Override) {
	if len(b.byName) == 0 {
		return nil, nil
	}
	o := b.byName[overrideKey(kind, name)]
	switch {
	case o == nil:
		return nil, nil
	case o.Action == ActionPin:
		return nil, o
	case o.Action == ActionDrain:
		return o, nil
	}
	return nil, nil // a newer program's word: not ours to guess
}

// failbacks is when an operator let each region back, by name.
func failbacks(w *World) map[string]time.Time {
	var given map[string]time.Time
	for i := range w.Overrides {
		if o := &w.Overrides[i]; o.Kind == OverrideFailback {
			if given == nil {
				given = map[string]time.Time{}
			}
			given[o.Name] = o.Created
		}
	}
	return given
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
