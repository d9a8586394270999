package dnsserver

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/steerdns/steerdns/dnsserver/wire"
)

// everything is a server with all that stands between a packet and its reply,
// and a clock that stands, so that equal queries have equal replies.
func everything(f *testing.F) (*Server, *Counters) {
	f.Helper()
	s := NewServer(Options{
		Instance: "lon-1", Version: "v1.2.3",
		RRL:      RRLOptions{Answers: 5, Referrals: 5, NoData: 5, NXDomain: 5, Errors: 5, All: 50, Slip: 2, LogOnly: true},
		Access:   AccessOptions{Deny: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}},
		QueryLog: QueryLogOptions{Share: 0.01, Log: slog.New(slog.DiscardHandler)},
		Cookies:  CookieOptions{Secrets: secretsOf(f, "e5e973e5a6b2a43f48e7dc849e37bfcf")},
	})
	s.Publish(compileView(testWorld(nil), testZones(f, zoneText, steered), fakeAtlas{}, nil))
	c := s.responder.NewCounters(false)
	c.begin(time.Unix(1700000000, 0))
	return s, c
}

// fuzzQueries are what the fuzzers begin with: one query of each kind.
func fuzzQueries(f *testing.F) (all [][]byte) {
	for _, line := range []string{
		"www.example.com A +subnet=81.2.3.0/24", "static.example.com A", "deep.sub.example.com A +nsid", "big.example.com TXT +bufsize=512",
		"x.tree.example.com A +dnssec", "missing.example.com ANY +padding", "id.server TXT CH", "static.example.com A +cookie=" + ownCookie,
		"static.example.com A +keepalive", "example.com AXFR", "www.example.com HTTPS +cookie=" + ownCookie + "01000000654e8f00aabbccddeeff0011",
	} {
		pkt, _ := query(f, line)
		all = append(all, pkt)
	}
	for _, h := range headers {
		pkt, err := hexOf("1267" + h.query)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, pkt)
	}
	return all
}

// FuzzDatagram gives packets to Respond as from each transport.
func FuzzDatagram(f *testing.F) {
	s, c := everything(f)
	for i, pkt := range fuzzQueries(f) {
		f.Add(pkt, byte(i))
	}
	prefix := []byte("what was there before")
	f.Fuzz(func(t *testing.T, pkt []byte, how byte) {
		tr, client := Transport(how)%transports, london
		if how&0x80 != 0 {
			client = netip.MustParseAddr("2001:db8::1")
		}
		before := bytes.Clone(pkt)
		got := s.responder.Respond(bytes.Clone(prefix), pkt, client, tr, c)
		if !bytes.Equal(before, pkt) {
			t.Fatal("the query was changed")
		}
		if got == nil {
			return
		}
		if !bytes.HasPrefix(got, prefix) {
			t.Fatal("what was there before was changed")
		}
		checkReply(t, pkt, got[len(prefix):], tr)
	})
}

// pieces is a connection that hands out octets in pieces and takes all replies.
type pieces struct {
	net.Conn
	in, cuts []byte
	out      bytes.Buffer
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.in) == 0 {
		return 0, io.EOF
	}
	n := len(p.in)
	if len(p.cuts) > 0 {
		n, p.cuts = 1+int(p.cuts[0]), p.cuts[1:]
	}
	n = copy(b, p.in[:min(n, len(p.in))])
	p.in = p.in[n:]
	return n, nil
}

func (p *pieces) Write(b []byte) (int, error)      { return p.out.Write(b) }
func (p *pieces) SetReadDeadline(time.Time) error  { return nil }
func (p *pieces) SetWriteDeadline(time.Time) error { return nil }

// overStream serves octets as a TCP or TLS connection.
func overStream(s *Server, c *Counters, tr Transport, octets, cuts []byte) []byte {
	conn := &pieces{in: octets, cuts: cuts}
	place := s.limits[tr].enter(func() {})
	defer place.leave()
	st := stream{conn: conn, replies: replies{server: s, to: conn, client: london, transport: tr, counters: c, place: place}}
	ctx := background{}
	st.serve(ctx, ctx)
	return conn.out.Bytes()
}

// background is a context that never ends, and unlike context.Background is
// comparable at no cost.
type background struct{}

