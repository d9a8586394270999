package zone

import (
	"fmt"
	"math"
	"strings"

	"github.com/miekg/dns"
)

// checkAll holds a complete zone against the rules; zones around it are complete too.
func (a *assembly) checkAll() {
	for _, d := range a.order {
		a.check(d)
	}
	if !a.src.Partial {
		a.checkZone()
	}
}

// check holds one node against the rules for zones.
func (a *assembly) check(d *draft) {
	if d.redirect != nil {
		a.checkRedirected(d)
		return
	}
	a.checkAlias(d)
	a.checkPlace(d)
	a.checkSteered(d)
	a.checkNS(d)
}

// checkZone looks for what each zone must have.
func (a *assembly) checkZone() {
	if !a.apex.has(dns.TypeSOA) && a.src.SOA == nil && !a.unread(dns.TypeSOA) {
		a.rep.add(a.at, "add an SOA record at the apex", "the zone has no SOA")
	}
	if !a.apex.has(dns.TypeNS) && !a.unread(dns.TypeNS) {
		a.rep.add(a.at, "name the servers of the zone", "the zone has no NS records at its apex")
	}
	if a.outer != nil && a.outer.drafts[a.name].cut == nil {
		a.rep.add(a.at, fmt.Sprintf("add NS records for %s to %s", a, a.outer),
			"the zone lies inside %s, which does not delegate it", a.outer)
	}
	if _, octets := a.extent(); octets > math.MaxUint32 {
		a.rep.add(a.at, "split the zone", "its names and data take %d octets, more than 4 GiB", octets)
	}
}

// unread reports whether what is missing may stand in an entry that could not be
// read, which has a problem of its own.
func (a *assembly) unread(rtype uint16) bool {
	return a.lost.types[rtype] || a.lost.lines && strings.Contains(strings.ToUpper(a.src.Text), dns.TypeToString[rtype])
}

// checkRedirected reports data below a DNAME (RFC 6672 section 2.4).
func (a *assembly) checkRedirected(d *draft) {
	fix := "remove it, or the DNAME"
	line := d.redirect.first(dns.TypeDNAME).at.line
	if len(d.records) > 0 {
		a.rep.add(d.records[0].at, fix, "%s lies below the DNAME of %s on line %d", d, d.redirect, line)
	}
	if d.steered != nil {
		a.steeredProblem(d.steered, fix, "%s lies below the DNAME of %s on line %d", d, d.redirect, line)
	}
}

// checkAlias: a CNAME stands alone (RFC 1034 section 3.6.2, RFC 2181 section 10.1).
func (a *assembly) checkAlias(d *draft) {
	cname := d.first(dns.TypeCNAME)
	if cname == nil {
		return
	}
	for i := range d.records {
		if other := &d.records[i]; other.rtype != dns.TypeCNAME {
			a.rep.add(cname.at, "keep either the CNAME or the other data",
				"%s has a CNAME beside %s on line %d", d, dns.Type(other.rtype), other.at.line)
			return
		}
	}
}

// checkPlace reports types that cannot stand where they are.
func (a *assembly) checkPlace(d *draft) {
	if d.parent == nil {
		if ds := d.first(dns.TypeDS); ds != nil {
			a.rep.add(ds.at, "put it into the parent zone, RFC 4035 section 2.4", "%s is the apex, and DS belongs to the parent", d)
		}
		return
	}
	soa, dname, ns := d.first(dns.TypeSOA), d.first(dns.TypeDNAME), d.first(dns.TypeNS)
	if soa != nil {
		a.rep.add(soa.at, "move it to the apex", "%s is not the apex, and has an SOA", d)
	}
	if isWildcard(d.name) && ns != nil {
		a.rep.add(ns.at, "delegate names one by one, RFC 4592 section 4.2", "%s is a wildcard, and has NS records", d)
	}
	if isWildcard(d.name) && dname != nil {
		a.rep.add(dname.at, "redirect names one by one, RFC 6672 section 3.3", "%s is a wildcard, and has a DNAME", d)
	}
	if dname != nil && ns != nil {
		a.rep.add(dname.at, "keep either, RFC 6672 section 2.3", "%s has a DNAME beside NS on line %d", d, ns.at.line)
	}
	if ds := d.first(dns.TypeDS); ds != nil && ns == nil {
		a.rep.add(ds.at, "add the NS records of the delegation, or remove the DS", "%s has a DS but is not delegated", d)
	}
}

