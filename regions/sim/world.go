package sim

import (
	"slices"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// world holds every world that an instance makes to what may be.
func (o *oracle) world(n *node, w *regions.World) {
	k := o.of(n)
	last := k.last
	if w.Topology != o.sim.topology {
		return // not begun yet
	}
	o.revisionHolds(n, k, last, w)
	k.last, k.lastAt = w, o.sim.now
	if w.Ready && !k.informed {
		o.sim.violate("cold start", "%s is ready without ever having known a state", n.name)
	}
	for i := range o.sim.targets {
		o.endpointHolds(n, last, w, i)
	}
	for r := range w.Regions {
		o.regionHolds(n, last, w, r)
	}
	o.freshHolds(n, w)
	o.brakeHolds(n, w)
	o.leavingHolds(n, k, last, w)
	o.returnsHold(n, k, last, w)
	o.drainsHold(n, k, last, w)
	o.overridesObeyed(n, w)
	if last == nil || last.Epoch != w.Epoch || last.Topology != w.Topology {
		o.sim.say("%s is in epoch %s at revision %d%s", n.name, w.Epoch, w.Revision, marks(w))
		o.decisionsHold(n, w)
	}
}

// marks is a world's regions in short, for the trace.
func marks(w *regions.World) string {
	text := ""
	for i := range w.Regions {
		text += " " + w.Topology.Regions[i].Name + "=" + w.Regions[i].Label()
	}
	if w.StoreLost {
		text += " (store lost)"
	}
	return text
}

func (o *oracle) revisionHolds(n *node, k *knowledge, last, w *regions.World) {
	if last != nil && last.Cluster == w.Cluster && w.Revision < last.Revision && k.turned < k.lastAt {
		o.sim.violate("I4", "the world of %s went from revision %d back to %d", n.name, last.Revision, w.Revision)
	}
}

// endpointHolds holds I2 and rules 1, 2, 3 and 9: an endpoint is called down
// only when votes that may still count say so, by quorum, and nothing changes
// while nothing is known.
func (o *oracle) endpointHolds(n *node, last, w *regions.World, i int) {
	t := &o.sim.targets[i]
	v := &w.Endpoints[t.service][t.endpoint]
	before := regions.Verdict{}
	if last != nil && last.Endpoints != nil {
		before = last.Endpoints[t.service][t.endpoint]
	}
	if v.State == before.State {
		return
	}
	o.sim.say("%s: %s is %s: %s", n.name, t.id, v.State, v.Reason)
	switch {
	case v.Frozen:
		o.sim.violate("rule 2", "the frozen verdict of %s on %s changed from %s to %s", n.name, t.id, before.State, v.State)
	case w.StoreLost:
		o.sim.violate("rule 9", "without the store %s turned %s from %s to %s", n.name, t.id, before.State, v.State)
	case o.of(n).contact < o.sim.now-o.counts-storeGrace:
		o.sim.violate("rule 9", "%s has not heard the store for %v and turned %s from %s to %s", n.name, o.sim.now-o.of(n).contact, t.id, before.State, v.State)
	case v.State == healthcheck.Down:
		o.removalHolds(n, i)
		o.votedTogether(n, w, i)
	}
}

// votedTogether: what takes an endpoint out was in the store at one revision.
func (o *oracle) votedTogether(n *node, w *regions.World, i int) {
	p := n.reader.Picture()
	if p.Revision != w.Revision || p.Cluster != w.Cluster {
		return
	}
	down := 0
	for _, r := range w.Topology.Regions {
		if slices.ContainsFunc(p.Ballots, func(b regions.Ballot) bool {
			return b.Region == r.Name && b.Votes[o.sim.targets[i].id].State == healthcheck.Down
		}) {
			down++
		}
	}
	fewest := (len(w.Regions) + 1) / 2 // vantages that must be fresh
	if 2*down <= fewest {
		o.sim.violate("rule 2", "%s calls %s down at revision %d, where only %d of %d vantages say so", n.name, o.sim.targets[i].id, w.Revision, down, len(w.Regions))
	}
}

// removalHolds asks whether the votes can have added up to down.
func (o *oracle) removalHolds(n *node, i int) {
	t, regs := &o.sim.targets[i], len(o.sim.topology.Regions)
	down, up, fresh, outside := 0, 0, 0, false
	for r := range regs {
		switch {
		case o.surelyUp(n, r, i):
			up++
		case o.mayDown(r, i) && !o.surelyBlind(n, r):
			down++
			outside = outside || r != t.region
		}
		if o.mayCount(r) {
			fresh++
		}
	}
	switch {
	case down == 0:
		o.sim.violate("I2", "%s calls %s down, and nobody who can see says so", n.name, t.id)
	case down <= up:
		o.sim.violate("I2", "%s calls %s down by %d vantages at most, against %d that surely say up", n.name, t.id, down, up)
	case 2*fresh < regs:
		o.sim.violate("rule 2", "%s calls %s down though votes of only %d of %d vantages can be fresh", n.name, t.id, fresh, regs)
	case regs >= 3 && !outside:
		o.sim.violate("rule 2", "%s calls %s down and no vantage outside of its region does", n.name, t.id)
	}
}

// mayDown says whether a vote of region r that target i is down may count.
func (o *oracle) mayDown(r, i int) bool {
	for _, n := range o.sim.nodes {
		if n.region != r {
			continue
		}
		k := o.of(n)
		if v := k.votes[i]; k.alive && v.state == healthcheck.Down || v.lastDown >= o.sim.now-o.counts {
			return true
		}
	}
	return false
}

// mayCount says whether any vote of region r may count: one of its instances
// has written lately.
func (o *oracle) mayCount(r int) bool {
	for _, n := range o.sim.nodes {
		if n.region == r && o.of(n).written >= o.sim.now-o.counts {
			return true
		}
	}
	return false
}

// freshHolds holds rule 1: verdicts are frozen unless enough votes may be
// fresh. Who knows nothing takes old ones for better than none.
func (o *oracle) freshHolds(n *node, w *regions.World) {
	if o.of(n).trusting >= o.sim.now-o.counts {
		return
	}
	fresh := 0
	for r := range w.Regions {
		if o.mayCount(r) {
			fresh++
		}
	}
	if w.StoreLost || 2*fresh >= len(w.Regions) {
		return
	}
	for i := range o.sim.targets {
		t := &o.sim.targets[i]
		if v := &w.Endpoints[t.service][t.endpoint]; !v.Frozen {
			o.sim.violate("rule 1", "%s judges %s though votes of only %d of %d vantages can be fresh: %s", n.name, t.id, fresh, len(w.Regions), v.Reason)
		}
	}
}

// surelyUp says whether an observer must count region r as saying up: all its
// instances have done so for long enough, and nothing disturbs them or him.
func (o *oracle) surelyUp(observer *node, r, i int) bool {
	return o.solidFor(observer, spreads) && o.steadily(r, i, healthcheck.Up, spreads)
}

// blindFrom is the fewest targets from which a vantage can be found blind.
const blindFrom = 3

// surelyBlind says whether an observer must find region r blind: for long
// enough it has seen most of its targets down that most others surely see up.
func (o *oracle) surelyBlind(observer *node, r int) bool {
	contradicted := 0
	for i := range o.sim.targets {
		if o.steadily(r, i, healthcheck.Down, spreads) && o.othersSurelyUp(observer, r, i) {
			contradicted++
		}
	}
	return len(o.sim.targets) >= blindFrom && 2*contradicted > len(o.sim.targets)
}

func (o *oracle) othersSurelyUp(observer *node, but, i int) bool {
	ups, downs := 0, 0
	for r := range o.sim.topology.Regions {
		switch {
		case r == but:
		case o.surelyUp(observer, r, i):
			ups++
		default:
			downs++ // whatever it says: it may be down
		}
	}
	return ups >= 2 && ups > downs
}

// steadily says whether all instances of region r that live have voted s on
// target i for d, undisturbed, at least one of them, and none died lately.
func (o *oracle) steadily(r, i int, s healthcheck.State, d time.Duration) bool {
	some := false
	for _, n := range o.sim.nodes {
		k := o.of(n)
		switch {
		case n.region != r:
		case !k.alive:
			if k.diedAt >= o.sim.now-o.counts {
				return false
			}
		case k.votes[i].state != s || k.votes[i].since > o.sim.now-d || !o.solidFor(n, d):
			return false
		default:
			some = true
		}
	}
	return some
}

// regionHolds holds rule 4: a region goes when too few of its endpoints are
// left, and by nothing else.
func (o *oracle) regionHolds(n *node, last, w *regions.World, r int) {
	v := &w.Regions[r]
	if last != nil && last.Regions != nil && last.Regions[r].State == v.State || v.State != healthcheck.Down {
		return
	}
	down, all := 0, 0
	for i := range o.sim.targets {
		if t := &o.sim.targets[i]; t.region == r {
			all++
			if v := &w.Endpoints[t.service][t.endpoint]; v.State == healthcheck.Down && v.Drained == nil && w.Services[t.service] == nil {
				down++
			}
		}
	}
	if float64(all-down) >= w.Topology.Regions[r].MinUp*float64(all) {
		o.sim.violate("rule 4", "%s calls region r%d down with %d of %d endpoints down", n.name, r, down, all)
	}
}

// brakeHolds holds rule 5.
func (o *oracle) brakeHolds(n *node, w *regions.World) {
	shape := o.sim.story.Shape
	regs, out, drained := len(w.Regions), 0, 0
	for i := range w.Regions {
		switch {
		case isDrained(w, i):
			drained++
		case isOut(w, i):
			out++
		}
	}
	allowed := allowedOut(shape)
	windows := 1 + int((o.sim.now+2*time.Minute)/shape.Brake.Window) // voters' clocks may be wrong by less than two minutes
	if shape.Brake.Window > 5*time.Minute {
		windows = 1
	}
	if out > allowed*windows || regs > drained && out >= regs-drained {
		o.sim.violate("rule 5", "%s has %d of %d regions out by itself, %d drained, and the brake allows %d", n.name, out, regs, drained, allowed)
	}
}
