// Package synth synthesizes the records that stand for a service's endpoints, for
// answers and for zone transfers alike.
package synth

import (
	"net"
	"net/netip"

	"github.com/miekg/dns"

	"github.com/steerdns/steerdns/regions"
)

// Address is an A or AAAA record of owner, whichever a asks for.
func Address(owner string, a netip.Addr, ttl uint32) dns.RR {
	if a.Is4() {
		return &dns.A{Hdr: header(owner, dns.TypeA, ttl), A: a.AsSlice()}
	}
	return &dns.AAAA{Hdr: header(owner, dns.TypeAAAA, ttl), AAAA: a.AsSlice()}
}

// Binding is a service's HTTPS or SVCB record in ServiceMode for owner itself
// (RFC 9460 sections 2.4.3 and 7), with these addresses as hints. The
// parameters are in ascending order of their keys (section 2.2). Given may be
// nil.
func Binding(owner string, rtype uint16, given *regions.Binding, v4, v6 []netip.Addr, ttl uint32) dns.RR {
	b := dns.SVCB{Hdr: header(owner, rtype, ttl), Priority: 1, Target: "."}
	if given != nil && len(given.ALPN) > 0 {
		b.Value = append(b.Value, &dns.SVCBAlpn{Alpn: given.ALPN})
	}
	if given != nil && given.Port != 0 {
		b.Value = append(b.Value, &dns.SVCBPort{Port: given.Port})
	}
	if len(v4) > 0 {
		b.Value = append(b.Value, &dns.SVCBIPv4Hint{Hint: ips(v4)})
	}
	if len(v6) > 0 {
		b.Value = append(b.Value, &dns.SVCBIPv6Hint{Hint: ips(v6)})
	}
	if rtype == dns.TypeHTTPS {
		return &dns.HTTPS{SVCB: b}
	}
	return &b
}

func header(owner string, rtype uint16, ttl uint32) dns.RR_Header {
	return dns.RR_Header{Name: owner, Rrtype: rtype, Class: dns.ClassINET, Ttl: ttl}
}

func ips(list []netip.Addr) []net.IP {
	out := make([]net.IP, len(list))
	for i, a := range list {
		out[i] = a.AsSlice()
	}
	return out
}
