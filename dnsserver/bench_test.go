package dnsserver

import (
	"net/netip"
	"testing"
)

// hits are the ordinary queries: none of them may allocate.
var hits = []struct{ name, query string }{
	{"SteeredECS", "www.example.com A +subnet=81.2.3.0/24"},
	{"SteeredSource", "www.example.com A +edns"},
	{"SteeredAlias", "cdn.example.com A +subnet=81.2.3.0/24"},
	{"Static", "static.example.com A +edns"},
	{"NXDOMAIN", "missing.example.com A +edns"},
	{"Wildcard", "some.wild.example.com A +edns"},
	{"WildcardSteered", "x.walias.example.com A +subnet=81.2.3.0/24"},
	{"Delegation", "deep.sub.example.com A +edns"},
	{"NoData", "static.example.com TYPE4711 +edns"},
	{"Chain", "chain.example.com A +edns"},
	{"Refused", "example.org A +edns"},
	{"Chaos", "id.server TXT CH"},
	{"NSID", "static.example.com A +nsid"},
}

func TestOrdinaryHitsAllocateNothing(t *testing.T) {
	r, c := testResponder(t, testWorld(nil))
	buf := make([]byte, 0, 2048)
	for _, h := range hits {
		t.Run(h.name, func(t *testing.T) {
			pkt, tr := query(t, h.query)
			if n := testing.AllocsPerRun(100, func() { r.Respond(buf, pkt, london, tr, c) }); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

func benchmarkRespond(b *testing.B, line string) {
	r, c := testResponder(b, testWorld(nil))
	pkt, tr := query(b, line)
	buf := make([]byte, 0, 2048)
	client := netip.MustParseAddr("81.2.3.4")
	b.ReportAllocs()
	for b.Loop() {
		r.Respond(buf, pkt, client, tr, c)
	}
}

func BenchmarkRespond(b *testing.B) {
	for _, h := range hits {
		b.Run(h.name, func(b *testing.B) { benchmarkRespond(b, h.query) })
	}
}

// BenchmarkFirstUse measures the first query of a cell in a new epoch.
func BenchmarkFirstUse(b *testing.B) {
	zs := testZones(b, zoneText, steered)
	r := NewResponder(Options{})
	c := r.NewCounters(false)
	w := testWorld(nil)
	v := compileView(w, zs, fakeAtlas{}, nil)
	pkt, _ := query(b, "www.example.com A +subnet=81.2.3.0/24")
	b.ReportAllocs()
	for b.Loop() {
		v = compileView(w, zs, fakeAtlas{}, v)
		r.Publish(v)
		r.Respond(nil, pkt, london, UDP, c)
	}
}
