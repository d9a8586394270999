package dnsserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/steerdns/steerdns/dnsserver/transfer"
	"github.com/steerdns/steerdns/dnsserver/tsig"
	"github.com/steerdns/steerdns/dnsserver/zone"
	"github.com/steerdns/steerdns/regions"
)

const (
	keySecret = "c3RlZXJkbnMtdHNpZy10ZXN0LXNlY3JldC0wMTIzNDU2Nzg5"
	badSecret = "YW5vdGhlciBzZWNyZXQgb2YgdGhpcnR5LXR3byBvY3RldHM="
	keyWire   = "\x06backup\x00"
)

// giver is a server that gives example.com. to who signs with the key backup,
// and example.net. to everybody on 127.0.0.0/8.
type giver struct {
	*Server
	t         *testing.T
	transfers *transfer.Server
}

func startGiver(t *testing.T, opt Options) *giver {
	t.Helper()
	return newGiver(t, opt, func(opt Options) *Server { return startServer(t, false, opt, "127.0.0.1:0") })
}

func newGiver(t *testing.T, opt Options, start func(Options) *Server) *giver {
	t.Helper()
	ring, problems := tsig.Parse(fmt.Appendf(nil, "key backup { algorithm hmac-sha256; secret %q; };", keySecret))
	if problems != nil {
		t.Fatal(problems)
	}
	opt.Transfers = transfer.NewServer(transfer.Options{})
	opt.Transfers.SetKeys(ring)
	g := &giver{start(opt), t, opt.Transfers}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.transfers.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return g
}

// give makes the zones what is served, and waits until they are given out.
func (g *giver) give(serial uint32, text string) {
	g.t.Helper()
	head := fmt.Sprintf("$TTL 300\n@ SOA ns1 hostmaster %d 3600 900 1209600 60\n@ NS ns1\nns1 A 192.0.2.53\n", serial)
	set, problems := zone.Build([]zone.Source{
		{Name: "example.com.", File: "com", Text: head + text}, {Name: "example.net.", File: "net", Text: head},
		{Name: "example.org.", File: "org", Text: head},
	})
	if set == nil {
		g.t.Fatal(problems)
	}
	w := testWorld(nil)
	g.Publish(compileView(w, set, fakeAtlas{}, nil))
	g.transfers.Offer(transfer.Input{World: w, Zones: set, Rules: []transfer.Rule{
		{Zone: "example.com.", Allow: []transfer.Allow{{Key: keyWire}}},
		{Zone: "example.net.", Allow: []transfer.Allow{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}}},
	}})
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		_, _, served := g.transfers.Stats()
		if len(served) == 2 && served[0].Serial == serial && served[1].Serial == serial {
			return
		}
		if time.Now().After(deadline) {
			g.t.Fatalf("serial %d is not given out: %v", serial, served)
		}
	}
}

// fetch asks for a zone and returns what came, one record a line.
func (g *giver) fetch(m *dns.Msg, secret string) (lines []string, err error) {
	t := &dns.Transfer{}
	if secret != "" {
		t.TsigSecret = map[string]string{"backup.": secret}
		m.SetTsig("backup.", dns.HmacSHA256, 300, time.Now().Unix())
	}
	in, err := t.In(m, g.Addrs()[0].String())
	if err != nil {
		return nil, err
	}
	for e := range in {
		if e.Error != nil {
			return lines, e.Error
		}
		for _, rr := range e.RR {
			f := strings.Fields(rr.String())
			if rr.Header().Rrtype == dns.TypeSOA {
				f = []string{f[0], "", "", "SOA", f[6]}
			}
			lines = append(lines, strings.TrimSuffix(f[0], ".example.com.")+" "+f[3]+" "+strings.Join(f[4:], " "))
		}
	}
	return lines, nil
}

func axfr(name string) *dns.Msg {
	m := new(dns.Msg)
	m.SetAxfr(name)
	return m
}

func ixfr(name string, have uint32) *dns.Msg {
	m := new(dns.Msg)
	m.SetIxfr(name, have, "ns1."+name, "hostmaster."+name)
	return m
}