// checkSteered: a service's name must be ours, and free of what it would hide.
func (a *assembly) checkSteered(d *draft) {
	s := d.steered
	switch {
	case s == nil:
		return
	case s.Service < 0:
		a.steeredProblem(s, "number services from 0", "service %d of %s is negative", s.Service, d)
	case d.cut != nil:
		a.steeredProblem(s, "remove the delegation, or steer a name outside it", "%s is delegated by the NS of %s on line %d",
			d, d.cut, d.cut.first(dns.TypeNS).at.line)
	case s.Alias && d.parent == nil:
		a.steeredProblem(s, "use addresses, or steer a name below", "%s is the apex, which cannot be an alias", d)
		return
	}
	for i := range d.records {
		if r := &d.records[i]; collides(s, r.rtype) {
			a.steeredProblem(s, "remove the static record, or the service", "%s is steered and has a static %s on line %d of %s",
				d, dns.Type(r.rtype), r.at.line, a.src.File)
			return
		}
	}
}

// collides reports whether a static type cannot stand beside the service.
func collides(s *SteeredName, rtype uint16) bool {
	return s.Alias || rtype == dns.TypeA || rtype == dns.TypeAAAA || rtype == dns.TypeCNAME ||
		s.HTTPS && rtype == dns.TypeHTTPS || s.SVCB && rtype == dns.TypeSVCB
}

// checkNS reports servers that cannot be reached for want of an address in this zone.
func (a *assembly) checkNS(d *draft) {
	if d.parent != nil && d.cut != d {
		return // occluded
	}
	for i := range d.records {
		r := &d.records[i]
		if r.rtype != dns.TypeNS {
			continue
		}
		target := lowerName(r.data)
		if !within(target, a.name) {
			continue
		}
		if missing, fix := a.unreachable(d, target); missing != "" {
			a.rep.add(r.at, fix, "NS %s of %s %s", NameString([]byte(target)), d, missing)
		}
	}
}

// unreachable says why a server's name inside the zone gives no address; "" if it
// does, or if its address is another zone's matter.
func (a *assembly) unreachable(owner *draft, target string) (why, fix string) {
	d := a.drafts[target]
	if d != nil && d.addressed() {
		return "", ""
	}
	enclosing := d
	for name := target; enclosing == nil; {
		name, _ = parentName(name)
		enclosing = a.drafts[name]
	}
	e := enclosing
	switch {
	case e.cut != nil:
		// Glue of sibling zones is welcome, not required (RFC 9471 section 3.2).
		if owner.parent != nil && e.cut != owner {
			return "", ""
		}
		return "has no glue", "add its A or AAAA record to this zone"
	case d != nil && (e.has(dns.TypeCNAME) || e.steered != nil && e.steered.Alias):
		return "is an alias", "name a server that has addresses itself, RFC 2181 section 10.3"
	case d == nil && e.has(dns.TypeDNAME):
		return "is redirected by a DNAME", "name a server that has addresses itself, RFC 2181 section 10.3"
	case d == nil && e.wild != nil && e.wild.addressed():
		return "", ""
	}
	return "has no address", "add its A or AAAA record to this zone"
}

// addressed reports whether the name has addresses, static or steered.
func (d *draft) addressed() bool {
	return d.has(dns.TypeA) || d.has(dns.TypeAAAA) || d.steered != nil && !d.steered.Alias
}
