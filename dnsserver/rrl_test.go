package dnsserver

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// limited is a Responder of testWorld with a clock that the test moves.
type limited struct {
	*Responder
	c *Counters
}

func newLimited(t testing.TB, opt Options) limited {
	r := NewResponder(opt)
	r.Publish(compileView(testWorld(nil), testZones(t, zoneText, steered), fakeAtlas{}, nil))
	l := limited{r, r.NewCounters(false)}
	l.c.begin(time.Now())
	return l
}

func (l limited) sleep(d time.Duration) { l.c.clock += int64(d) }

// outcomes asks n times and counts what came back.
func (l limited) outcomes(t testing.TB, n int, client, line string) (whole, short, silent int) {
	t.Helper()
	pkt, tr := query(t, line)
	for range n {
		raw := l.Respond(nil, pkt, netip.MustParseAddr(client), tr, l.c)
		m := new(dns.Msg)
		switch {
		case raw == nil:
			silent++
		case m.Unpack(raw) != nil:
			t.Fatalf("%x", raw)
		case m.Truncated || m.Rcode == dns.RcodeBadCookie:
			if short++; len(m.Answer)+len(m.Ns) > 0 {
				t.Fatalf("a slipped reply with records:\n%v", m)
			}
		default:
			whole++
		}
	}
	return whole, short, silent
}

func (l limited) want(t testing.TB, n int, client, line string, whole, short, silent int) {
	t.Helper()
	if w, s, d := l.outcomes(t, n, client, line); w != whole || s != short || d != silent {
		t.Errorf("%s from %s: %d whole, %d short, %d silent; want %d, %d, %d", line, client, w, s, d, whole, short, silent)
	}
}

func TestRRLLimitsWhatIsAlike(t *testing.T) {
	l := newLimited(t, Options{RRL: RRLOptions{Answers: 5, Referrals: 4, NoData: 3, NXDomain: 2, Errors: 1, Slip: 2}})
	l.want(t, 25, "192.0.2.1", "static.example.com A", 5, 10, 10)
	l.want(t, 2, "192.0.2.200", "static.example.com A", 0, 1, 1) // the same network
	l.want(t, 5, "192.0.3.1", "static.example.com A", 5, 0, 0)   // another one
	l.want(t, 5, "192.0.2.1", "mail.example.com A", 5, 0, 0)     // another name
	l.want(t, 5, "192.0.2.1", "static.example.com ANY", 5, 0, 0) // another type
	for i := range 4 {
		l.want(t, 1, "192.0.2.1", fmt.Sprintf("n%d.deep.sub.example.com A", i), 1, 0, 0)
	}
	l.want(t, 2, "192.0.2.1", "other.sub.example.com AAAA", 0, 1, 1) // all names below a delegation
	for i := range 5 {
		l.want(t, 1, "192.0.2.1", fmt.Sprintf("n%d.wild.example.com A", i), 1, 0, 0)
	}
	l.want(t, 2, "192.0.2.1", "other.wild.example.com A", 0, 1, 1) // all names below a wildcard
	l.want(t, 3, "192.0.2.1", "static.example.com AAAA", 3, 0, 0)
	l.want(t, 2, "192.0.2.1", "static.example.com TYPE4711", 0, 1, 1) // all types that are not there
	l.want(t, 2, "192.0.2.1", "missing.example.com A", 2, 0, 0)
	l.want(t, 2, "192.0.2.1", "gone.example.com A", 0, 1, 1) // all names of a zone that are not there
	l.want(t, 1, "192.0.2.1", "example.org A", 1, 0, 0)
	l.want(t, 2, "192.0.2.1", "static.example.com AXFR", 0, 1, 1) // all errors
}

// TestRRLSteeredAnswersAreAlike: another subnet in the option is no way around.
func TestRRLSteeredAnswersAreAlike(t *testing.T) {
	l := newLimited(t, Options{RRL: RRLOptions{Answers: 5, Slip: 1}})
	for i := range 5 {
		l.want(t, 1, "192.0.2.1", fmt.Sprintf("www.example.com A +subnet=81.2.%d.0/24", i), 1, 0, 0)
	}
	l.want(t, 2, "192.0.2.1", "www.example.com A +subnet=3.4.5.0/24", 0, 2, 0)
}

func TestRRLRecovers(t *testing.T) {
	l := newLimited(t, Options{RRL: RRLOptions{Answers: 10, Window: 5 * time.Second}})
	l.want(t, 1000, "2001:db8::1", "static.example.com A", 10, 0, 990)
	l.sleep(4 * time.Second)
	l.want(t, 1, "2001:db8:0:ff::1", "static.example.com A", 0, 0, 1) // the same /56, still in debt
	l.sleep(2 * time.Second)
	l.want(t, 1, "2001:db8::1", "static.example.com A", 1, 0, 0)
	l.sleep(time.Minute)
	l.want(t, 20, "2001:db8::1", "static.example.com A", 10, 0, 10)
	for range 50 { // at its rate a client is never limited
		l.sleep(100 * time.Millisecond)
		l.want(t, 1, "2001:db8:1::1", "static.example.com A", 1, 0, 0)
	}
}

