package zone

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func largeZone(records int) string {
	var text strings.Builder
	text.WriteString(preamble)
	for i := range records {
		fmt.Fprintf(&text, "host-%d A 192.0.%d.%d\n", i, i/256%256, i%256)
	}
	return text.String()
}

var questions = []struct {
	kind, name string
	qtype      uint16
}{
	{"exact", "host-7.example.com.", dns.TypeA},
	{"nodata", "host-7.example.com.", dns.TypeMX},
	{"nxdomain", "nothing.example.com.", dns.TypeA},
	{"wildcard", "any.w.example.com.", dns.TypeA},
	{"cut", "www.cut.example.com.", dns.TypeA},
	{"dname", "www.d.example.com.", dns.TypeA},
	{"deep", strings.Repeat("a.", 120) + "example.com.", dns.TypeA},
	{"refused", "www.example.net.", dns.TypeA},
}

func questionSet(t testing.TB, records int) *Set {
	return build(t, largeZone(records)+"*.w A 192.0.2.1\ncut NS ns.example.net.\nd DNAME example.net.\n")
}

func TestLookupAllocatesNothing(t *testing.T) {
	set := questionSet(t, 10)
	for _, q := range questions {
		name := pack(t, q.name)
		allocs := testing.AllocsPerRun(100, func() {
			set.Lookup(name, q.qtype)
			set.ZoneOf(name)
			set.Node(name)
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations", q.kind, allocs)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	set := questionSet(b, 1000)
	for _, q := range questions {
		name := pack(b, q.name)
		b.Run(q.kind, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				set.Lookup(name, q.qtype)
			}
		})
	}
}

func BenchmarkBuild100k(b *testing.B) {
	text := largeZone(100_000)
	b.ReportAllocs()
	for b.Loop() {
		build(b, text)
	}
}
