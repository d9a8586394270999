package dnsserver

import (
	"github.com/miekg/dns"

	"github.com/steerdns/steerdns/dnsserver/synth"
	"github.com/steerdns/steerdns/dnsserver/zone"
	"github.com/steerdns/steerdns/regions/steering"
)

// isBinding tells the service binding types of RFC 9460.
func isBinding(rtype uint16) bool { return rtype == dns.TypeSVCB || rtype == dns.TypeHTTPS }

// steerBinding answers HTTPS or SVCB at a steered name: one record in
// ServiceMode for the name itself (RFC 9460 2.4.3), whose address hints are what
// A and AAAA answer to the same client in the same epoch.
func (p *planner) steerBinding(owner []byte, res zone.Result) {
	rr, v4, v6 := p.binding(owner, res.Service, p.qtype)
	p.because(v4.Reason.Code)
	p.because(v6.Reason.Code)
	if rr == nil {
		p.without(res, &v4, &v6)
		return
	}
	p.note(&v4)
	p.note(&v6)
	if v4.Kept > 0 {
		p.region = v4.Candidates[0].Region
	} else if v6.Kept > 0 {
		p.region = v6.Candidates[0].Region
	}
	p.answer = append(p.answer, rr)
}

// binding makes the record of a service for owner. It is nil when the service
// has no address for the client in either family.
func (p *planner) binding(owner []byte, service int, rtype uint16) (rr dns.RR, v4, v6 steering.Decision) {
	svc := &p.world.Topology.Services[service]
	v4, v6 = p.decide(service, steering.FamilyV4), p.decide(service, steering.FamilyV6)
	hints4, hints6 := addresses(svc, steering.FamilyV4, &v4), addresses(svc, steering.FamilyV6, &v6)
	if len(hints4)+len(hints6) == 0 {
		return nil, v4, v6
	}
	ttl := svc.TTLMax
	if len(hints4) > 0 {
		ttl = min(ttl, v4.TTL)
	}
	if len(hints6) > 0 {
		ttl = min(ttl, v6.TTL)
	}
	return synth.Binding(zone.NameString(owner), rtype, svc.Binding(rtype), hints4, hints6, ttl), v4, v6
}
