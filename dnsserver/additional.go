package dnsserver

import (
	"bytes"
	"slices"

	"github.com/miekg/dns"

	"github.com/steerdns/steerdns/dnsserver/zone"
)

// addAdditional adds what a reader of the records will ask for next (RFC 1034
// 4.3.2 step 6): the addresses of NS, MX, SRV and SVCB targets (RFC 2782,
// RFC 9460 4.1), as far as the zone of the records holds them. ANY
// gets nothing beside its one RRset (RFC 8482 4.1).
func (p *planner) addAdditional() {
	if p.qtype == dns.TypeANY {
		return
	}
	var done []string
	for _, rrs := range [][]dns.RR{p.answer, p.authority} {
		for _, rr := range rrs {
			name := pointsTo(rr)
			if name == "" || slices.Contains(done, name) {
				continue
			}
			done = append(done, name)
			if w := target(name); w != nil && p.zone != nil && bytes.HasSuffix(w, p.zone.Name) {
				p.addTarget(rr.Header().Rrtype, w)
			}
		}
	}
}

// addTarget adds what a record of type from points to.
func (p *planner) addTarget(from uint16, name []byte) {
	n := len(p.additional)
	if isBinding(from) {
		p.addFound(from, from, name)
	}
	p.addFound(from, dns.TypeA, name)
	p.addFound(from, dns.TypeAAAA, name)
	// RFC 9471 3.1: glue below the cut has to fit, or TC is set.
	if from == dns.TypeNS && p.referral != nil && len(p.additional) > n && bytes.HasSuffix(name, p.referral.Name) {
		p.needsGlue = true
	}
}

// addFound adds the records of one name and type. What lies below a cut is
// glue, which serves name servers only (RFC 1034 4.2.1).
func (p *planner) addFound(from, rtype uint16, name []byte) {
	switch res := p.zones.Lookup(name, rtype); res.Outcome {
	case zone.Found:
		p.addOnce(name, res.RRset)
	case zone.Delegation:
		if from == dns.TypeNS {
			p.addOnce(name, p.zones.Glue(name, rtype))
		}
	case zone.Steered:
		p.addSteered(name, res, rtype)
	}
}

// addOnce leaves out what the answer holds already.
func (p *planner) addOnce(name []byte, rrs []dns.RR) {
	for _, rr := range named(name, rrs) {
		same := func(a dns.RR) bool { return dns.IsDuplicate(a, rr) }
		if !slices.ContainsFunc(p.answer, same) {
			p.additional = append(p.additional, rr)
		}
	}
}

// addSteered adds what the service of a name says now, by the same decision
// that a query for the name gets. Where that is no address, there is nothing
// to add.
func (p *planner) addSteered(name []byte, res zone.Result, rtype uint16) {
	p.decided = true
	if p.unready(res.Service) || res.Node.Alias {
		return
	}
	if isBinding(rtype) {
		if rr, _, _ := p.binding(name, res.Service, rtype); rr != nil {
			p.tailored = true
			p.addOnce(name, []dns.RR{rr})
		}
		return
	}
	svc, fam := &p.world.Topology.Services[res.Service], family(res.Node, rtype)
	d := p.decide(res.Service, fam)
	for _, a := range addresses(svc, fam, &d) {
		p.tailored = true
		p.addOnce(name, []dns.RR{address(name, a, d.TTL)})
	}
}

// pointsTo is the name that a reader of rr will ask for next.
func pointsTo(rr dns.RR) string {
	switch rr := rr.(type) {
	case *dns.NS:
		return rr.Ns
	case *dns.MX:
		return rr.Mx
	case *dns.SRV:
		return rr.Target
	case *dns.SVCB:
		return bound(rr)
	case *dns.HTTPS:
		return bound(&rr.SVCB)
	}
	return ""
}

// bound is the TargetName of rr: "." is the owner in ServiceMode, and nothing
// in AliasMode (RFC 9460 2.5).
func bound(rr *dns.SVCB) string {
	switch {
	case rr.Target != ".":
		return rr.Target
	case rr.Priority != 0:
		return rr.Hdr.Name
	}
	return ""
}
