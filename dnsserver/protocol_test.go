package dnsserver

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/steerdns/steerdns/dnsserver/wire"
)

const ownCookie = "0102030405060708"

// answered is what r answers to pkt, unpacked; nil when it stays silent.
func answered(t testing.TB, r *Responder, c *Counters, pkt []byte, tr Transport) *dns.Msg {
	t.Helper()
	raw := r.Respond(nil, pkt, london, tr, c)
	if raw == nil {
		return nil
	}
	m := new(dns.Msg)
	if err := m.Unpack(raw); err != nil {
		t.Fatalf("%v in %x", err, raw)
	}
	return m
}

func ask(t testing.TB, r *Responder, c *Counters, line string) *dns.Msg {
	t.Helper()
	pkt, tr := query(t, line)
	return answered(t, r, c, pkt, tr)
}

func option[T dns.EDNS0](m *dns.Msg) (found T, ok bool) {
	if o := m.IsEdns0(); o != nil {
		for _, e := range o.Option {
			if f, is := e.(T); is {
				return f, true
			}
		}
	}
	return found, false
}

func cookieIn(t testing.TB, m *dns.Msg) string {
	t.Helper()
	o, ok := option[*dns.EDNS0_COOKIE](m)
	if !ok {
		t.Fatalf("no cookie in\n%v", m)
	}
	return o.Cookie
}

func TestCookiesOnEveryTransport(t *testing.T) {
	r, c := testResponder(t, testWorld(nil))
	for _, tr := range []string{"", " +tcp", " +dot", " +doh", " +doq"} {
		first := cookieIn(t, ask(t, r, c, "static.example.com A +cookie="+ownCookie+tr))
		if len(first) != 48 || first[:16] != ownCookie {
			t.Fatalf("cookie %s", first)
		}
		m := ask(t, r, c, "static.example.com A +cookie="+first+tr)
		if again := cookieIn(t, m); again != first || m.Rcode != dns.RcodeSuccess || len(m.Answer) != 2 {
			t.Errorf("%q: after %s\n%v", tr, first, m)
		}
	}
	if _, ok := option[*dns.EDNS0_COOKIE](ask(t, r, c, "static.example.com A +edns")); ok {
		t.Error("a cookie for a query without one")
	}
	for state, want := range map[cookieState]uint64{cookieNew: 5, cookieBad: 0, cookieValid: 5} {
		if got := c.cookies[state].n.Load(); got != want {
			t.Errorf("%d %s cookies counted, want %d", got, cookieStateNames[state], want)
		}
	}
}

// TestMalformedCookies is RFC 7873 5.2.2: lengths other than 8 and 16 to 40.
func TestMalformedCookies(t *testing.T) {
	r, c := testResponder(t, testWorld(nil))
	for n := range 45 {
		pkt, _ := query(t, "static.example.com A +cookie="+strings.Repeat("ab", n))
		want := dns.RcodeFormatError
		if n == 8 || n >= 16 && n <= 40 {
			want = dns.RcodeSuccess
		}
		if m := answered(t, r, c, pkt, UDP); m.Rcode != want || m.IsEdns0() == nil {
			t.Errorf("%d octets: %v", n, m)
		}
	}
}

// TestFirstOfSeveralCookiesCounts is RFC 7873 5.2.
func TestFirstOfSeveralCookiesCounts(t *testing.T) {
	r, c := testResponder(t, testWorld(nil))
	m := new(dns.Msg)
	m.SetQuestion("static.example.com.", dns.TypeA)
	m.SetEdns0(1232, false)
	m.IsEdns0().Option = []dns.EDNS0{
		&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: ownCookie}, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "ff"},
	}
	pkt, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if got := cookieIn(t, answered(t, r, c, pkt, UDP)); got[:16] != ownCookie {
		t.Errorf("cookie %s", got)
	}
}

// noQuestion is a query without a question, with a cookie.
func noQuestion(t *testing.T, cookie string) []byte {
	m := new(dns.Msg)
	m.SetEdns0(1232, false)
	m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: cookie}}
	pkt, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return pkt
}