func TestRRLSlip(t *testing.T) {
	for slip, short := range map[int]int{0: 0, 1: 60, 2: 30, 3: 20, 10: 6} {
		l := newLimited(t, Options{RRL: RRLOptions{Answers: 1, Slip: slip}})
		l.want(t, 61, "192.0.2.1", "static.example.com A", 1, short, 60-short)
	}
}

// TestRRLSlipIsNoLongerThanTheQuery: what is sent to someone who did not ask
// must not be more than what was sent to us.
func TestRRLSlipIsNoLongerThanTheQuery(t *testing.T) {
	l := newLimited(t, Options{RRL: RRLOptions{Answers: 1, Errors: 1, NoData: 1, Slip: 1}, Instance: "a-rather-long-name-of-an-instance"})
	for _, line := range []string{"static.example.com A", "static.example.com TXT +edns", "static.example.com A +nsid", "www.example.com A +subnet=81.2.3.0/24", "example.org A +nsid"} {
		pkt, tr := query(t, line)
		l.Respond(nil, pkt, london, tr, l.c)
		if raw := l.Respond(nil, pkt, london, tr, l.c); len(raw) > len(pkt) {
			t.Errorf("%s: %d octets for %d", line, len(raw), len(pkt))
		}
	}
}

func TestRRLExempts(t *testing.T) {
	l := newLimited(t, Options{RRL: RRLOptions{Answers: 1, Slip: 1, Exempt: []netip.Prefix{
		netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:5::/48")}}})
	for _, tr := range []string{"+tcp", "+dot", "+doh", "+doq"} {
		l.want(t, 50, "192.0.2.1", "static.example.com A "+tr, 50, 0, 0)
	}
	l.want(t, 50, "198.51.100.7", "static.example.com A", 50, 0, 0)
	l.want(t, 50, "2001:db8:5:6::1", "static.example.com A", 50, 0, 0)
	pkt, _ := query(t, "static.example.com A +cookie="+ownCookie)
	l.outcomes(t, 5, "192.0.2.1", "static.example.com A")
	m := new(dns.Msg)
	if err := m.Unpack(l.Respond(nil, pkt, netip.MustParseAddr("192.0.2.1"), UDP, l.c)); err != nil || m.Rcode != dns.RcodeBadCookie {
		t.Fatalf("a client that speaks cookies, limited: %v\n%v", err, m)
	}
	l.want(t, 50, "192.0.2.1", "static.example.com A +cookie="+cookieIn(t, m), 50, 0, 0)
	l.want(t, 50, "192.0.2.2", "static.example.com A +cookie="+cookieIn(t, m), 0, 50, 0) // it is not its own
}

func TestRRLLogOnly(t *testing.T) {
	l := newLimited(t, Options{RRL: RRLOptions{Answers: 1, Slip: 2, LogOnly: true}})
	l.want(t, 50, "192.0.2.1", "static.example.com A", 50, 0, 0)
	if n := l.c.limited[replyAnswer][limitLog].n.Load(); n != 49 {
		t.Errorf("%d counted", n)
	}
}

func TestRRLAllTogether(t *testing.T) {
	l := newLimited(t, Options{RRL: RRLOptions{All: 10}})
	l.want(t, 6, "192.0.2.1", "static.example.com A", 6, 0, 0)
	l.want(t, 6, "192.0.2.1", "missing.example.com A", 4, 0, 2)
	if n := l.c.limited[replyAny][limitDrop].n.Load(); n != 2 {
		t.Errorf("%d counted", n)
	}
}

func TestAccess(t *testing.T) {
	p := netip.MustParsePrefix
	for name, c := range map[string]struct {
		opt  AccessOptions
		want map[string]int // rcode by client; -1: silence
	}{
		"deny": {AccessOptions{Deny: []netip.Prefix{p("192.0.2.0/24")}, Allow: nil},
			map[string]int{"192.0.2.1": dns.RcodeRefused, "192.0.3.1": dns.RcodeSuccess, "2001:db8::1": dns.RcodeSuccess}},
		"allow": {AccessOptions{Allow: []netip.Prefix{p("192.0.2.0/24")}},
			map[string]int{"192.0.2.1": dns.RcodeSuccess, "192.0.3.1": dns.RcodeRefused, "2001:db8::1": dns.RcodeRefused}},
		"a hole": {AccessOptions{Deny: []netip.Prefix{p("192.0.0.0/16"), p("2001:db8::/32")}, Allow: []netip.Prefix{p("192.0.2.0/24"), p("2001:db8:1::/48"), p("0.0.0.0/0")}},
			map[string]int{"192.0.2.1": dns.RcodeSuccess, "192.0.3.1": dns.RcodeRefused, "198.51.100.1": dns.RcodeSuccess,
				"2001:db8:1::1": dns.RcodeSuccess, "2001:db8:2::1": dns.RcodeRefused, "2001:db9::1": dns.RcodeRefused}},
		"both": {AccessOptions{Deny: []netip.Prefix{p("192.0.2.0/24")}, Allow: []netip.Prefix{p("192.0.2.0/24")}},
			map[string]int{"192.0.2.1": dns.RcodeRefused}},
		"silent": {AccessOptions{Deny: []netip.Prefix{p("192.0.2.0/24")}, Silent: true},
			map[string]int{"192.0.2.1": -1, "192.0.3.1": dns.RcodeSuccess}},
	} {
		l := newLimited(t, Options{Access: c.opt})
		for client, want := range c.want {
			for _, line := range []string{"static.example.com A", "static.example.com A +tcp"} {
				got := -1
				pkt, tr := query(t, line)
				if raw := l.Respond(nil, pkt, netip.MustParseAddr(client), tr, l.c); raw != nil {
					got = int(raw[3] & 15)
				}
				if got != want {
					t.Errorf("%s: %s from %s: rcode %d, want %d", name, line, client, got, want)
				}
			}
		}
	}
}

func TestClientRate(t *testing.T) {
	l := newLimited(t, Options{Access: AccessOptions{MaxRate: 10}})
	l.want(t, 15, "192.0.2.1", "static.example.com A", 10, 0, 5)
	l.want(t, 10, "192.0.2.2", "static.example.com A", 10, 0, 0)
	l.want(t, 15, "192.0.2.1", "static.example.com A +tcp", 10, 0, 5) // forging an address harms nobody's connections
	l.want(t, 15, "2001:db8::1", "static.example.com A +dot", 10, 0, 5)
	l.want(t, 1, "2001:db8::ffff:1", "static.example.com A +tcp", 0, 0, 1)
	l.sleep(time.Second)
	l.want(t, 15, "192.0.2.1", "static.example.com A", 10, 0, 5)
	if n := l.c.dropped[dropClientRate].n.Load(); n != 21 {
		t.Errorf("%d dropped", n)
	}
}

// guarded are what protects the server, all of it on.
var guarded = Options{
	RRL:    RRLOptions{Answers: 1e6, Referrals: 1e6, NoData: 1e6, NXDomain: 1e6, Errors: 1e6, All: 1e6, Slip: 2, Exempt: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}},
	Access: AccessOptions{Deny: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}, MaxRate: 1e6},
}

func TestGuardsAllocateNothing(t *testing.T) {
	for name, opt := range map[string]Options{"passing": guarded, "limited": {RRL: RRLOptions{Answers: 1, Slip: 2}, Access: AccessOptions{MaxRate: 1000}}} {
		l := newLimited(t, opt)
		pkt, _ := query(t, "static.example.com A +edns")
		buf := make([]byte, 0, 2048)
		if n := testing.AllocsPerRun(1000, func() { l.Respond(buf, pkt, london, UDP, l.c) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// BenchmarkGuards is what cookies, RRL and access lists cost a query: each
// beside the same query without.
func BenchmarkGuards(b *testing.B) {
	rrl := Options{RRL: RRLOptions{Answers: 1e6, Slip: 2}}
	for _, g := range []struct {
		name, line string
		opt        Options
		rotate     bool
	}{
		{"Off", "static.example.com A +edns", Options{}, true},
		{"Cookie", "static.example.com A +cookie", Options{}, false},
		{"RRL", "static.example.com A +edns", rrl, true},
		{"RRLCookie", "static.example.com A +cookie", rrl, false},
		{"RRLNewCookie", "static.example.com A +cookie=" + ownCookie, rrl, true},
		{"All", "static.example.com A +edns", guarded, true},
		{"RRLOver", "static.example.com A +edns", Options{RRL: RRLOptions{Answers: 1}}, false},
	} {
		b.Run(g.name, func(b *testing.B) {
			l := newLimited(b, g.opt)
			line := g.line
			if line == "static.example.com A +cookie" {
				line += "=" + cookieIn(b, ask(b, l.Responder, l.c, line+"="+ownCookie))
			}
			pkt, _ := query(b, line)
			buf := make([]byte, 0, 2048)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i&31 == 0 {
					l.c.begin(time.Now()) // as a worker does for each batch
				}
				client := london
				if g.rotate {
					client = netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}) // none of them over its rate
				}
				l.Respond(buf, pkt, client, UDP, l.c)
			}
		})
	}
}
