package dnsserver

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"github.com/steerdns/steerdns/dnsserver/zone"
	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// A service at the zone's apex, below a wildcard and as the target of others:
// addresses stand beside SOA and NS, so this needs nothing special.
const bindingZone = `
@     3600 IN SOA ns1 hostmaster 1 7200 900 1209600 300
@     3600 IN NS  ns.example.net.
@     3600 IN MX  10 @
_sip._udp 300 IN SRV 1 1 5060 @
_dns  300 IN SVCB 1 @ alpn=dot
`

var bindingNames = []zone.SteeredName{{Name: "example.com.", Service: svcWWW, HTTPS: true, SVCB: true}}

// bindingWorld draws what is up, and what is answered when nothing is.
func bindingWorld(t *rapid.T) *regions.World {
	return testWorld(func(w *regions.World) {
		svc := &w.Topology.Services[svcWWW]
		svc.HTTPS = &regions.Binding{ALPN: []string{"h3", "h2"}, Port: uint16(rapid.SampledFrom([]int{0, 8443}).Draw(t, "port"))}
		svc.SVCB = &regions.Binding{}
		svc.AllDown = rapid.SampledFrom([]regions.AllDown{regions.FailOpen, regions.Fallback, regions.NoData, regions.ServFail}).Draw(t, "all down")
		if rapid.Bool().Draw(t, "fallback") {
			svc.Fallback = []netip.Addr{netip.MustParseAddr("192.0.2.200"), netip.MustParseAddr("2001:db8::200")}
		}
		for i := range w.Endpoints[svcWWW] {
			w.Endpoints[svcWWW][i].State = rapid.SampledFrom([]healthcheck.State{healthcheck.Up, healthcheck.Down, healthcheck.Unknown}).Draw(t, "state")
		}
		w.Ready = rapid.IntRange(0, 9).Draw(t, "ready") > 0
	})
}

func TestHintsAndAddressesAgree(t *testing.T) {
	zs := testZones(t, bindingZone, bindingNames)
	rapid.Check(t, func(t *rapid.T) {
		r := NewResponder(Options{})
		r.Publish(compileView(bindingWorld(t), zs, fakeAtlas{}, nil))
		c := r.NewCounters(false)
		subnet := anyPrefix(t)
		ask := func(name, qtype string) *dns.Msg {
			pkt, _ := query(t, fmt.Sprintf("%s %s +subnet=%v", name, qtype, subnet))
			m := new(dns.Msg)
			if err := m.Unpack(r.Respond(nil, pkt, london, TCP, c)); err != nil {
				t.Fatal(err)
			}
			return m
		}
		a, aaaa := ask("example.com", "A"), ask("example.com", "AAAA")
		for _, qtype := range []string{"HTTPS", "SVCB"} {
			wantHints(t, ask("example.com", qtype), a, aaaa)
		}
		for _, pointer := range []struct{ name, qtype string }{{"example.com", "MX"}, {"_sip._udp.example.com", "SRV"}, {"_dns.example.com", "SVCB"}} {
			wantAdditional(t, ask(pointer.name, pointer.qtype), append(a.Answer, aaaa.Answer...))
		}
	})
}

// wantHints holds a service binding reply against the replies to A and AAAA.
func wantHints(t *rapid.T, m, a, aaaa *dns.Msg) {
	if len(a.Answer)+len(aaaa.Answer) == 0 {
		if len(m.Answer) > 0 || (m.Rcode == dns.RcodeServerFailure) != (a.Rcode == dns.RcodeServerFailure || aaaa.Rcode == dns.RcodeServerFailure) {
			t.Fatalf("no address, but\n%v", m)
		}
		return
	}
	if len(m.Answer) != 1 {
		t.Fatalf("addresses, but\n%v", m)
	}
	var hints []string
	for _, v := range bindingOf(m.Answer[0]).Value {
		switch v := v.(type) {
		case *dns.SVCBIPv4Hint:
			for _, ip := range v.Hint {
				hints = append(hints, ip.String())
			}
		case *dns.SVCBIPv6Hint:
			for _, ip := range v.Hint {
				hints = append(hints, ip.String())
			}
		}
	}
	var addrs []string
	for _, rr := range append(a.Answer, aaaa.Answer...) {
		addrs = append(addrs, dns.Field(rr, 1))
		if m.Answer[0].Header().Ttl > rr.Header().Ttl {
			t.Fatalf("hints outlive the addresses:\n%v\n%v", m, rr)
		}
	}
	if fmt.Sprint(hints) != fmt.Sprint(addrs) {
		t.Fatalf("hints %v, addresses %v", hints, addrs)
	}
}

func bindingOf(rr dns.RR) *dns.SVCB {
	if h, ok := rr.(*dns.HTTPS); ok {
		return &h.SVCB
	}
	return rr.(*dns.SVCB)
}

// wantAdditional wants the addresses, and no others, beside what points to them.
func wantAdditional(t *rapid.T, m *dns.Msg, addrs []dns.RR) {
	var got, want []string
	for _, rr := range m.Extra {
		if rr.Header().Rrtype == dns.TypeA || rr.Header().Rrtype == dns.TypeAAAA {
			got = append(got, rr.String())
		}
	}
	for _, rr := range addrs {
		want = append(want, rr.String())
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || m.Rcode != dns.RcodeSuccess || len(m.Answer) == 0 {
		t.Fatalf("got %v, want %v in\n%v", got, want, m)
	}
}
