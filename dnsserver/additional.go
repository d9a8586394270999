package dnsserver

import (
	"bytes"

	"github.com/miekg/dns"
)

// addAdditional adds the addresses of the names that the records point to
// (RFC 1034 4.3.2 step 6, RFC 2782, RFC 9460 4.1), as far as our zones hold
// them.
func (p *planner) addAdditional() {
	var done []string
	for _, rrs := range [][]dns.RR{p.answer, p.authority} {
		for _, rr := range rrs {
			name := pointsTo(rr)
			if name == "" || contains(done, name) {
				continue
			}
			done = append(done, name)
			p.addAddresses(rr, name)
		}
	}
}

func (p *planner) addAddresses(from dns.RR, name string) {
	w := target(name)
	if w == nil {
		return
	}
	n := len(p.additional)
	p.additional = append(p.additional, p.zones.Glue(w, dns.TypeA)...)
	p.additional = append(p.additional, p.zones.Glue(w, dns.TypeAAAA)...)
	// RFC 9471 3.1: glue below the cut has to fit, or TC is set.
	if p.referral != nil && len(p.additional) > n && from.Header().Rrtype == dns.TypeNS &&
		bytes.HasSuffix(w, p.referral.Name) {
		p.needsGlue = true
	}
}

// pointsTo is the name whose addresses a reader of rr will ask for next.
func pointsTo(rr dns.RR) string {
	switch rr := rr.(type) {
	case *dns.NS:
		return rr.Ns
	case *dns.MX:
		return rr.Mx
	case *dns.SRV:
		return rr.Target
	case *dns.SVCB:
		return rr.Target
	case *dns.HTTPS:
		return rr.Target
	}
	return ""
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}