func TestAXFR(t *testing.T) {
	g := startGiver(t, Options{})
	g.give(7, "x TXT hello\n*.w MX 10 mail\n")
	got, err := g.fetch(axfr("example.com."), keySecret)
	if err != nil {
		t.Fatal(err)
	}
	want := "example.com. SOA 7|example.com. NS ns1.example.com.|ns1 A 192.0.2.53|*.w MX 10 mail.example.com.|x TXT \"hello\"|example.com. SOA 7"
	if s := strings.Join(got, "|"); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

// Who is not allowed gets REFUSED, who signs badly NOTAUTH, and what is no zone
// of ours NOTAUTH.
func TestTransfersAreRefused(t *testing.T) {
	g := startGiver(t, Options{})
	g.give(7, "")
	for name, c := range map[string]struct {
		zone, key string
		want      int
	}{
		"allowed by key":        {"example.com.", keySecret, dns.RcodeSuccess},
		"unsigned":              {"example.com.", "", dns.RcodeRefused},
		"wrong secret":          {"example.com.", badSecret, dns.RcodeNotAuth},
		"allowed by address":    {"example.net.", "", dns.RcodeSuccess},
		"wrong secret, allowed": {"example.net.", badSecret, dns.RcodeNotAuth},
		"nobody is allowed":     {"example.org.", keySecret, dns.RcodeRefused},
		"below the apex":        {"x.example.com.", keySecret, dns.RcodeNotAuth},
		"not ours":              {"example.edu.", keySecret, dns.RcodeNotAuth},
	} {
		t.Run(name, func(t *testing.T) {
			m := axfr(c.zone)
			m.SetEdns0(1232, false)
			if c.key != "" {
				m.SetTsig("backup.", dns.HmacSHA256, 300, time.Now().Unix())
			}
			conn := &dns.Conn{Conn: dial(t, "tcp", g.Addrs()[0]), TsigSecret: map[string]string{"backup.": c.key}}
			conn.SetDeadline(time.Now().Add(patience))
			if err := conn.WriteMsg(m); err != nil {
				t.Fatal(err)
			}
			conn.TsigSecret = nil // what an unsigned error says is to be seen
			r, err := conn.ReadMsg()
			if r == nil || r.Rcode != c.want {
				t.Fatalf("got %v, %v, want %s", r, err, dns.RcodeToString[c.want])
			}
			ede, prohibited := option[*dns.EDNS0_EDE](r)
			if (c.want == dns.RcodeRefused) != (prohibited && ede.InfoCode == dns.ExtendedErrorCodeProhibited) {
				t.Errorf("extended error %v", ede)
			}
			if got := r.IsTsig(); (got != nil && got.Error == dns.RcodeBadSig) != (c.key == badSecret) {
				t.Errorf("TSIG %v", got)
			}
		})
	}
}

func TestIXFR(t *testing.T) {
	t.Parallel()
	g := startGiver(t, Options{})
	g.give(7, "a TXT 1\nb TXT 1\n")
	g.give(8, "a TXT 1\nb TXT 2\n")
	g.give(10, "b TXT 2\nc TXT 1\n")
	for name, c := range map[string]struct {
		have uint32
		want string
	}{
		"two steps":   {7, `example.com. SOA 10|example.com. SOA 7|b TXT "1"|example.com. SOA 8|b TXT "2"|example.com. SOA 8|a TXT "1"|example.com. SOA 10|c TXT "1"|example.com. SOA 10`},
		"one step":    {8, `example.com. SOA 10|example.com. SOA 8|a TXT "1"|example.com. SOA 10|c TXT "1"|example.com. SOA 10`},
		"the same":    {10, `example.com. SOA 10`},
		"newer":       {11, `example.com. SOA 10`},
		"unknown":     {9, `example.com. SOA 10|example.com. NS ns1.example.com.|b TXT "2"|c TXT "1"|ns1 A 192.0.2.53|example.com. SOA 10`},
		"long behind": {1, `example.com. SOA 10|example.com. NS ns1.example.com.|b TXT "2"|c TXT "1"|ns1 A 192.0.2.53|example.com. SOA 10`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := g.fetch(ixfr("example.com.", c.have), keySecret)
			if s := strings.Join(got, "|"); err != nil || s != c.want {
				t.Errorf("got  %s\nwant %s\n%v", s, c.want, err)
			}
		})
	}
	t.Run("without a SOA", func(t *testing.T) {
		m := ixfr("example.net.", 7)
		m.Ns = nil
		r, _, err := (&dns.Client{Net: "tcp", Timeout: patience}).Exchange(m, g.Addrs()[0].String())
		if err != nil || r.Rcode != dns.RcodeFormatError {
			t.Errorf("%v, %v", r, err)
		}
	})
}