// TestCookieWithoutQuestion is RFC 7873 5.4.
func TestCookieWithoutQuestion(t *testing.T) {
	r, c := testResponder(t, testWorld(nil))
	first := answered(t, r, c, noQuestion(t, ownCookie), UDP)
	cookie := cookieIn(t, first)
	for _, step := range []struct {
		name string
		m    *dns.Msg
		want int
	}{
		{"client cookie only", first, dns.RcodeSuccess},
		{"valid", answered(t, r, c, noQuestion(t, cookie), UDP), dns.RcodeSuccess},
		{"not ours", answered(t, r, c, noQuestion(t, ownCookie+strings.Repeat("00", 16)), UDP), dns.RcodeBadCookie},
	} {
		if step.m.Rcode != step.want || len(step.m.Question)+len(step.m.Answer)+len(step.m.Ns) != 0 || len(cookieIn(t, step.m)) != 48 {
			t.Errorf("%s:\n%v", step.name, step.m)
		}
	}
}

func TestRequiredCookies(t *testing.T) {
	r := NewResponder(Options{Cookies: CookieOptions{Require: true}})
	r.Publish(compileView(testWorld(nil), testZones(t, zoneText, steered), fakeAtlas{}, nil))
	c := r.NewCounters(false)
	m := ask(t, r, c, "static.example.com A +cookie="+ownCookie)
	if m.Rcode != dns.RcodeBadCookie || len(m.Answer) != 0 || m.Authoritative {
		t.Fatalf("a client without our cookie:\n%v", m)
	}
	for line, want := range map[string]int{
		"static.example.com A +cookie=" + cookieIn(t, m):           dns.RcodeSuccess,
		"static.example.com A +edns":                               dns.RcodeSuccess, // speaks no cookies
		"static.example.com A +tcp +cookie=" + ownCookie:           dns.RcodeSuccess, // its address is no guess
		"static.example.com A +cookie=" + ownCookie + "ffff":       dns.RcodeFormatError,
		"example.org A +cookie=" + cookieIn(t, m):                  dns.RcodeRefused,
		"id.server TXT CH +cookie=" + ownCookie:                    dns.RcodeBadCookie,
		"static.example.com A +cookie=" + strings.Repeat("0f", 24): dns.RcodeBadCookie,
	} {
		if m := ask(t, r, c, line); m.Rcode != want {
			t.Errorf("%s:\n%v", line, m)
		}
	}
}

// TestCookiesHoldOnAllInstances: two instances with one secret file.
func TestCookiesHoldOnAllInstances(t *testing.T) {
	a, ca := testResponder(t, testWorld(nil))
	b, cb := testResponder(t, testWorld(nil))
	line := "static.example.com A +cookie=" + cookieIn(t, ask(t, a, ca, "static.example.com A +cookie="+ownCookie))
	valid := func() uint64 { ask(t, b, cb, line); return cb.cookies[cookieValid].n.Load() }
	if valid() != 0 {
		t.Fatal("instances without a common secret believe each other")
	}
	shared := secretsOf(t, "e5e973e5a6b2a43f48e7dc849e37bfcf")
	a.SetCookieSecrets(shared)
	b.SetCookieSecrets(shared)
	line = "static.example.com A +cookie=" + cookieIn(t, ask(t, a, ca, "static.example.com A +cookie="+ownCookie))
	if valid() != 1 {
		t.Error("instances with a common secret do not believe each other")
	}
}

