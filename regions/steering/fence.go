package steering

import (
	"net/netip"
	"slices"

	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/regions"
)

// insideFences reports whether all fences that hold for the client let it use
// the endpoint, and drops the endpoint otherwise.
func (d *deliberation) insideFences(e *entry) bool {
	inside := true
	for i := range d.svc.Policy {
		st := &d.svc.Policy[i]
		if st.Kind != regions.StageFence || !holds(&st.Fence, d.place) {
			continue
		}
		d.fence = true
		inside = inside && slices.Contains(st.Regions, e.Region)
	}
	if !inside {
		e.drop(regions.StageFence, reason(CodeOutsideFence, "the client's fence does not let it use this region"))
	}
	return inside
}

// holds reports whether a fence is for clients in p: when any of its lists
// has p. A prefix list has p when it covers all of p's prefix.
func holds(f *regions.Fence, p *geo.Place) bool {
	return p.Country != "" && slices.Contains(f.Countries, p.Country) ||
		p.Continent != "" && slices.Contains(f.Continents, p.Continent) ||
		p.ASN != 0 && slices.Contains(f.ASNs, p.ASN) ||
		slices.ContainsFunc(f.Prefixes, func(q netip.Prefix) bool { return covers(q, p.Prefix) })
}

func covers(q, p netip.Prefix) bool {
	return q.IsValid() && p.IsValid() && q.Bits() <= p.Bits() && q.Contains(p.Addr())
}

// distinctFences is every fence of the topology once.
func distinctFences(t *regions.Topology) []*regions.Fence {
	var fences []*regions.Fence
	eachFence(t, func(f *regions.Fence) {
		if !slices.ContainsFunc(fences, func(g *regions.Fence) bool { return sameFence(f, g) }) {
			fences = append(fences, f)
		}
	})
	return fences
}

func sameFence(f, g *regions.Fence) bool {
	return slices.Equal(f.Countries, g.Countries) && slices.Equal(f.Continents, g.Continents) &&
		slices.Equal(f.ASNs, g.ASNs) && slices.Equal(f.Prefixes, g.Prefixes)
}

// FencePrefixes is every prefix that a fence names, sorted, each once. A
// client's place must not reach over the edge of one.
func FencePrefixes(t *regions.Topology) []netip.Prefix {
	var all []netip.Prefix
	eachFence(t, func(f *regions.Fence) { all = append(all, f.Prefixes...) })
	slices.SortFunc(all, netip.Prefix.Compare)
	return slices.Compact(all)
}

func eachFence(t *regions.Topology, visit func(*regions.Fence)) {
	for s := range t.Services {
		for i := range t.Services[s].Policy {
			if st := &t.Services[s].Policy[i]; st.Kind == regions.StageFence {
				visit(&st.Fence)
			}
		}
	}
}
