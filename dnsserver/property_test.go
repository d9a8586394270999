package dnsserver

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"github.com/steerdns/steerdns/dnsserver/wire"
	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/regions"
)

// checkReply holds what every reply to any packet promises.
func checkReply(t rapid.TB, pkt, reply []byte, tr Transport) *dns.Msg {
	t.Helper()
	if reply == nil {
		if len(pkt) >= wire.HeaderLen && pkt[2]&0x80 == 0 {
			t.Fatalf("silence for %x", pkt)
		}
		return nil
	}
	m := new(dns.Msg)
	if err := m.Unpack(reply); err != nil {
		t.Fatalf("query %x: reply %x: %v", pkt, reply, err)
	}
	var q wire.Query
	wire.Parse(pkt, &q)
	if !m.Response || m.Id != binary.BigEndian.Uint16(pkt) {
		t.Fatalf("header of %v", m)
	}
	end := wire.HeaderLen + q.QuestionLen()
	if !bytes.Equal(reply[wire.HeaderLen:end], pkt[wire.HeaderLen:end]) {
		t.Fatalf("question %x came back as %x", pkt[wire.HeaderLen:end], reply[wire.HeaderLen:end])
	}
	limit := wire.MaxMessage
	if tr == UDP {
		limit = wire.MinUDPSize
		if q.EDNS.Present {
			limit = int(min(max(q.EDNS.UDPSize, wire.MinUDPSize), defaultMaxUDP))
		}
	}
	if len(reply) > limit {
		t.Fatalf("reply of %d octets, limit %d", len(reply), limit)
	}
	if (m.IsEdns0() != nil) != q.EDNS.Present {
		t.Fatalf("OPT in the query: %v, in the reply: %v", q.EDNS.Present, m.IsEdns0())
	}
	if m.Truncated && (len(m.Answer) > 0 || len(m.Ns) > 0 && m.Ns[0].Header().Rrtype != dns.TypeNS) {
		t.Fatalf("truncated with records: %v", m)
	}
	return m
}

var interestingNames = strings.Fields(`www cdn inner fallback down static alias far chain nowhere loop1 wild
 x.wild *.wild y.z.wild walias q.walias ent a.ent sub ns.sub deep.sub tree x.tree a.b.tree _sip._udp big missing a.b.c.missing @`)

func anyQuery(t *rapid.T) ([]byte, Transport) {
	name := rapid.SampledFrom(interestingNames).Draw(t, "name") + ".example.com."
	if strings.HasPrefix(name, "@") {
		name = rapid.SampledFrom([]string{"example.com.", ".", "com.", "example.org."}).Draw(t, "apex")
	}
	if rapid.Bool().Draw(t, "deeper") {
		name = rapid.StringMatching(`[a-z0-9]{1,63}`).Draw(t, "label") + "." + strings.TrimPrefix(name, ".")
	}
	m := new(dns.Msg)
	m.Id = rapid.Uint16().Draw(t, "id")
	m.Question = []dns.Question{{Name: name, Qtype: rapid.OneOf(
		rapid.SampledFrom([]uint16{1, 2, 5, 6, 15, 16, 28, 33, 39, 43, 65, 255}), rapid.Uint16()).Draw(t, "type"), Qclass: 1}}
	if rapid.Bool().Draw(t, "edns") {
		m.SetEdns0(rapid.Uint16().Draw(t, "size"), rapid.Bool().Draw(t, "do"))
		if rapid.Bool().Draw(t, "ecs") {
			p := anyPrefix(t)
			s := &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: uint8(p.Bits()), Address: p.Addr().AsSlice()}
			if p.Addr().Is6() {
				s.Family = 2
			}
			m.IsEdns0().Option = append(m.IsEdns0().Option, s)
		}
	}
	pkt, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return pkt, rapid.SampledFrom([]Transport{UDP, TCP}).Draw(t, "transport")
}