// TestPadding is RFC 8467 4.1: multiples of 468 octets, where nobody can read
// along, and only when the client pads.
func TestPadding(t *testing.T) {
	r, c := testResponder(t, testWorld(nil))
	for _, tr := range []string{"+dot", "+doh", "+doq"} {
		for _, name := range []string{"static.example.com A", "missing.example.com A", strings.Repeat("a.", 60) + "example.com A +nsid +subnet=81.2.3.0/24"} {
			pkt, transport := query(t, name+" +padding "+tr)
			if raw := r.Respond(nil, pkt, london, transport, c); len(raw) != 468 {
				t.Errorf("%s %s: %d octets", name, tr, len(raw))
			}
		}
		if _, ok := option[*dns.EDNS0_PADDING](ask(t, r, c, "static.example.com A +edns "+tr)); ok {
			t.Errorf("%s: padding that was not asked for", tr)
		}
	}
	for _, tr := range []string{"", "+tcp"} {
		if _, ok := option[*dns.EDNS0_PADDING](ask(t, r, c, "static.example.com A +padding "+tr)); ok {
			t.Errorf("padding in the clear over %q", tr)
		}
	}
	for n := range 3 * wire.PadBlock {
		if pad := padding(n, wire.MaxMessage); pad < 0 || pad >= wire.PadBlock || (n+4+pad)%wire.PadBlock != 0 {
			t.Fatalf("%d octets get %d", n, pad)
		}
	}
	if pad := padding(wire.MaxMessage-10, wire.MaxMessage); pad != 6 {
		t.Errorf("a reply that is nearly too long gets %d", pad)
	}
}

// TestKeepAlive is RFC 7828: an option of TCP, ignored over UDP and HTTPS, and
// an error over QUIC (RFC 9250 5.5.2).
func TestKeepAlive(t *testing.T) {
	r, c := testResponder(t, testWorld(nil)) // 10 s are 100 units
	for tr, want := range map[string]bool{"": false, "+tcp": true, "+dot": true, "+doh": false} {
		o, ok := option[*dns.EDNS0_TCP_KEEPALIVE](ask(t, r, c, "static.example.com A +keepalive "+tr))
		if ok != want || ok && o.Timeout != 100 {
			t.Errorf("over %q: %v %v", tr, ok, o)
		}
	}
	if _, ok := option[*dns.EDNS0_TCP_KEEPALIVE](ask(t, r, c, "static.example.com A +edns +tcp")); ok {
		t.Error("the option was not asked for")
	}
	if m := ask(t, r, c, "static.example.com A +keepalive +doq"); m != nil {
		t.Errorf("over QUIC:\n%v", m)
	}
}

// headers are queries in hexadecimal: id 4711, what comes after it, and the
// reply's id, flags and counts; "" for silence.
var headers = []struct{ name, query, reply string }{
	{"QR set: silence", "8000 0001 0000 0000 0000" + www, ""},
	{"QR set and an unknown opcode: silence", "f800 0001 0000 0000 0000" + www, ""},
	{"RD and CD are kept", "0110 0001 0000 0000 0000" + www, "8510 0001"},
	{"AA, TC, RA, Z, AD and the rcode of a query mean nothing", "06ef 0001 0000 0000 0000" + www, "8400 0001"},
	{"opcode IQUERY", "0800 0001 0000 0000 0000" + www, "8804 0001 0000 0000 0000"},
	{"opcode STATUS", "1000 0001 0000 0000 0000" + www, "9004 0001 0000 0000 0000"},
	{"opcode NOTIFY", "2400 0001 0000 0000 0000" + www, "a004 0001 0000 0000 0000"},
	{"opcode UPDATE", "2800 0001 0000 0000 0000" + www, "a804 0001 0000 0000 0000"},
	{"opcode DSO", "3000 0000 0000 0000 0000", "b004 0000 0000 0000 0000"},
	{"no question", "0000 0000 0000 0000 0000", "8001 0000 0000 0000 0000"},
	{"two questions", "0000 0002 0000 0000 0000" + www + www, "8001 0000 0000 0000 0000"},
	{"65535 questions", "0000 ffff 0000 0000 0000" + www, "8001 0000 0000 0000 0000"},
	{"class HS", "0000 0001 0000 0000 0000" + label + "0001 0004", "8005 0001 0000 0000 0000"},
	{"class ANY", "0000 0001 0000 0000 0000" + label + "0001 00ff", "8005 0001 0000 0000 0000"},
	{"class NONE", "0000 0001 0000 0000 0000" + label + "0001 00fe", "8005 0001 0000 0000 0000"},
	{"EDNS 1", "0000 0001 0000 0000 0001" + www + "00 0029 04d0 00 01 0000 0000", "8000 0001 0000 0000 0001"},
	{"EDNS flags beside DO", "0000 0001 0000 0000 0001" + www + "00 0029 04d0 00 00 7fff 0000", "8400 0001 0002 0000 0001"},
	{"two OPT records", "0000 0001 0000 0000 0002" + www + opt + opt, "8001 0001 0000 0000 0001"},
	{"an OPT record in the answer section", "0000 0001 0001 0000 0000" + www + opt, "8001 0001 0000 0000 0000"},
	{"an option that is cut", "0000 0001 0000 0000 0001" + www + "00 0029 04d0 00 00 0000 0003 fde8 00", "8001 0001 0000 0000 0001"},
	{"an option longer than the record", "0000 0001 0000 0000 0001" + www + "00 0029 04d0 00 00 0000 0004 fde8 0001", "8001 0001 0000 0000 0001"},
	{"an unknown option", "0000 0001 0000 0000 0001" + www + "00 0029 04d0 00 00 0000 0006 fde8 0002 abcd", "8400 0001 0002 0000 0001"},
}