// Over UDP IXFR gets what fits, else the SOA alone; AXFR gets nothing.
func TestTransfersOverUDP(t *testing.T) {
	t.Parallel()
	g := startGiver(t, Options{})
	large := strings.Builder{}
	for i := range 60 {
		fmt.Fprintf(&large, "host%d TXT \"some text that takes room\"\n", i)
	}
	g.give(7, "")
	g.give(8, "a TXT 1\n")
	g.give(9, "a TXT 1\n"+large.String())
	ask := func(m *dns.Msg, size uint16) *dns.Msg {
		m.SetEdns0(size, false)
		m.SetTsig("backup.", dns.HmacSHA256, 300, time.Now().Unix())
		c := &dns.Client{Timeout: patience, TsigSecret: map[string]string{"backup.": keySecret}}
		r, _, err := c.Exchange(m, g.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := ask(ixfr("example.com.", 8), 4096); len(r.Answer) != 1 || r.Truncated || r.Answer[0].(*dns.SOA).Serial != 9 {
		t.Errorf("too much for UDP: %v", r)
	}
	if r := ask(ixfr("example.com.", 9), 512); len(r.Answer) != 1 || !r.Authoritative {
		t.Errorf("up to date: %v", r)
	}
	if r := ask(axfr("example.com."), 1232); r.Rcode != dns.RcodeRefused || len(r.Answer) != 0 {
		t.Errorf("AXFR: %v", r)
	}
	g.give(10, "a TXT 1\n"+strings.Replace(large.String(), "host7 ", "host77 ", 1))
	if r := ask(ixfr("example.com.", 9), 1232); len(r.Answer) != 6 || r.Answer[5].(*dns.SOA).Serial != 10 {
		t.Errorf("what fits: %v", r)
	}
}

// A zone of many messages arrives whole, every message signed.
func TestLargeTransfer(t *testing.T) {
	t.Parallel()
	g := startGiver(t, Options{})
	var text strings.Builder
	const n = 20000
	for i := range n {
		fmt.Fprintf(&text, "host-%d A 192.0.2.%d\n", i, i%256)
	}
	g.give(7, text.String())
	got, err := g.fetch(axfr("example.com."), keySecret)
	if err != nil || len(got) != n+4 {
		t.Fatalf("%d records of %d: %v", len(got), n+4, err)
	}
	seen := map[string]bool{}
	for _, line := range got[:len(got)-1] {
		if seen[line] {
			t.Fatalf("twice: %s", line)
		}
		seen[line] = true
	}
}

// A secondary that takes nothing loses its connection, and others are served
// beside it.
func TestSecondaryThatNeverReads(t *testing.T) {
	t.Parallel()
	g := startGiver(t, Options{TCP: StreamOptions{WriteTimeout: 200 * time.Millisecond}})
	var text strings.Builder
	for i := range 60000 {
		fmt.Fprintf(&text, "h%d TXT \"%0200d\"\n", i, i)
	}
	g.give(7, text.String())
	m := axfr("example.com.")
	m.SetTsig("backup.", dns.HmacSHA256, 300, time.Now().Unix())
	pkt, _, err := dns.TsigGenerate(m, keySecret, "", false)
	if err != nil {
		t.Fatal(err)
	}
	conn := dial(t, "tcp", g.Addrs()[0]).(*net.TCPConn)
	conn.SetReadBuffer(4096)
	if _, err := conn.Write(frame(pkt)); err != nil {
		t.Fatal(err)
	}
	if _, err := g.fetch(axfr("example.net."), ""); err != nil {
		t.Errorf("another secondary: %v", err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		outcomes, underWay, _ := g.transfers.Stats()
		if outcomes["broken_off"] == 1 && underWay == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still under way: %v, %d", outcomes, underWay)
		}
	}
}

// Signed ordinary queries get signed answers, which fit all the same.
func TestSignedQueries(t *testing.T) {
	g := startGiver(t, Options{})
	g.give(7, "x TXT hello\n")
	for _, network := range []string{"udp", "tcp"} {
		c := &dns.Client{Net: network, Timeout: patience, TsigSecret: map[string]string{"backup.": keySecret}}
		for name, want := range map[string]int{"x.example.com.": dns.RcodeSuccess, "y.example.com.": dns.RcodeNameError, "example.edu.": dns.RcodeRefused} {
			m := new(dns.Msg)
			m.SetQuestion(name, dns.TypeTXT)
			m.SetTsig("backup.", dns.HmacSHA256, 300, time.Now().Unix())
			r, _, err := c.Exchange(m, g.Addrs()[0].String()) // verifies
			if err != nil || r.Rcode != want || r.IsTsig() == nil {
				t.Errorf("%s %s: %v, %v", network, name, r, err)
			}
		}
		c.TsigSecret["backup."] = badSecret
		m := new(dns.Msg)
		m.SetQuestion("x.example.com.", dns.TypeTXT)
		m.SetTsig("backup.", dns.HmacSHA256, 300, time.Now().Unix())
		r, _, err := c.Exchange(m, g.Addrs()[0].String())
		if err == nil || r == nil || r.Rcode != dns.RcodeNotAuth || len(r.Answer) != 0 {
			t.Errorf("%s with a wrong secret: %v, %v", network, r, err)
		}
	}
}

// The signature's room is kept: what fits without it only is truncated.
func TestSignedAnswersKeepTheirSize(t *testing.T) {
	g := startGiver(t, Options{})
	g.give(7, "x TXT \""+strings.Repeat("a", 250)+"\" \""+strings.Repeat("b", 150)+"\"\n")
	for signed, want := range map[bool]bool{false: false, true: true} {
		m := new(dns.Msg)
		m.SetQuestion("x.example.com.", dns.TypeTXT)
		c := &dns.Client{Timeout: patience, TsigSecret: map[string]string{"backup.": keySecret}}
		if signed {
			m.SetTsig("backup.", dns.HmacSHA256, 300, time.Now().Unix())
		}
		r, _, err := c.Exchange(m, g.Addrs()[0].String())
		if err != nil || r.Truncated != want {
			t.Errorf("signed %v: TC %v, %v", signed, r.Truncated, err)
		}
	}
}

// What the fleet agreed on is the serial of every SOA of a zone that it counts,
// and of no other.
func TestCountedSerials(t *testing.T) {
	text := "$TTL 300\n@ SOA ns1 hostmaster 7 3600 900 1209600 60\n@ NS ns1\nns1 A 192.0.2.53\nc CNAME nowhere.example.com.\n"
	set, problems := zone.Build([]zone.Source{
		{Name: "example.com.", File: "com", Text: text, Counted: true}, {Name: "example.net.", File: "net", Text: text},
	})
	if set == nil {
		t.Fatal(problems)
	}
	r := NewResponder(Options{})
	c := r.NewCounters(false)
	for _, serial := range []uint32{0, 1795546821} {
		w := testWorld(nil)
		want := uint32(7)
		if serial > 0 {
			want, w.Serials = serial, []regions.ZoneSerial{{Zone: "example.com.", Serial: serial}, {Zone: "example.net.", Serial: serial}}
		}
		r.Publish(compileView(w, set, fakeAtlas{}, nil))
		for line, want := range map[string]uint32{
			"example.com SOA": want, "nope.example.com A": want, "much.longer.name.nope.example.com A": want, "ns1.example.com TXT": want,
			"c.example.com A": want, "example.net SOA": 7, "nope.example.net A": 7, "c.example.net A": want,
		} {
			m := ask(t, r, c, line+" +edns")
			records := append(m.Answer, m.Ns...)
			if soa, ok := records[len(records)-1].(*dns.SOA); !ok || soa.Serial != want || soa.Refresh != 3600 {
				t.Errorf("%s: %v, want serial %d", line, records[len(records)-1], want)
			}
		}
	}
}

// FuzzTransfer: whatever comes over a stream, a transfer ends without a panic
// and with whole messages.
func FuzzTransfer(f *testing.F) {
	for _, m := range []*dns.Msg{axfr("example.net."), ixfr("example.net.", 6), axfr("example.com.")} {
		m.Id = 1
		pkt, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(pkt)
		m.SetTsig("backup.", dns.HmacSHA256, 300, 1780000000)
		if pkt, _, err = dns.TsigGenerate(m, keySecret, "", false); err != nil {
			f.Fatal(err)
		}
		f.Add(pkt)
	}
	s := transfer.NewServer(transfer.Options{})
	f.Fuzz(func(t *testing.T, pkt []byte) {
		err := s.Stream(pkt, netip.MustParseAddr("127.0.0.1"), func(frame []byte) error {
			if len(frame) < 2+12 || int(frame[0])<<8|int(frame[1]) != len(frame)-2 || frame[4]&0x80 == 0 {
				return errors.New("not a message")
			}
			return nil
		})
		if err != nil && len(pkt) >= 12 {
			t.Fatal(err)
		}
	})
}

// Whom the access list denies gets no zone, whatever the zone's rule says.
func TestDeniedClientsGetNoZone(t *testing.T) {
	t.Parallel()
	g := startGiver(t, Options{Access: AccessOptions{Deny: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}})
	g.give(7, "")
	r, _, err := (&dns.Client{Net: "tcp", Timeout: patience}).Exchange(axfr("example.net."), g.Addrs()[0].String())
	if err != nil || r.Rcode != dns.RcodeRefused || len(r.Answer) != 0 {
		t.Errorf("%v, %v", r, err)
	}
}

// Zones travel over TLS (RFC 9103) and QUIC (RFC 9250 5.3.1) too, all messages on
// one stream; not over HTTPS, which has one reply a query.
func TestTransfersOverEncryptedTransports(t *testing.T) {
	t.Parallel()
	var s *secured
	g := newGiver(t, Options{}, func(opt Options) *Server {
		s = startSecure(t, opt)
		return s.Server
	})
	var text strings.Builder
	const n = 5000
	for i := range n {
		fmt.Fprintf(&text, "host-%d A 192.0.2.%d\n", i, i%256)
	}
	g.give(7, text.String())
	m := axfr("example.com.")
	m.Id = 0
	m.SetTsig("backup.", dns.HmacSHA256, 300, time.Now().Unix())
	pkt, mac, err := dns.TsigGenerate(m, keySecret, "", false)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("dot", func(t *testing.T) {
		conn := s.dialTLS(t)
		if _, err := conn.Write(frame(pkt)); err != nil {
			t.Fatal(err)
		}
		wantZone(t, conn, mac, n+4)
	})
	t.Run("doq", func(t *testing.T) {
		octets, err := askQUIC(t, s.dialQUIC(t), frame(pkt))
		if err != nil {
			t.Fatal(err)
		}
		r := bytes.NewReader(octets)
		wantZone(t, r, mac, n+4)
		if r.Len() != 0 {
			t.Error("octets behind the zone")
		}
	})
	t.Run("doh", func(t *testing.T) {
		r := new(dns.Msg)
		if err := r.Unpack(overPost(t, s, true, pkt)); err != nil || r.Rcode != dns.RcodeRefused || len(r.Answer) != 0 {
			t.Errorf("%v, %v", r, err)
		}
	})
}

// wantZone reads the messages of a zone of n records and verifies each.
func wantZone(t *testing.T, r io.Reader, mac string, n int) {
	t.Helper()
	for i, soas := 0, 0; soas < 2; i++ {
		raw := readFrame(t, r)
		m := new(dns.Msg)
		if err := m.Unpack(raw); err != nil || m.IsTsig() == nil {
			t.Fatalf("message %d: %v, %v", i, m, err)
		}
		if err := dns.TsigVerify(raw, keySecret, mac, i > 0); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		mac = m.IsTsig().MAC
		for _, rr := range m.Answer {
			if rr.Header().Rrtype == dns.TypeSOA {
				soas++
			}
		}
		n -= len(m.Answer)
	}
	if n != 0 {
		t.Errorf("%d records are missing", n)
	}
}

// A transfer over a stream is one record on a tape, with its first message.
func TestTransfersAreTaped(t *testing.T) {
	var log bytes.Buffer
	done := make(chan struct{})
	g := startGiver(t, Options{QueryLog: QueryLogOptions{Share: 1, Log: slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
		defer close(done)
		return log.Write(b)
	}), nil))}})
	g.give(1, "www A 192.0.2.1\n")
	if lines, err := g.fetch(axfr("example.net."), ""); err != nil || len(lines) == 0 {
		t.Fatal(lines, err)
	}
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("nothing was logged")
	}
	for _, want := range []string{"client=127.0.0.1", "transport=tcp", "name=example.net.", "type=AXFR", "rcode=NOERROR"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in %s", want, &log)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
