package sim

import (
	"time"

	"github.com/steerdns/steerdns/healthcheck"
)

// tick holds the promises that something happens in time.
func (o *oracle) tick() {
	for _, n := range o.sim.nodes {
		k := o.of(n)
		if !k.alive {
			continue
		}
		o.storeHolds(n, k)
		o.drainsEnd(n, k)
		o.drainsSpread(n, k)
		if k.last != nil && k.last.Endpoints != nil && o.solidFor(n, spreads) {
			for i := range o.sim.targets {
				o.verdictFollows(n, k, i)
			}
		}
	}
}

// longestList is the longest between two full lists that nothing disturbs.
const longestList = relist*5/4 + 2*time.Second

// storeHolds: whoever has no store says so (rule 9), and whoever has one lists
// it in full now and then.
func (o *oracle) storeHolds(n *node, k *knowledge) {
	switch {
	case k.listedAt == never && k.awayAt < o.sim.now-storeGrace-2*time.Second && k.last != nil && !k.last.StoreLost:
		o.sim.violate("rule 9", "%s has had no store for %v and does not say so", n.name, o.sim.now-k.awayAt)
	case k.fullAt < o.sim.now-longestList && o.solidFor(n, longestList):
		o.sim.violate("rule 10", "%s has not listed the store for %v", n.name, o.sim.now-k.fullAt)
	}
}

// verdictFollows holds I1 and I2 in time: when most of the configured
// vantages have said one thing for long enough, and nothing disturbs them,
// then it is the verdict.
func (o *oracle) verdictFollows(n *node, k *knowledge, i int) {
	t := &o.sim.targets[i]
	downs, ups, regs := 0, 0, len(o.sim.topology.Regions)
	for r := range regs {
		switch {
		case o.mayBeBlind(r):
		case o.steadily(r, i, healthcheck.Down, spreads):
			downs++
		case o.steadily(r, i, healthcheck.Up, spreads):
			ups++
		}
	}
	v := &k.last.Endpoints[t.service][t.endpoint]
	switch {
	case 2*downs > regs && v.State != healthcheck.Down:
		o.sim.violate("I1", "%s calls %s %s, though %d of %d vantages have said down for %v: %s", n.name, t.id, v.State, downs, regs, spreads, v.Reason)
	case 2*max(ups, downs) > regs && v.Frozen:
		o.sim.violate("rule 2", "%s freezes %s, though %d of %d vantages have voted for %v: %s", n.name, t.id, max(ups, downs), regs, spreads, v.Reason)
	case 2*ups > regs && v.State != healthcheck.Up:
		o.sim.violate("I2", "%s calls %s %s, though %d of %d vantages have said up for %v: %s", n.name, t.id, v.State, ups, regs, spreads, v.Reason)
	}
}

// mayBeBlind says whether region r sees so much down that others may see up
// that it may be taken for blind.
func (o *oracle) mayBeBlind(r int) bool {
	odd := 0
	for i := range o.sim.targets {
		if o.mayDown(r, i) && !o.mostSayDown(i) {
			odd++
		}
	}
	return 2*odd > len(o.sim.targets)
}

// mostSayDown says whether more than half of all vantages steadily say down.
func (o *oracle) mostSayDown(i int) bool {
	downs := 0
	for r := range o.sim.topology.Regions {
		if o.steadily(r, i, healthcheck.Down, spreads) {
			downs++
		}
	}
	return 2*downs > len(o.sim.topology.Regions)
}

// settled asks of a fleet in which all has been well for long that it agrees
// on the truth.
func (o *oracle) settled() {
	epoch := ""
	for _, n := range o.sim.nodes {
		k := o.of(n)
		if k.last == nil || !k.alive || k.last.StoreLost || !k.last.Ready || n.session == nil {
			o.sim.violate("settled", "%s has not come back", n.name)
			return
		}
		if epoch == "" {
			epoch = k.last.Epoch
		}
		for i := range o.sim.targets {
			t := &o.sim.targets[i]
			if v := &k.last.Endpoints[t.service][t.endpoint]; v.State != healthcheck.Up {
				o.sim.violate("settled", "%s calls %s %s, and it is up: %s", n.name, t.id, v.State, v.Reason)
			}
		}
		if k.last.Epoch != epoch && !o.steps {
			o.sim.violate("settled", "%s is in epoch %s, %s in %s", n.name, k.last.Epoch, o.sim.nodes[0].name, epoch)
		}
		if p := n.reader.Picture(); p.Cluster != o.sim.store.cluster.ID() || len(p.Ballots) < len(o.sim.nodes) {
			o.sim.violate("settled", "%s sees %d ballots of cluster %d, there are %d instances and cluster %d", n.name, len(p.Ballots), p.Cluster, len(o.sim.nodes), o.sim.store.cluster.ID())
		}
	}
}