func anyPrefix(t *rapid.T) netip.Prefix {
	var b [16]byte
	copy(b[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "address"))
	if rapid.Bool().Draw(t, "v6") {
		return netip.PrefixFrom(netip.AddrFrom16(b), rapid.IntRange(0, 128).Draw(t, "bits")).Masked()
	}
	b[0] = rapid.SampledFrom([]byte{3, 52, 81, b[0]}).Draw(t, "first")
	return netip.PrefixFrom(netip.AddrFrom4([4]byte(b[:4])), rapid.IntRange(0, 32).Draw(t, "bits")).Masked()
}

func TestEveryReplyIsWellFormed(t *testing.T) {
	text := zoneText
	for i := range 60 { // replies that do not fit everywhere
		text += fmt.Sprintf("big 300 IN TXT \"%0200d\"\nsub 3600 IN NS n%d.sub\nn%d.sub 3600 IN A 192.0.2.7\n", i, i, i)
	}
	r := NewResponder(Options{})
	r.Publish(compileView(testWorld(nil), testZones(t, text, steered), fakeAtlas{}, nil))
	c := r.NewCounters(false)
	rapid.Check(t, func(t *rapid.T) {
		pkt, tr := anyQuery(t)
		m := checkReply(t, pkt, r.Respond(nil, pkt, london, tr, c), tr)
		if m == nil || m.Truncated {
			return
		}
		for _, rr := range m.Answer { // every owner is the name asked, or an alias led there
			if !ledTo(m, rr.Header().Name) {
				t.Fatalf("stray record %v in %v", rr, m)
			}
		}
		q := m.Question[0]
		if strings.EqualFold(q.Name, "www.example.com.") && (q.Qtype == dns.TypeA || q.Qtype == dns.TypeAAAA) && len(m.Answer) == 0 {
			t.Fatalf("empty steered answer: %v", m)
		}
	})
}

// ledTo reports whether name is the name asked for, an alias' target, or the
// owner of a DNAME above.
func ledTo(m *dns.Msg, name string) bool {
	if strings.EqualFold(name, m.Question[0].Name) || dns.IsSubDomain(name, m.Question[0].Name) {
		return true
	}
	for _, rr := range m.Answer {
		if c, ok := rr.(*dns.CNAME); ok && strings.EqualFold(c.Target, name) {
			return true
		}
	}
	return false
}

// TestScopeIsHonest: every address under the scope of a reply gets the same
// answer, with whatever SOURCE of at least that length it asks.
func TestScopeIsHonest(t *testing.T) {
	r, c := testResponder(t, testWorld(nil))
	ask := func(t rapid.TB, name string, p netip.Prefix) (string, int) {
		pkt, tr := query(t, name+" A +subnet="+p.String())
		m := checkReply(t, pkt, r.Respond(nil, pkt, london, tr, c), tr)
		scope := int(m.IsEdns0().Option[0].(*dns.EDNS0_SUBNET).SourceScope)
		if scope > p.Bits() {
			t.Fatalf("scope %d of %v", scope, p)
		}
		return fmt.Sprint(m.Rcode, m.Answer, m.Ns), scope
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"www", "cdn", "inner", "alias", "x.walias", "static", "missing"}).Draw(t, "name") + ".example.com"
		p := anyPrefix(t)
		if p.Bits() < 24 {
			return // an answer for the larger share; holds for this SOURCE only
		}
		answer, scope := ask(t, name, p)
		if scope == 0 && p.Bits() > 0 {
			other := anyPrefix(t)
			if got, _ := ask(t, name, other); got != answer {
				t.Fatalf("scope 0 for %v, but %v gets another answer", p, other)
			}
			return
		}
		other := sameUnder(t, p, scope)
		if got, _ := ask(t, name, other); got != answer {
			t.Fatalf("%v and %v share scope %d:\n%s\n%s", p, other, scope, answer, got)
		}
	})
}

