package regions

import "slices"

// Suppose is w as it would be with one more override in force, in place of one
// on the same thing: what drains, pins and needs make of the verdicts there
// are. It has no epoch, and is nobody's current world.
func Suppose(w *World, o Override) *World {
	key := overrideKey(o.Kind, o.Name)
	all := slices.DeleteFunc(slices.Clone(w.Overrides), func(old Override) bool { return overrideKey(old.Kind, old.Name) == key })
	next := *w
	placeOverrides(&next, Input{Topology: w.Topology, Picture: &Picture{Overrides: append(all, o)}, Now: w.Judged})
	for i := range next.Regions {
		carry(&next.Regions[i], &w.Regions[i], w.Judged)
	}
	for s := range next.Endpoints {
		for e := range next.Endpoints[s] {
			carry(&next.Endpoints[s][e], &w.Endpoints[s][e], w.Judged)
		}
	}
	lack(&next)
	next.Epoch = ""
	return &next
}