const (
	label = "06 737461746963 07 6578616d706c65 03 636f6d 00"
	www   = label + "0001 0001"
	opt   = "00 0029 04d0 00 00 0000 0000"
)

func hexOf(s string) ([]byte, error) { return hex.DecodeString(strings.ReplaceAll(s, " ", "")) }

func TestHeaderRules(t *testing.T) {
	r, c := testResponder(t, testWorld(nil))
	for _, h := range headers {
		t.Run(h.name, func(t *testing.T) {
			got := r.Respond(nil, unhex(t, "1267"+h.query), london, UDP, c)
			if h.reply == "" {
				if got != nil {
					t.Errorf("%x", got)
				}
				return
			}
			if want := unhex(t, "1267"+h.reply); len(got) < 12 || string(got[:len(want)]) != string(want) {
				t.Errorf("%s, want %x", hex.EncodeToString(got[:min(len(got), 12)]), want)
			}
		})
	}
}

// TestReplySizes: what the client can take counts between 512 octets and
// MaxUDP, and 512 without EDNS.
func TestReplySizes(t *testing.T) {
	text := strings.Repeat(`" "`+strings.Repeat("x", 250), 8)
	r := NewResponder(Options{})
	r.Publish(compileView(testWorld(nil), testZones(t, zoneText+"\nhuge 300 IN TXT \""+text[3:]+"\"\n", steered), fakeAtlas{}, nil))
	c := r.NewCounters(false)
	for line, want := range map[string]int{"": 512, "+edns": 1232, "+bufsize=100": 512, "+bufsize=65535": 1232, "+bufsize=1000": 1000} {
		pkt, _ := query(t, "huge.example.com TXT "+line)
		q := new(dns.Msg)
		if err := q.Unpack(pkt); err != nil {
			t.Fatal(err)
		}
		a := asked{query: pkt, tr: UDP}
		wire.Parse(pkt, &a.q)
		if got := r.limit(&a); got != want {
			t.Errorf("%q: limit %d, want %d", line, got, want)
		}
		if m := answered(t, r, c, pkt, UDP); !m.Truncated || len(m.Answer) != 0 {
			t.Errorf("%q:\n%v", line, m)
		}
		if m := answered(t, r, c, pkt, TCP); m.Truncated || len(m.Answer) != 1 {
			t.Errorf("%q over TCP:\n%v", line, m)
		}
	}
}

func TestCookiesAllocateNothing(t *testing.T) {
	r, c := testResponder(t, testWorld(nil))
	valid := cookieIn(t, ask(t, r, c, "static.example.com A +cookie="+ownCookie))
	buf := make([]byte, 0, 2048)
	for _, line := range []string{"+cookie=" + ownCookie, "+cookie=" + valid, "+cookie=" + strings.Repeat("0f", 24), "+padding +dot", "+keepalive +tcp"} {
		pkt, tr := query(t, "static.example.com A "+line)
		if n := testing.AllocsPerRun(100, func() { r.Respond(buf, pkt, netip.IPv6Loopback(), tr, c) }); n != 0 {
			t.Errorf("%s: %v allocations", line, n)
		}
	}
}
