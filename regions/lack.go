package regions

import (
	"cmp"
	"strings"
)

// lack lets endpoints drop with what their service needs: where a needed
// service has endpoints in the region and none of them serves, they lack it.
// Their own verdict stays by votes, and counts as that for their region.
func lack(w *World) {
	done := make([]bool, len(w.Topology.Services))
	for s := range w.Topology.Services {
		lackService(w, s, done)
	}
}

// lackService settles what s needs before s itself. A circle, which the fleet
// file cannot have, ends where it began.
func lackService(w *World, s int, done []bool) {
	if done[s] {
		return
	}
	done[s] = true
	svc := &w.Topology.Services[s]
	for e := range svc.Endpoints {
		w.Endpoints[s][e].Lacks, w.Endpoints[s][e].Shaky = "", false
	}
	for _, n := range svc.Needs {
		lackService(w, n, done)
		there := supplyOf(w, n)
		for e := range svc.Endpoints {
			v := &w.Endpoints[s][e]
			at := there[svc.Endpoints[e].Region]
			switch {
			case at.total == 0: // nobody has it there: it is had from elsewhere
			case at.serving == 0:
				v.Lacks = cmp.Or(v.Lacks, strings.TrimSuffix(w.Topology.Services[n].Name, "."))
				v.Shaky = v.Shaky || at.coming > 0
			case at.steady == 0:
				v.Shaky = true
			}
		}
	}
}

// supply is what there is of a service in one region: what serves, what of
// that nobody doubts, and what is down and may be about to come.
type supply struct{ total, serving, steady, coming int }

// supplyOf counts a service's endpoints by region. What waits is up, and what
// the brake holds serves.
func supplyOf(w *World, service int) []supply {
	there := make([]supply, len(w.Topology.Regions))
	for e := range w.Endpoints[service] {
		v := &w.Endpoints[service][e]
		at := &there[w.Topology.Services[service].Endpoints[e].Region]
		at.total++
		switch {
		case v.Drained != nil: // it comes when the drain ends
			at.coming++
		case v.Out():
			if v.Suspect || v.Shaky {
				at.coming++
			}
		default:
			at.serving++
			if !v.Suspect && !v.Shaky {
				at.steady++
			}
		}
	}
	return there
}