// sameUnder is a prefix as long as p that shares its first bits.
func sameUnder(t *rapid.T, p netip.Prefix, bits int) netip.Prefix {
	a := p.Addr().AsSlice()
	for i, b := range rapid.SliceOfN(rapid.Byte(), len(a), len(a)).Draw(t, "other") {
		keep := byte(0)
		if n := bits - 8*i; n >= 8 {
			keep = 0xff
		} else if n > 0 {
			keep = 0xff << (8 - n)
		}
		a[i] = a[i]&keep | b&^keep
	}
	addr, _ := netip.AddrFromSlice(a)
	return netip.PrefixFrom(addr, p.Bits()).Masked()
}

// TestMemoryBelongsToDecisions: whatever is asked, what is kept stays small.
func TestMemoryBelongsToDecisions(t *testing.T) {
	r, c := testResponder(t, testWorld(nil))
	v := r.live.Load().view
	kept := func() (n int) {
		for i := range v.statics.nodes {
			if a := v.statics.nodes[i].Load(); a != nil {
				n += len(*a)
			}
		}
		for i := range v.rows.pages {
			if pg := v.rows.pages[i].Load(); pg != nil {
				for j := range pg {
					if tables := pg[j].Load(); tables != nil {
						n += len(*tables)
					}
				}
			}
		}
		return n + len(v.rows.answers) + len(v.rows.byOne) + len(v.rows.byRow)
	}
	names := strings.Fields("www alias chain cdn inner walias wild sub tree missing static")
	ask := func(rounds int) {
		for i := range rounds {
			name := names[i%len(names)]
			for _, qtype := range []string{"A", fmt.Sprint("TYPE", 300+i)} {
				line := fmt.Sprintf("x%d.%s.example.com %s +subnet=%d.%d.%d.0/24", i, name, qtype, i%223, i%251, i%13)
				pkt, tr := query(t, line)
				checkReply(t, pkt, r.Respond(nil, pkt, london, tr, c), tr)
				pkt, tr = query(t, strings.Replace(line, fmt.Sprintf("x%d.", i), "", 1))
				checkReply(t, pkt, r.Respond(nil, pkt, london, tr, c), tr)
			}
		}
	}
	ask(3000)
	before := kept()
	ask(9000)
	if after := kept(); after > before+before/10 {
		t.Errorf("kept %d, and after more of the same kind %d", before, after)
	}
}

func TestStaticAnswersOutliveAWorld(t *testing.T) {
	zs := testZones(t, zoneText, steered)
	v1 := compileView(testWorld(nil), zs, fakeAtlas{}, nil)
	v2 := compileView(testWorld(nil), zs, fakeAtlas{}, v1)
	v3 := compileView(testWorld(nil), testZones(t, zoneText, steered), fakeAtlas{}, v2)
	if v1.statics != v2.statics || v2.statics == v3.statics {
		t.Error("static answers follow the set of zones")
	}
	if got := v1.Epoch(); got != "conf-1-012345" {
		t.Errorf("epoch %q", got)
	}
}

// TestNewViewIsWarm: the answers that were asked for in the last epoch are
// there, from the new world, before the first query.
func TestNewViewIsWarm(t *testing.T) {
	zs := testZones(t, zoneText, steered)
	r := NewResponder(Options{})
	v := compileView(testWorld(nil), zs, fakeAtlas{}, nil)
	r.Publish(v)
	pkt, tr := query(t, "www.example.com A +subnet=81.2.3.0/24")
	r.Respond(nil, pkt, london, tr, r.NewCounters(false))
	w := testWorld(func(w *regions.World) { editWorld(t, w, []string{"down", "eu-west"}) })
	next := compileView(w, zs, fakeAtlas{}, v)
	n := 0
	next.rows.used(func(s start, cell geo.Cell, variant uint8) bool {
		n++
		c, _ := next.rows.compute(s, cell, variant)
		if cell != 0 || s.qtype != dns.TypeA || strings.Contains(fmt.Sprint(c.body), "203 0 113") {
			t.Errorf("%v in cell %d", s.res.Node, cell)
		}
		return true
	})
	if n != 1 || len(next.rows.answers) == 0 {
		t.Errorf("%d answers used, %d kept", n, len(next.rows.answers))
	}
}

