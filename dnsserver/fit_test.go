package dnsserver

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// roomyZone has a delegation with glue of 40 octets a server, and an MX set
// that points to many addresses.
func roomyZone() string {
	var b strings.Builder
	b.WriteString(zoneText)
	for i := range 8 {
		fmt.Fprintf(&b, "cut 3600 IN NS ns%d.cut\nns%d.cut 3600 IN A 192.0.2.%d\nns%d.cut 3600 IN A 198.51.100.%d\nns%d.cut 3600 IN AAAA 2001:db8::%d\n", i, i, i, i, i, i, i)
		fmt.Fprintf(&b, "@ 3600 IN MX 20 m%d\n", i)
		for j := range 5 {
			fmt.Fprintf(&b, "m%d 3600 IN A 192.0.2.%d\n", i, 10*i+j)
		}
	}
	b.WriteString("cut 3600 IN NS ns1\n") // in the zone, and not below the cut: may be left out
	return b.String()
}

// TestTruncationKeepsWholeRRsets asks with every size that a client may say.
func TestTruncationKeepsWholeRRsets(t *testing.T) {
	r := NewResponder(Options{})
	r.Publish(compileView(testWorld(nil), testZones(t, roomyZone(), steered), fakeAtlas{}, nil))
	c := r.NewCounters(false)
	for _, name := range []string{"x.cut.example.com A", "example.com MX"} {
		whole := ask(t, r, c, name+" +tcp")
		partly, cuts := 0, map[int]bool{}
		for size := 512; size <= 1232; size++ {
			pkt, tr := query(t, fmt.Sprintf("%s +bufsize=%d", name, size))
			m := answered(t, r, c, pkt, tr)
			checkReply(t, pkt, r.Respond(nil, pkt, london, tr, c), tr)
			if len(m.Answer) != len(whole.Answer) || len(m.Ns) != len(whole.Ns) {
				t.Fatalf("%s at %d: what was asked for is not whole\n%v", name, size, m)
			}
			extra := withoutOPT(m.Extra)
			wantWholeSets(t, whole.Extra, extra)
			if missing := missingGlue(whole, extra); missing != m.Truncated {
				t.Fatalf("%s at %d: TC %v, glue is missing %v\n%v", name, size, m.Truncated, missing, m)
			}
			if cuts[len(extra)] = true; len(extra) < len(withoutOPT(whole.Extra)) {
				partly++
			}
		}
		if partly == 0 || len(cuts) < 4 {
			t.Errorf("%s: %d replies were cut at %d places: this test tests nothing", name, partly, len(cuts))
		}
	}
}

func withoutOPT(rrs []dns.RR) (out []dns.RR) {
	for _, rr := range rrs {
		if rr.Header().Rrtype != dns.TypeOPT {
			out = append(out, rr)
		}
	}
	return out
}

func setOf(rr dns.RR) string { return rr.Header().Name + dns.TypeToString[rr.Header().Rrtype] }

// wantWholeSets wants of each RRset all records or none.
func wantWholeSets(t *testing.T, all, some []dns.RR) {
	t.Helper()
	count := map[string]int{}
	for _, rr := range all {
		count[setOf(rr)]++
	}
	got := map[string]int{}
	for _, rr := range some {
		got[setOf(rr)]++
	}
	for set, n := range got {
		if n != count[set] {
			t.Fatalf("%d of %d records of %s", n, count[set], set)
		}
	}
}

// missingGlue tells whether addresses of name servers below the cut are left
// out.
func missingGlue(whole *dns.Msg, extra []dns.RR) bool {
	have := map[string]bool{}
	for _, rr := range extra {
		have[rr.String()] = true
	}
	for _, rr := range withoutOPT(whole.Extra) {
		if strings.HasSuffix(rr.Header().Name, ".cut.example.com.") && !have[rr.String()] {
			return true
		}
	}
	return false
}
