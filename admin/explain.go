package admin

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/steering"
)

// Explain answers, for one client address or prefix, what a query for name
// gets and why. It locates and decides by the same calls as a query.
func Explain(w *regions.World, l Locator, f Facts, name, from string) (Explanation, error) {
	svc, err := findService(w, name)
	if err != nil {
		return Explanation{}, err
	}
	prefix, err := parseFrom(from)
	if err != nil {
		return Explanation{}, err
	}
	c := locate(l, prefix)
	x := Explanation{
		Name: strings.TrimSuffix(w.Topology.Services[svc].Name, "."), Instance: f.Instance, Epoch: f.Epoch,
		From: prefix.String(), Place: l.Data.Locate(prefix.Addr()), Cell: uint32(c.cell), Variant: c.variant,
	}
	for _, fam := range familiesOf(w.Topology.Services[svc]) {
		x.Families = append(x.Families, explainFamily(w, svc, fam, c, x, f))
	}
	return x, nil
}

// client is what a query knows of its client before it decides.
type client struct {
	prefix  netip.Prefix
	cell    geo.Cell
	bits    uint8
	variant uint8
	place   *geo.Place
}

func locate(l Locator, prefix netip.Prefix) client {
	cell, bits := l.Atlas.LocatePrefix(prefix)
	return client{
		prefix: prefix, cell: cell, bits: bits,
		variant: steering.VariantOf(prefix.Addr()), place: l.Atlas.Place(cell),
	}
}

func findService(w *regions.World, name string) (int, error) {
	want := strings.ToLower(strings.TrimSuffix(name, ".")) + "."
	var known []string
	for i, s := range w.Topology.Services {
		if s.Name == want {
			return i, nil
		}
		known = append(known, strings.TrimSuffix(s.Name, "."))
	}
	return 0, &Refusal{http.StatusNotFound, fmt.Sprintf("%s is not a service of this fleet (services: %s)",
		strings.TrimSuffix(want, "."), strings.Join(known, ", "))}
}

func parseFrom(from string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(from); err == nil {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(from)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, &Refusal{http.StatusBadRequest,
			fmt.Sprintf("%q is neither an address nor a prefix (give --from 192.0.2.1 or --from 192.0.2.0/24)", from)}
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), nil
}

func familiesOf(s regions.Service) []steering.Family {
	if len(s.Endpoints) > 0 && s.Endpoints[0].Alias != "" {
		return []steering.Family{steering.FamilyAlias}
	}
	return []steering.Family{steering.FamilyV4, steering.FamilyV6}
}

var familyTypes = [...]string{steering.FamilyV4: "A", steering.FamilyV6: "AAAA", steering.FamilyAlias: "CNAME"}

func explainFamily(w *regions.World, svc int, fam steering.Family, c client, x Explanation, f Facts) FamilyDecision {
	d := steering.Decide(w, svc, fam, c.place, c.variant)
	out := FamilyDecision{
		Type: familyTypes[fam], Outcome: d.Outcome.String(), Reason: d.Reason, TTL: d.TTL,
		Scope: scope(w, svc, fam, c), Candidates: []ExplainedCandidate{},
		Dig: dig(f, x.Name, familyTypes[fam], c.prefix),
	}
	service := w.Topology.Services[svc]
	if d.Outcome == steering.Fallback {
		out.Fallback = fallbackOf(service, fam)
	}
	for _, cand := range d.Candidates {
		e := service.Endpoints[cand.Endpoint]
		out.Candidates = append(out.Candidates, ExplainedCandidate{
			Address: address(e), Region: w.Topology.Regions[cand.Region].Name, Kept: cand.Kept,
			Rank: cand.Rank, DistanceKm: steering.DistanceKm(&w.Topology.Regions[cand.Region], &x.Place), State: w.Endpoints[svc][cand.Endpoint].State,
			Stage: cand.Stage, Reason: cand.Reason, Evidence: evidence(w, svc, cand),
		})
	}
	return out
}

// evidence is what the fleet's verdict behind a reason goes by.
func evidence(w *regions.World, svc int, c steering.Candidate) string {
	v, r := &w.Endpoints[svc][c.Endpoint], &w.Regions[c.Region]
	switch c.Reason.Code {
	case steering.CodeRegionDown, steering.CodeRamping:
		return r.Why()
	case steering.CodeWaiting:
		if r.Waiting {
			return r.Why()
		}
		return v.Why()
	case steering.CodeEndpointDown, steering.CodeHeld, steering.CodeDemoted, steering.CodeFailOpen, steering.CodePinned:
		return v.Why()
	}
	return ""
}

func fallbackOf(s regions.Service, fam steering.Family) []string {
	var out []string
	for _, a := range s.Fallback {
		if a.Is4() == (fam == steering.FamilyV4) {
			out = append(out, a.String())
		}
	}
	return out
}

// scope is the ECS scope a reply carries: the leaf of the atlas, or the
// prefix that the balance stage tells apart where that matters, and never
// longer than what was asked (RFC 7871 section 7.2.1).
func scope(w *regions.World, svc int, fam steering.Family, c client) uint8 {
	bits := c.bits
	if steering.Varies(w, svc, fam, c.place) {
		bits = max(bits, steering.VariantBits(c.prefix.Addr()))
	}
	return min(bits, uint8(c.prefix.Bits()))
}

func dig(f Facts, name, qtype string, prefix netip.Prefix) string {
	server := ""
	if len(f.DNS) > 0 {
		if host, port, err := net.SplitHostPort(f.DNS[0]); err == nil {
			server = fmt.Sprintf("@%s -p %s ", host, port)
		}
	}
	return fmt.Sprintf("dig %s%s %s +subnet=%s", server, name, qtype, prefix)
}