// TestAQueryWaitsForOneDecision: the first query of a cell must not pay for
// all the variants that the cell's clients are divided into, or a new epoch
// stalls every worker; and once they are all there, rows are shared.
func TestAQueryWaitsForOneDecision(t *testing.T) {
	r, c := testResponder(t, testWorld(nil))
	v := r.live.Load().view
	ask := func(subnet string) {
		pkt, tr := query(t, "www.example.com A +subnet="+subnet)
		checkReply(t, pkt, r.Respond(nil, pkt, london, tr, c), tr)
	}
	ask("81.2.3.0/24")
	if n := len(v.rows.answers); n != 1 {
		t.Errorf("%d answers made for one query", n)
	}
	for i := range 1000 {
		ask(fmt.Sprintf("81.2.%d.0/24", i%256))
		ask(fmt.Sprintf("81.%d.3.0/24", i%256))
	}
	if len(v.rows.byRow) == 0 {
		t.Error("no row is complete")
	}
}

// TestPublishWhileAnswering: every reply comes from one world as a whole.
// The race detector watches.
func TestPublishWhileAnswering(t *testing.T) {
	zs := testZones(t, zoneText, steered)
	r := NewResponder(Options{})
	up, down := testWorld(nil), testWorld(func(w *regions.World) { editWorld(t, w, []string{"down", "eu-west"}) })
	v := compileView(up, zs, fakeAtlas{}, nil)
	r.Publish(v)
	stop := make(chan struct{})
	var workers sync.WaitGroup
	for range 3 {
		workers.Go(func() {
			c := r.NewCounters(false)
			pkt, tr := query(t, "www.example.com A +subnet=81.2.3.0/24")
			for {
				select {
				case <-stop:
					return
				default:
				}
				m := checkReply(t, pkt, r.Respond(nil, pkt, london, tr, c), tr)
				if len(m.Answer) != 3 {
					t.Error(m)
					return
				}
			}
		})
	}
	for i := range 200 {
		w := up
		if i%2 == 0 {
			w = down
		}
		v = compileView(w, zs, fakeAtlas{}, v)
		r.Publish(v)
	}
	close(stop)
	workers.Wait()
}

// panicAtlas fails as a bug would.
type panicAtlas struct{ fakeAtlas }

func (panicAtlas) Locate(netip.Addr) (geo.Cell, uint8) { panic("a bug") }

func TestAPanicCostsOneServFail(t *testing.T) {
	r := NewResponder(Options{})
	r.Publish(compileView(testWorld(nil), testZones(t, zoneText, steered), panicAtlas{}, nil))
	c := r.NewCounters(false)
	pkt, tr := query(t, "www.example.com A")
	m := new(dns.Msg)
	if err := m.Unpack(r.answer(nil, pkt, london, tr, c)); err != nil || m.Rcode != dns.RcodeServerFailure || m.Id != 4711 {
		t.Errorf("%v %v", err, m)
	}
	if c.panics.n.Load() != 1 {
		t.Error("not counted")
	}
}

func TestWithoutAView(t *testing.T) {
	r := NewResponder(Options{})
	pkt, tr := query(t, "www.example.com A +edns")
	m := checkReply(t, pkt, r.Respond(nil, pkt, london, tr, r.NewCounters(false)), tr)
	if m.Rcode != dns.RcodeServerFailure {
		t.Error(m)
	}
}

