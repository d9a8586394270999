package sim

import (
	"strings"

	"github.com/steerdns/steerdns/regions"
)

// overridesObeyed holds rule 8: what a world drains and pins is what the
// overrides say that it knows of, no more and no less. Stories pin regions only.
func (o *oracle) overridesObeyed(n *node, w *regions.World) {
	said := map[[3]string]bool{}
	for _, d := range w.Overrides {
		said[[3]string{string(d.Kind), d.Name, string(d.Action)}] = true
	}
	is := func(kind regions.OverrideKind, name string, action regions.Action) bool {
		return said[[3]string{string(kind), name, string(action)}]
	}
	hold := func(kind regions.OverrideKind, name string, drained, pinned *regions.Override, pin bool) {
		if (drained != nil) != is(kind, name, regions.ActionDrain) || (pinned != nil) != pin {
			o.sim.violate("rule 8", "%s has %s %s drained: %v, pinned: %v, and its overrides say otherwise", n.name, kind, name, drained != nil, pinned != nil)
		}
	}
	for r := range w.Regions {
		name := w.Topology.Regions[r].Name
		hold(regions.OverrideRegion, name, w.Regions[r].Drained, w.Regions[r].Pinned, is(regions.OverrideRegion, name, regions.ActionPin))
	}
	for s := range w.Services {
		name := strings.TrimSuffix(w.Topology.Services[s].Name, ".")
		hold(regions.OverrideService, name, w.Services[s], nil, false)
	}
	for i := range o.sim.targets {
		t := &o.sim.targets[i]
		v := &w.Endpoints[t.service][t.endpoint]
		hold(regions.OverrideEndpoint, t.id, v.Drained, v.Pinned, w.Regions[t.region].Pinned != nil)
	}
}
