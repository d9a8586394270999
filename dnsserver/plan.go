package dnsserver

import (
	"slices"

	"github.com/miekg/dns"

	"github.com/steerdns/steerdns/dnsserver/wire"
	"github.com/steerdns/steerdns/dnsserver/zone"
	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/regions"
)

// maxHops is how many aliases an answer follows inside our zones.
const maxHops = 8

// plan is an answer as records, before it is packed.
type plan struct {
	rcode                         uint16
	answer, authority, additional []dns.RR
	referral                      *zone.Node // the cut, when the answer ends in a delegation
	soa                           *zone.Zone // whose SOA ends the answer or authority section; nil: none
	glue                          int        // how many records of the additional section have to be there; they are the first
	decided                       bool       // a service had a say: holds for one world, place and variant
	tailored                      bool       // and other clients may get another answer
	varied                        bool       // and other variants may, here and in what led here
	failOpen                      bool
	service, region               int    // of the first address or alias decided; -1 when none
	key                           []byte // what was decided: equal keys for one start make equal answers
	reason                        string // of the decision; "" when no service had a say
	ede                           uint16 // extended error plus one (RFC 8914); 0: none
	text                          string // and its extra text
}

// planner makes a plan for one start, following RFC 1034 4.3.2 from the
// outcome that the zones gave for it.
type planner struct {
	zones   *zone.Set
	world   *regions.World // nil: stop where a service is reached
	place   *geo.Place     // nil: nowhere known
	variant uint8
	qtype   uint16
	seen    [][]byte
	zone    *zone.Zone // of the last outcome
	node    *zone.Node // of the last outcome
	plan
}

// run plans the answer to owner, for which the zones said res. Both must
// outlive the plan.
func (p *planner) run(owner []byte, res zone.Result) *plan {
	p.service, p.region = -1, -1
	for hop := 0; ; hop++ {
		p.seen = append(p.seen, owner)
		next := p.step(owner, res)
		if next == nil || hop == maxHops || p.looped(next) {
			break
		}
		owner, res = next, p.zones.Lookup(next, p.qtype)
	}
	p.addAdditional()
	p.aged()
	return &p.plan
}

func (p *planner) looped(name []byte) bool {
	return holds(p.seen, name)
}

// step takes one outcome and returns the name to go on with, if any.
func (p *planner) step(owner []byte, res zone.Result) []byte {
	p.zone, p.node = res.Zone, res.Node
	switch res.Outcome {
	case zone.Found:
		rrs := res.RRset()
		p.add(owner, rrs)
		if rrs[0].Header().Rrtype == dns.TypeSOA {
			p.soa = res.Zone
		}
	case zone.Alias:
		rrs := res.RRset()
		p.add(owner, rrs)
		return target(rrs[0].(*dns.CNAME).Target)
	case zone.Redirect:
		return p.redirect(owner, res)
	case zone.Steered:
		return p.steer(owner, res)
	case zone.Delegation:
		p.authority, p.referral = res.RRset(), res.Node
	case zone.NoData:
		p.negative(wire.RcodeNoError, res.Zone, res.Zone.NegativeTTL())
	case zone.NameError:
		p.negative(wire.RcodeNXDomain, res.Zone, res.Zone.NegativeTTL())
	case zone.Refused: // an alias led out of our zones: the resolver goes on by itself
	}
	return nil
}

// add puts records into the answer section. What a chain passes again is there
// already: a DNAME, for example.
func (p *planner) add(owner []byte, rrs []dns.RR) {
	before := p.answer
	for _, rr := range named(owner, rrs) {
		if !slices.ContainsFunc(before, func(a dns.RR) bool { return dns.IsDuplicate(a, rr) }) {
			p.answer = append(p.answer, rr)
		}
	}
}

// named renames records to the name asked for, which is another than their own
// below a wildcard (RFC 4592 3.3.1).
func named(owner []byte, rrs []dns.RR) []dns.RR {
	name := zone.NameString(owner)
	for _, rr := range rrs {
		rr.Header().Name = name
	}
	return rrs
}

// redirect applies a DNAME (RFC 6672 3.1 and 3.3): the DNAME, and a CNAME
// made from it with the same TTL.
func (p *planner) redirect(owner []byte, res zone.Result) []byte {
	rrs := res.RRset()
	dname := rrs[0].(*dns.DNAME)
	p.add(res.Node.Name, rrs)
	base := target(dname.Target)
	if base == nil {
		return nil
	}
	next := append(slices.Clone(owner[:len(owner)-len(res.Node.Name)]), base...)
	if len(next) > wire.MaxName {
		p.rcode = wire.RcodeYXDomain // RFC 6672 2.2
		return nil
	}
	p.answer = append(p.answer, &dns.CNAME{
		Hdr:    header(owner, dns.TypeCNAME, dname.Hdr.Ttl),
		Target: zone.NameString(next),
	})
	if p.qtype == dns.TypeCNAME {
		return nil
	}
	return next
}

// negative puts the zone's SOA into the authority section (RFC 2308 3).
func (p *planner) negative(rcode uint16, z *zone.Zone, ttl uint32) {
	soa := dns.Copy(z.SOA()).(*dns.SOA)
	soa.Hdr.Ttl = ttl
	p.rcode, p.authority, p.soa = rcode, []dns.RR{soa}, z
}

func (p *planner) fail() {
	p.plan = plan{rcode: wire.RcodeServFail, decided: true, varied: p.varied, service: p.service, region: -1, key: p.key,
		reason: p.reason, ede: p.ede, text: p.text}
}

func header(owner []byte, rtype uint16, ttl uint32) dns.RR_Header {
	return dns.RR_Header{Name: zone.NameString(owner), Rrtype: rtype, Class: dns.ClassINET, Ttl: ttl}
}

// target is a name in wire form, nil when it is none.
func target(name string) []byte {
	w, err := zone.PackName(name)
	if err != nil {
		return nil
	}
	return w
}
