package dnsserver

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
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

// BenchmarkKept reports what a static answer costs once it has been given: heap
// octets a name of a zone of addresses of which every one was asked for.
func BenchmarkKept(b *testing.B) {
	const names = 100_000
	var text strings.Builder
	text.WriteString(zoneText)
	for i := range names {
		fmt.Fprintf(&text, "host-%d 300 IN A 192.0.2.%d\n", i, i%256)
	}
	zs := testZones(b, text.String(), steered)
	w, buf := testWorld(nil), make([]byte, 0, 2048)
	queries := make([][]byte, names)
	for i := range queries {
		queries[i], _ = query(b, fmt.Sprintf("host-%d.example.com A", i))
	}
	for b.Loop() {
		r := NewResponder(Options{})
		c := r.NewCounters(false)
		before := heapInUse()
		r.Publish(compileView(w, zs, fakeAtlas{}, nil))
		for i := range queries {
			r.Respond(buf, queries[i], london, UDP, c)
		}
		b.ReportMetric(float64(heapInUse()-before)/names, "B/name")
		runtime.KeepAlive(r)
	}
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
