package dnsserver

import (
	"bytes"
	"slices"

	"github.com/miekg/dns"

	"github.com/steerdns/steerdns/dnsserver/synth"
	"github.com/steerdns/steerdns/dnsserver/zone"
)

// addAdditional adds what a reader of the records will ask for next (RFC 1034
// 4.3.2 step 6): the addresses of NS, MX, SRV and SVCB targets (RFC 2782,
// RFC 9460 4.1), as far as the zone of the records holds them. ANY gets nothing
// beside its one RRset (RFC 8482 4.1).
func (p *planner) addAdditional() {
	if p.zone == nil || p.qtype == dns.TypeANY && p.referral == nil {
		return
	}
	var done [][]byte
	for _, rrs := range [][]dns.RR{p.answer, p.authority} {
		for _, rr := range rrs {
			name := target(pointsTo(rr))
			if name == nil || !bytes.HasSuffix(name, p.zone.Name) || holds(done, name) {
				continue
			}
			done = append(done, name)
			p.addTarget(rr.Header().Rrtype, name)
		}
	}
}

func holds(names [][]byte, name []byte) bool {
	return slices.ContainsFunc(names, func(n []byte) bool { return bytes.Equal(n, name) })
}

// addTarget adds what a record of type from points to.
func (p *planner) addTarget(from uint16, name []byte) {
	n := len(p.additional)
	if isBinding(from) {
		p.addFound(from, from, name)
	}
	p.addFound(from, dns.TypeA, name)
	p.addFound(from, dns.TypeAAAA, name)
	// RFC 9471 3.1: glue below the cut has to fit, or TC is set. It goes first.
	if added := slices.Clone(p.additional[n:]); from == dns.TypeNS && p.referral != nil && bytes.HasSuffix(name, p.referral.Name) {
		p.additional = slices.Insert(p.additional[:n], p.glue, added...)
		p.glue += len(added)
	}
}

// addFound adds the records of one name and type. What lies below a cut serves
// name servers only (RFC 1034 4.2.1), whether it is glue or in a zone of ours.
func (p *planner) addFound(from, rtype uint16, name []byte) {
	res := p.zones.Lookup(name, rtype)
	if from != dns.TypeNS && res.Zone != p.zone {
		return
	}
	switch {
	case isBinding(rtype) && res.Node == p.node:
		// The answer itself, or the same wildcard under another name.
	case res.Outcome == zone.Found:
		p.additional = append(p.additional, named(name, res.RRset())...)
	case res.Outcome == zone.Delegation:
		if from == dns.TypeNS {
			p.additional = append(p.additional, named(name, p.zones.Glue(name, rtype))...)
		}
	case res.Outcome == zone.Steered:
		p.addSteered(name, res, rtype)
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
			p.additional = append(p.additional, rr)
		}
		return
	}
	svc, fam := &p.world.Topology.Services[res.Service], family(res.Node, rtype)
	d := p.decide(res.Service, fam)
	for _, a := range addresses(svc, fam, &d) {
		p.tailored = true
		p.additional = append(p.additional, synth.Address(zone.NameString(name), a, d.TTL))
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
