package dnsserver

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/miekg/dns"

	"github.com/steerdns/steerdns/dnsserver/wire"
	"github.com/steerdns/steerdns/dnsserver/zone"
	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/steering"
)

// maxHops is how many aliases an answer follows inside our zones.
const maxHops = 8

// plan is an answer as records, before it is packed.
type plan struct {
	rcode                         uint16
	answer, authority, additional []dns.RR
	referral                      *zone.Node // the cut, when the answer ends in a delegation
	needsGlue                     bool       // the additional section cannot be left out
	decided                       bool       // a service had a say: holds for one world, place and variant
	tailored                      bool       // and other clients may get another answer
	varied                        bool       // and other variants may, here and in what led here
	failOpen                      bool
	service, region               int    // of the first address or alias decided; -1 when none
	key                           []byte // what was decided: equal keys for one start make equal answers
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
	return &p.plan
}

func (p *planner) looped(name []byte) bool {
	return slices.ContainsFunc(p.seen, func(s []byte) bool { return string(s) == string(name) })
}

// step takes one outcome and returns the name to go on with, if any.
func (p *planner) step(owner []byte, res zone.Result) []byte {
	switch res.Outcome {
	case zone.Found:
		p.add(owner, res.RRset)
	case zone.Alias:
		p.add(owner, res.RRset)
		return target(res.RRset[0].(*dns.CNAME).Target)
	case zone.Redirect:
		return p.redirect(owner, res)
	case zone.Steered:
		return p.steer(owner, res)
	case zone.Delegation:
		p.authority, p.referral = res.RRset, res.Node
	case zone.NoData:
		p.negative(wire.RcodeNoError, res.Zone, res.Zone.NegativeTTL())
	case zone.NameError:
		p.negative(wire.RcodeNXDomain, res.Zone, res.Zone.NegativeTTL())
	case zone.Refused: // an alias led out of our zones: the resolver goes on by itself
	}
	return nil
}

// add puts records into the answer section under the name asked for, which
// is another than their own below a wildcard (RFC 4592 3.3.1).
func (p *planner) add(owner []byte, rrs []dns.RR) {
	name := zone.NameString(owner)
	for _, rr := range rrs {
		if rr.Header().Name != name {
			rr = dns.Copy(rr)
			rr.Header().Name = name
		}
		p.answer = append(p.answer, rr)
	}
}

// redirect applies a DNAME (RFC 6672 3.1 and 3.3): the DNAME, and a CNAME
// made from it with the same TTL.
func (p *planner) redirect(owner []byte, res zone.Result) []byte {
	dname := res.RRset[0].(*dns.DNAME)
	p.add(res.Node.Name, res.RRset)
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
	p.rcode, p.authority = rcode, []dns.RR{soa}
}

func (p *planner) fail() {
	p.plan = plan{rcode: wire.RcodeServFail, decided: true, varied: p.varied, service: p.service, region: -1, key: p.key}
}

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
	if t := p.world.Topology; !p.world.Ready || t == nil || res.Service >= len(t.Services) {
		p.fail() // cold start: never NXDOMAIN, never NODATA
		return nil
	}
	svc := &p.world.Topology.Services[res.Service]
	d := steering.Decide(p.world, res.Service, family(res.Node, p.qtype), p.place, p.variant)
	p.key, p.varied = appendKey(p.key, res.Service, &d), p.varied || d.Varied
	if p.service < 0 {
		p.service = res.Service
	}
	return p.decision(owner, res, svc, &d)
}

// decision turns one decision into records.
func (p *planner) decision(owner []byte, res zone.Result, svc *regions.Service, d *steering.Decision) []byte {
	switch d.Outcome {
	case steering.Answer, steering.FailOpen:
		if d.Kept > 0 {
			p.tailored = true
			p.failOpen = p.failOpen || d.Outcome == steering.FailOpen
			return p.endpoints(owner, svc, d)
		}
	case steering.Fallback:
		if p.fallback(owner, svc, d.TTL) {
			p.tailored = true // a fence may leave it to some clients only
			return nil
		}
	case steering.ServFail:
		p.fail()
		return nil
	case steering.NoData:
		// Negative answers have scope 0 (RFC 7871 7.4), but not where it
		// would take a service from all because of a fence for some.
		p.tailored = d.Reason.Code == steering.CodeNoneInFence || d.Reason.Code == steering.CodeFenceDown
	}
	p.negative(wire.RcodeNoError, res.Zone, min(res.Zone.NegativeTTL(), svc.TTLMin))
	return nil
}

// endpoints answers with the kept endpoints in their order. Of aliases only
// the first can be given: a name has one CNAME.
func (p *planner) endpoints(owner []byte, svc *regions.Service, d *steering.Decision) []byte {
	p.region = d.Candidates[0].Region
	for _, c := range d.Candidates[:d.Kept] {
		e := &svc.Endpoints[c.Endpoint]
		if e.Alias == "" {
			p.answer = append(p.answer, address(owner, e.Addr, d.TTL))
			continue
		}
		p.answer = append(p.answer, &dns.CNAME{Hdr: header(owner, dns.TypeCNAME, d.TTL), Target: e.Alias})
		if p.qtype == dns.TypeCNAME || p.qtype == dns.TypeANY {
			return nil
		}
		return target(e.Alias)
	}
	return nil
}

// fallback answers with the service's fallback addresses of the family asked
// for and reports whether there were any.
func (p *planner) fallback(owner []byte, svc *regions.Service, ttl uint32) bool {
	n := len(p.answer)
	for _, a := range svc.Fallback {
		a = a.Unmap()
		if a.Is4() && p.qtype == dns.TypeA || !a.Is4() && p.qtype == dns.TypeAAAA {
			p.answer = append(p.answer, address(owner, a, ttl))
		}
	}
	return len(p.answer) > n
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

func header(owner []byte, rtype uint16, ttl uint32) dns.RR_Header {
	return dns.RR_Header{Name: zone.NameString(owner), Rrtype: rtype, Class: dns.ClassINET, Ttl: ttl}
}

func address(owner []byte, a netip.Addr, ttl uint32) dns.RR {
	if a.Is4() {
		return &dns.A{Hdr: header(owner, dns.TypeA, ttl), A: a.AsSlice()}
	}
	return &dns.AAAA{Hdr: header(owner, dns.TypeAAAA, ttl), AAAA: a.AsSlice()}
}

// target is a name in wire form, nil when it is none.
func target(name string) []byte {
	w, err := zone.PackName(name)
	if err != nil {
		return nil
	}
	return w
}