func (background) Deadline() (time.Time, bool) { return time.Time{}, false }
func (background) Done() <-chan struct{}       { return nil }
func (background) Err() error                  { return nil }
func (background) Value(any) any               { return nil }

// FuzzStream cuts a stream of frames anywhere: the replies are those of the
// stream in one piece, whole, and not more than there were queries.
func FuzzStream(f *testing.F) {
	s, c := everything(f)
	var all []byte
	for _, pkt := range fuzzQueries(f) {
		f.Add(frame(pkt), []byte{0, 0, 5}, false)
		if pkt[2]&0x80 == 0 {
			all = append(all, frame(pkt)...)
		}
	}
	f.Add(all, []byte{1, 1, 200, 3, 0, 100, 7}, true)
	f.Fuzz(func(t *testing.T, octets, cuts []byte, secure bool) {
		tr := TCP
		if secure {
			tr = DoT
		}
		got := overStream(s, c, tr, octets, cuts)
		if want := overStream(s, c, tr, octets, nil); !bytes.Equal(got, want) {
			t.Fatalf("in pieces %x\nin one   %x", got, want)
		}
		for queries := octets; len(got) > 0; {
			query, reply := nextFrame(t, &queries), nextFrame(t, &got)
			checkReply(t, query, reply, tr)
		}
	})
}

func nextFrame(t *testing.T, from *[]byte) []byte {
	t.Helper()
	b := *from
	if len(b) < 2 || len(b) < 2+int(binary.BigEndian.Uint16(b)) {
		t.Fatalf("no whole frame: %x", b)
	}
	n := 2 + int(binary.BigEndian.Uint16(b))
	*from = b[n:]
	return b[2:n]
}

// FuzzDoH makes GET and POST requests of what it gets.
func FuzzDoH(f *testing.F) {
	s, c := everything(f)
	d := newDoH(s, c)
	for i, pkt := range fuzzQueries(f) {
		f.Add("dns="+base64.RawURLEncoding.EncodeToString(pkt), pkt, dohType, byte(i))
	}
	f.Add("a=b&dns=AAAB", []byte("x"), "text/plain", byte(9))
	methods := []string{http.MethodGet, http.MethodPost, http.MethodHead, http.MethodPut}
	f.Fuzz(func(t *testing.T, raw string, body []byte, media string, how byte) {
		r := &http.Request{
			Method: methods[how%4], URL: &url.URL{Path: s.opt.DoH.Path, RawQuery: raw}, Header: http.Header{"Content-Type": {media}},
			Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), RemoteAddr: "81.2.3.4:5353",
		}
		if how&0x80 != 0 {
			r.ContentLength = -1 // it comes in chunks
		}
		w := httptest.NewRecorder()
		d.serveHTTP(w, r)
		if w.Code != http.StatusOK {
			return
		}
		query := body
		if r.Method != http.MethodPost {
			query, _, _ = queryOfURL(raw)
		}
		cache := w.Header().Get("Cache-Control")
		if w.Header().Get("Content-Type") != dohType || cache != "no-store" && !strings.Contains(cache, "max-age=") {
			t.Fatalf("header %v", w.Header())
		}
		checkReply(t, query, w.Body.Bytes(), DoH)
	})
}

// FuzzDoQ takes queries out of what a stream of DNS over QUIC holds.
func FuzzDoQ(f *testing.F) {
	s, c := everything(f)
	for _, pkt := range fuzzQueries(f) {
		clear(pkt[:2])
		f.Add(frame(pkt))
	}
	f.Fuzz(func(t *testing.T, framed []byte) {
		query, ok := doqQuery(framed)
		if !ok {
			return
		}
		if len(query) != len(framed)-2 || query[0]|query[1] != 0 {
			t.Fatalf("took %x out of %x", query, framed)
		}
		if reply := s.responder.answer(nil, query, london, DoQ, c); reply != nil {
			checkReply(t, query, reply, DoQ)
		}
		var q wire.Query
		if wire.Parse(query, &q) != wire.Drop && q.EDNS.KeepAlive && s.responder.Respond(nil, query, london, DoQ, c) != nil {
			t.Fatal("a reply to the keepalive option (RFC 9250 5.5.2)")
		}
	})
}
