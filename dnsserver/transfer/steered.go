package transfer

import (
	"net/netip"
	"slices"

	"github.com/miekg/dns"

	"github.com/steerdns/steerdns/dnsserver/synth"
	"github.com/steerdns/steerdns/dnsserver/zone"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/steering"
)

// steered is the records that stand for a node's service: what a client of whom
// nothing is known may get, whatever its variant, in the fleet file's order. The
// TTL is always the service's lower one: a secondary hears of a change later than
// we do, and a doubt that removes nothing should not make a new version.
func steered(w *regions.World, n *zone.Node) []dns.RR {
	if w == nil || w.Topology == nil || n.Service >= len(w.Topology.Services) {
		return nil
	}
	svc := &w.Topology.Services[n.Service]
	if n.Alias {
		return alias(w, svc, n)
	}
	v4 := addresses(w, svc, n.Service, steering.FamilyV4)
	v6 := addresses(w, svc, n.Service, steering.FamilyV6)
	var out []dns.RR
	for _, a := range append(v4[:len(v4):len(v4)], v6...) {
		out = append(out, synth.Address(n.String(), a, svc.TTLMin))
	}
	if len(out) == 0 {
		return nil
	}
	if n.SVCB {
		out = append(out, synth.Binding(n.String(), dns.TypeSVCB, svc.Binding(dns.TypeSVCB), v4, v6, svc.TTLMin))
	}
	if n.HTTPS {
		out = append(out, synth.Binding(n.String(), dns.TypeHTTPS, svc.Binding(dns.TypeHTTPS), v4, v6, svc.TTLMin))
	}
	return out
}

// alias is the CNAME of a service of aliases: a name has one.
func alias(w *regions.World, svc *regions.Service, n *zone.Node) []dns.RR {
	d := steering.Decide(w, n.Service, steering.FamilyAlias, nil, 0)
	chosen := -1
	switch {
	case d.Kept > 0:
		chosen = d.Candidates[0].Endpoint
	case d.Outcome == steering.ServFail:
		if all := undrained(w, svc, n.Service, steering.FamilyAlias); len(all) > 0 {
			chosen = all[0]
		}
	}
	if chosen < 0 {
		return nil
	}
	hdr := dns.RR_Header{Name: n.String(), Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: svc.TTLMin}
	return []dns.RR{&dns.CNAME{Hdr: hdr, Target: svc.Endpoints[chosen].Alias}}
}

// addresses is the union of what all variants get.
func addresses(w *regions.World, svc *regions.Service, service int, fam steering.Family) []netip.Addr {
	kept := make([]bool, len(svc.Endpoints))
	d := steering.Decide(w, service, fam, nil, 0)
	keep(kept, &d)
	if d.Varied {
		for v := uint8(1); v < steering.Variants; v++ {
			other := steering.Decide(w, service, fam, nil, v)
			keep(kept, &other)
		}
	}
	switch d.Outcome {
	case steering.Fallback:
		return fallback(svc, fam)
	case steering.ServFail: // a zone cannot say so, and no data would be believed
		for _, e := range undrained(w, svc, service, fam) {
			kept[e] = true
		}
	}
	var out []netip.Addr
	for e, yes := range kept {
		if yes {
			out = append(out, svc.Endpoints[e].Addr.Unmap())
		}
	}
	return out
}

func keep(kept []bool, d *steering.Decision) {
	for _, c := range d.Candidates[:d.Kept] {
		kept[c.Endpoint] = true
	}
}

func fallback(svc *regions.Service, fam steering.Family) []netip.Addr {
	var out []netip.Addr
	for _, a := range svc.Fallback {
		if a = a.Unmap(); a.Is4() == (fam == steering.FamilyV4) && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// undrained is the endpoints of a family that no operator drained, or all.
func undrained(w *regions.World, svc *regions.Service, service int, fam steering.Family) []int {
	var all, some []int
	for e := range svc.Endpoints {
		if steering.FamilyOf(&svc.Endpoints[e]) != fam {
			continue
		}
		all = append(all, e)
		if w.Endpoints[service][e].Drained == nil && w.Regions[svc.Endpoints[e].Region].Drained == nil {
			some = append(some, e)
		}
	}
	if len(some) > 0 {
		return some
	}
	return all
}
