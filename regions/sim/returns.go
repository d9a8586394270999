package sim

import (
	"slices"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// returnsHold holds rule 7: in a fleet that nothing disturbs, what the votes
// took out stays out for the hold, and with a failback of "manual" until an
// operator's word.
func (o *oracle) returnsHold(n *node, k *knowledge, last, w *regions.World) {
	recovery := o.sim.story.Shape.Recovery
	if last == nil || last.Regions == nil || o.steps || recovery == (regions.Recovery{}) {
		return
	}
	for r := range w.Regions {
		v, was := &w.Regions[r], &last.Regions[r]
		if v.Waiting && was.State != healthcheck.Down && !was.Waiting && was.Drained == nil && was.Pinned == nil {
			o.waitHolds(n, r)
		}
		if v.Waiting || v.State == healthcheck.Down && !v.Held {
			k.outAt[r] = o.sim.now
		}
		switch {
		case v.Drained != nil || v.Pinned != nil || v.Held:
			k.fell[r] = never
		case v.State == healthcheck.Down:
			if was.State != healthcheck.Down || was.Held {
				k.fell[r] = o.firstDown(r)
			}
		case v.Waiting || k.fell[r] == never:
		default:
			fell := k.fell[r]
			k.fell[r] = never
			if !o.calmSince(fell-o.counts) || anyDrained(w) || !o.mostSawOut(r, fell) { // with fewer regions left, the brake wants it back
				break
			}
			if back := fell + recovery.Hold; o.sim.now < back {
				o.sim.violate("rule 7", "%s has region r%d back %v before its hold of %v is over", n.name, r, back-o.sim.now, recovery.Hold)
			}
			if recovery.Failback == regions.FailbackManual && !o.letBack(w, r) {
				o.sim.violate("rule 7", "%s has region r%d back without an operator's word", n.name, r)
			}
		}
	}
}

// waitHolds: what an instance did not see leave waits only if enough others did.
func (o *oracle) waitHolds(n *node, r int) {
	if !o.solidFor(n, spreads) {
		return
	}
	speak := o.vantages(func(m *node) bool { return o.solidFor(m, spreads) })
	remember := o.vantages(func(m *node) bool { return o.of(m).outAt[r] > never })
	if 2*remember <= speak {
		o.sim.violate("rule 7", "%s lets region r%d wait, which %d of %d vantages saw leave", n.name, r, remember, speak)
	}
}

// mostSawOut says whether most vantages have seen region r out since then:
// what fewer remember is forgotten.
func (o *oracle) mostSawOut(r int, since time.Duration) bool {
	return 2*o.vantages(func(m *node) bool { return o.of(m).outAt[r] >= since }) > len(o.sim.topology.Regions)
}

// vantages counts the regions that have an instance with a property.
func (o *oracle) vantages(with func(*node) bool) int {
	all := map[int]bool{}
	for _, m := range o.sim.nodes {
		if with(m) {
			all[m.region] = true
		}
	}
	return len(all)
}

func anyDrained(w *regions.World) bool {
	return slices.ContainsFunc(w.Regions, func(v regions.Verdict) bool { return v.Drained != nil })
}

func (o *oracle) letBack(w *regions.World, r int) bool {
	for _, d := range w.Overrides {
		if d.Kind == regions.OverrideFailback && d.Name == w.Topology.Regions[r].Name {
			return true
		}
	}
	return false
}

// firstDown is the earliest moment at which a vote that now calls an endpoint
// of region r down may have begun to do so.
func (o *oracle) firstDown(r int) time.Duration {
	first := o.sim.now
	for i := range o.sim.targets {
		if o.sim.targets[i].region != r {
			continue
		}
		for _, k := range o.known {
			if v := k.votes[i]; v.state == healthcheck.Down {
				first = min(first, v.since)
			}
		}
	}
	return first
}

// calmSince says whether all instances have lived since then, with the store,
// undisturbed.
func (o *oracle) calmSince(at time.Duration) bool {
	for _, k := range o.known {
		if !k.alive || k.disturbed > 0 || k.bornAt > at || k.calmAt > at || k.listedAt == never || k.listedAt > at {
			return false
		}
	}
	return true
}
