package dnsserver

import (
	"encoding/binary"
	"net/netip"

	"github.com/miekg/dns"

	"github.com/steerdns/steerdns/dnsserver/synth"
	"github.com/steerdns/steerdns/dnsserver/zone"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/steering"
)

// steer asks the service of a steered name.
func (p *planner) steer(owner []byte, res zone.Result) []byte {
	if p.qtype == dns.TypeANY && !res.Node.Alias {
		p.answer = append(p.answer, &dns.HINFO{Hdr: header(owner, dns.TypeHINFO, 3600), Cpu: "RFC8482"})
		return nil
	}
	p.decided = true
	if p.world == nil {
		return nil
	}
	if p.unready(res.Service) {
		p.because(steering.CodeNoState)
		p.fail() // cold start: never NXDOMAIN, never NODATA
		return nil
	}
	if p.service < 0 {
		p.service = res.Service
	}
	if !res.Node.Alias && isBinding(p.qtype) {
		p.steerBinding(owner, res)
		return nil
	}
	fam := family(res.Node, p.qtype)
	return p.decision(owner, res, fam, p.decide(res.Service, fam))
}

// unready reports whether nothing can be decided for the service.
func (p *planner) unready(service int) bool {
	return p.world == nil || !p.world.Ready || p.world.Topology == nil || service >= len(p.world.Topology.Services)
}

// decide makes the decision for the client, and notes that it shows in the plan.
func (p *planner) decide(service int, fam steering.Family) steering.Decision {
	d := steering.Decide(p.world, service, fam, p.place, p.variant)
	p.key, p.varied = appendKey(p.key, service, &d), p.varied || d.Varied
	return d
}

// decision turns one decision into records.
func (p *planner) decision(owner []byte, res zone.Result, fam steering.Family, d steering.Decision) []byte {
	p.because(d.Reason.Code)
	svc := &p.world.Topology.Services[res.Service]
	if fam == steering.FamilyAlias && d.Kept > 0 {
		return p.alias(owner, svc, &d)
	}
	addrs := addresses(svc, fam, &d)
	if len(addrs) == 0 {
		p.without(res, &d)
		return nil
	}
	p.note(&d)
	if d.Kept > 0 {
		p.region = d.Candidates[0].Region
	}
	for _, a := range addrs {
		p.answer = append(p.answer, synth.Address(zone.NameString(owner), a, d.TTL))
	}
	return nil
}

// note notes that records were made from d.
func (p *planner) note(d *steering.Decision) {
	p.tailored = true // a fence may leave even a fallback to some clients only
	p.failOpen = p.failOpen || d.Outcome == steering.FailOpen
}

// without answers where the decisions give no record.
func (p *planner) without(res zone.Result, decisions ...*steering.Decision) {
	for _, d := range decisions {
		if d.Outcome == steering.ServFail {
			p.fail()
			return
		}
		// Negative answers have scope 0 (RFC 7871 7.4), but not where it
		// would take a service from all because of a fence for some.
		if d.Reason.Code == steering.CodeNoneInFence || d.Reason.Code == steering.CodeFenceDown {
			p.tailored = true
		}
	}
	ttl := min(res.Zone.NegativeTTL(), p.world.Topology.Services[res.Service].TTLMin)
	p.negative(0, res.Zone, ttl)
}

// alias answers with the first alias kept: a name has one CNAME.
func (p *planner) alias(owner []byte, svc *regions.Service, d *steering.Decision) []byte {
	p.note(d)
	first := &d.Candidates[0]
	to := svc.Endpoints[first.Endpoint].Alias
	p.region = first.Region
	p.answer = append(p.answer, &dns.CNAME{Hdr: header(owner, dns.TypeCNAME, d.TTL), Target: to})
	if p.qtype == dns.TypeCNAME || p.qtype == dns.TypeANY {
		return nil
	}
	return target(to)
}

// addresses are what d answers for an address family: the kept endpoints in
// their order, or the fallback addresses.
func addresses(svc *regions.Service, fam steering.Family, d *steering.Decision) (out []netip.Addr) {
	for _, c := range d.Candidates[:d.Kept] {
		out = append(out, svc.Endpoints[c.Endpoint].Addr)
	}
	if d.Outcome != steering.Fallback || fam == steering.FamilyAlias {
		return out
	}
	for _, a := range svc.Fallback {
		if a = a.Unmap(); a.Is4() == (fam == steering.FamilyV4) {
			out = append(out, a)
		}
	}
	return out
}

func family(n *zone.Node, qtype uint16) steering.Family {
	switch {
	case n.Alias:
		return steering.FamilyAlias
	case qtype == dns.TypeAAAA:
		return steering.FamilyV6
	}
	return steering.FamilyV4
}

// appendKey writes down everything of a decision that shows in an answer.
func appendKey(key []byte, service int, d *steering.Decision) []byte {
	key = binary.AppendUvarint(key, uint64(service))
	key = append(key, byte(d.Outcome))
	key = binary.AppendUvarint(key, uint64(d.TTL))
	key = binary.AppendUvarint(key, uint64(d.Kept))
	for i := range d.Kept {
		key = binary.AppendUvarint(key, uint64(d.Candidates[i].Endpoint))
	}
	return key
}
