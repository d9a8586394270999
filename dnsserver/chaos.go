package dnsserver

import (
	"github.com/miekg/dns"

	"github.com/steerdns/steerdns/dnsserver/wire"
	"github.com/steerdns/steerdns/dnsserver/zone"
)

// chaosAnswers are the TXT records of class CH that say who answers
// (RFC 4892). The version is told only when one is given.
func chaosAnswers(instance, version string) map[string]*compiled {
	answers := make(map[string]*compiled)
	for name, text := range map[string]string{
		"id.server.": instance, "hostname.bind.": instance,
		"version.server.": version, "version.bind.": version,
	} {
		owner, err := zone.PackName(name)
		if err != nil || text == "" {
			continue
		}
		hdr := dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassCHAOS}
		txt := &dns.TXT{Hdr: hdr, Txt: []string{text[:min(len(text), 255)]}}
		c, err := pack(owner, dns.TypeTXT, &plan{answer: []dns.RR{txt}, service: -1, region: -1})
		if err == nil {
			answers[string(owner)] = c
		}
	}
	return answers
}

func (r *Responder) findChaos(q *wire.Query) *compiled {
	if q.QType == dns.TypeTXT || q.QType == dns.TypeANY {
		if c := r.chaos[string(q.Name())]; c != nil {
			return c
		}
	}
	return &refusedChaos
}
