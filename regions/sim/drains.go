package sim

import (
	"slices"
	"time"

	"github.com/steerdns/steerdns/regions"
)

func wallOf(n *node) time.Time { return n.now().Round(0) }

// drainsHold: what is drained stays so until the drain's end, or an
// operator's word, or another store.
func (o *oracle) drainsHold(n *node, k *knowledge, last, w *regions.World) {
	if last == nil {
		return
	}
	for _, was := range last.Overrides {
		if still(w, was) || !was.Expires.After(wallOf(n)) {
			continue
		}
		key := string(was.Kind) + "/" + was.Name
		ended, known := o.ended[key]
		if known && ended > o.sim.now-time.Hour || o.swapped > never && max(k.turned, k.unseen, k.bornAt) >= o.swapped {
			continue // what was written after the backup is lost
		}
		o.sim.violate("rule 8", "%s forgot the drain of %s %s %v before its end", n.name, was.Kind, was.Name, was.Expires.Sub(wallOf(n)))
	}
}

func still(w *regions.World, was regions.Override) bool {
	for _, o := range w.Overrides {
		if o.Kind == was.Kind && o.Name == was.Name {
			return true
		}
	}
	return false
}

// ends is how late a drain may end: a judgement's pause, and a tick of the
// oracle's own.
const ends = 2 * time.Second

// notices is how late a step of the wall clock may be noticed.
const notices = time.Minute

// drainsEnd: a drain ends by itself, on the instance's own clock.
func (o *oracle) drainsEnd(n *node, k *knowledge) {
	if k.last == nil || !k.alive || k.stepped > o.sim.now-notices-ends {
		return
	}
	for _, d := range k.last.Overrides {
		if late := wallOf(n).Sub(d.Expires); late > ends {
			o.sim.violate("rule 8", "%s still drains %s %s %v after the drain's end", n.name, d.Kind, d.Name, late)
		}
	}
}

// inStore is the overrides in the store that a clock says are in force, give
// or take slack.
func (o *oracle) inStore(wall time.Time, slack time.Duration) []regions.Override {
	var list []regions.Override
	for _, e := range o.sim.store.cluster.Entries(prefix + "overrides/") {
		if d := keys.DecodeOverride(e); d != nil && d.Expires.After(wall.Add(slack)) {
			list = append(list, *d)
		}
	}
	return list
}

// drainsTrue: the drains that a picture shows are those that the store had at
// its revision.
func (o *oracle) drainsTrue(n *node, p *regions.Picture) {
	if o.gaps || p.Cluster != o.sim.store.cluster.ID() {
		return
	}
	there := 0
	for _, e := range o.sim.store.cluster.At(prefix+"overrides/", p.Revision) {
		if d := keys.DecodeOverride(e); d != nil {
			there++
			if !slices.ContainsFunc(p.Overrides, func(shown regions.Override) bool { return shown == *d }) {
				o.sim.violate("I4", "%s does not see the drain of %s %s at revision %d", n.name, d.Kind, d.Name, p.Revision)
			}
		}
	}
	if len(p.Overrides) > there {
		o.sim.violate("I4", "%s sees %d drains at revision %d, the store had %d", n.name, len(p.Overrides), p.Revision, there)
	}
}

// drainsSpread: an instance that nothing disturbs obeys the drains that are
// in the store, and no others.
func (o *oracle) drainsSpread(n *node, k *knowledge) {
	if !o.solidFor(n, spreads) || o.touched > o.sim.now-spreads || k.last == nil || k.stepped > o.sim.now-notices-ends {
		return
	}
	wall := wallOf(n)
	for _, d := range o.inStore(wall, ends) {
		if !still(k.last, d) {
			o.sim.violate("rule 8", "%s does not obey the drain of %s %s", n.name, d.Kind, d.Name)
		}
	}
	all := o.inStore(wall, -ends)
	for _, d := range k.last.Overrides {
		there := false
		for _, s := range all {
			there = there || s.Kind == d.Kind && s.Name == d.Name
		}
		if !there && d.Expires.After(wall) {
			o.sim.violate("rule 8", "%s drains %s %s, which the store does not say", n.name, d.Kind, d.Name)
		}
	}
}

// someRegionStays: operators who check the precondition never drain all.
func (o *oracle) someRegionStays() {
	if o.steps {
		return // their clocks do not agree on what is drained
	}
	drained := 0
	for _, d := range o.inStore(moment(o.sim.now, 0), 0) {
		if d.Kind == regions.OverrideRegion && d.Action == regions.ActionDrain && d.Owner != "eve" {
			drained++
		}
	}
	if drained >= len(o.sim.topology.Regions) {
		o.sim.violate("rule 8", "operators drained all %d regions", drained)
	}
}