func TestCollector(t *testing.T) {
	r, c := testResponder(t, testWorld(nil))
	shared := r.NewCounters(true)
	for _, line := range []string{"www.example.com A +subnet=81.2.3.0/24", "www.example.com A", "example.org AAAA", "missing.example.com TYPE4711 +tcp"} {
		pkt, tr := query(t, line)
		r.Respond(nil, pkt, london, tr, c)
		r.Respond(nil, pkt, netip.MustParseAddr("2001:db8::1"), tr, shared)
	}
	r.Respond(nil, []byte{1}, london, UDP, c)
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(r.Collector())
	got := gather(t, reg)
	for _, want := range []string{
		`steerdns_dns_answers_total{region=eu-west,service=www.example.com} 3`,
		`steerdns_dns_dropped_total{reason=short} 1`,
		`steerdns_dns_dropped_total{reason=oversize} 0`,
		`steerdns_dns_panics_total{} 0`,
		`steerdns_dns_requests_total{family=ipv4,transport=tcp,type=other,zone=example.com} 1`,
		`steerdns_dns_requests_total{family=ipv6,transport=udp,type=A,zone=example.com} 2`,
		`steerdns_dns_requests_total{family=ipv4,transport=udp,type=AAAA,zone=} 1`,
		`steerdns_dns_responses_total{rcode=NOERROR,zone=example.com} 4`,
		`steerdns_dns_responses_total{rcode=NXDOMAIN,zone=example.com} 2`,
		`steerdns_dns_responses_total{rcode=REFUSED,zone=} 2`,
		`steerdns_dns_truncated_total{} 0`,
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, strings.Join(got, "\n"))
		}
	}
}

// gather scrapes reg: one line a counter.
func gather(t *testing.T, reg *prometheus.Registry) (lines []string) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			lines = append(lines, fmt.Sprintf("%s{%s} %v", f.GetName(), strings.Join(labels, ","), m.GetCounter().GetValue()))
		}
	}
	return lines
}

// TestPointersAcrossLengths asks below wildcards for names of every length:
// the pointers of one compiled answer must fit them all.
func TestPointersAcrossLengths(t *testing.T) {
	r, c := testResponder(t, testWorld(nil))
	for _, base := range []string{"wild", "walias", "sub", "missing"} {
		name := base + ".example.com."
		for n := 1; n <= 63; n++ {
			for _, prefix := range []string{"", strings.Repeat("a", 63) + ".", strings.Repeat(strings.Repeat("a", 63)+".", 2)} {
				pkt, tr := query(t, strings.Repeat("b", n)+"."+prefix+name+" MX +edns")
				m := checkReply(t, pkt, r.Respond(nil, pkt, london, tr, c), tr)
				for _, rr := range append(m.Ns, m.Extra...) {
					if h := rr.Header(); h.Rrtype != dns.TypeOPT && !dns.IsSubDomain("example.com.", h.Name) {
						t.Fatalf("%v in %v", rr, m)
					}
				}
			}
		}
	}
}

func FuzzRespond(f *testing.F) {
	r := NewResponder(Options{Instance: "lon-1"})
	r.Publish(compileView(testWorld(nil), testZones(f, zoneText, steered), fakeAtlas{}, nil))
	c := r.NewCounters(true)
	for _, h := range hits {
		pkt, _ := query(f, h.query)
		f.Add(pkt, []byte(frame(pkt)))
	}
	f.Fuzz(func(t *testing.T, pkt, stream []byte) {
		checkReply(t, pkt, r.Respond(nil, pkt, london, UDP, c), UDP)
		fuzzStream(t, r, c, stream)
	})
}

// captured is a client that takes everything.
type captured struct{ bytes.Buffer }

func (*captured) SetWriteDeadline(time.Time) error { return nil }

// fuzzStream gives a stream to the framing of TCP and DNS over TLS.
func fuzzStream(t *testing.T, r *Responder, c *Counters, octets []byte) {
	var out captured
	place := newConnLimits(StreamOptions{}).enter(nil)
	s := stream{replies: replies{server: &Server{responder: r}, to: &out, transport: TCP, counters: c, place: place}}
	s.in = s.usual[:]
	for len(octets) > 0 {
		n := copy(s.in[s.have:], octets)
		s.have += n
		octets = octets[n:]
		off := 0
		for {
			n, ok := s.frame(off)
			if !ok {
				return
			}
			if n == 0 {
				break
			}
			query := s.in[off+2 : off+n]
			ok = s.answer(query) && s.flush()
			checkReply(t, query, reply(out.Next(out.Len())), TCP)
			if !ok {
				return
			}
			off += n
		}
		s.keep(off)
	}
}

// reply takes the length from a frame; nil when there is none.
func reply(framed []byte) []byte {
	if len(framed) == 0 {
		return nil
	}
	return framed[2:]
}
