package dnsserver

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/steerdns/steerdns/regions"
)

// logged asks the questions of a Responder that logs all of them, and returns
// its lines.
func logged(t *testing.T, opt Options, world *regions.World, ask func(r *Responder, c *Counters)) (lines []map[string]any) {
	t.Helper()
	var out bytes.Buffer
	opt.QueryLog = QueryLogOptions{Share: 1, Log: slog.New(slog.NewJSONHandler(&out, nil))}
	r := NewResponder(opt)
	r.Publish(compileView(world, testZones(t, zoneText, steered), fakeAtlas{}, nil))
	ask(r, r.NewCounters(false))
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		stop() // what is there is read all the same
		if err := r.readers[0].run(ctx); err != nil {
			t.Error(err)
		}
	})
	for line := range bytes.Lines(out.Bytes()) {
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		lines = append(lines, fields)
	}
	return lines
}

func wantFields(t *testing.T, line map[string]any, want map[string]any) {
	t.Helper()
	for key, value := range want {
		if line[key] != value {
			t.Errorf("%s is %v, want %v, in %v", key, line[key], value, line)
		}
	}
}

func TestQueryLogSaysWhatAndWhy(t *testing.T) {
	world := testWorld(func(w *regions.World) { serviceDown(w, svcFallback, 0, 1, 2) })
	opt := Options{RRL: RRLOptions{Errors: 1}, Cookies: CookieOptions{Require: true}}
	lines := logged(t, opt, world, func(r *Responder, c *Counters) {
		for _, line := range []string{"www.example.com A +subnet=81.2.3.0/24", "fallback.example.com A", "static.example.com A +tcp",
			"example.org TYPE4711", "example.org A", "static.example.com A +tcp +cookie=" + ownCookie, "www.example.com NS"} {
			pkt, tr := query(t, line)
			r.Respond(nil, pkt, london, tr, c)
		}
		r.Respond(nil, []byte{0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0}, netip.IPv6Loopback(), TCP, c)
		r.Respond(nil, []byte("no query"), london, UDP, c)
	})
	if len(lines) != 8 {
		t.Fatalf("%d lines: %v", len(lines), lines)
	}
	wantFields(t, lines[0], map[string]any{"msg": "query", "client": "81.2.3.4", "transport": "udp", "name": "www.example.com.", "type": "A", "rcode": "NOERROR",
		"zone": "example.com", "service": "www.example.com", "reason": "steady", "region": "eu-west", "subnet": "81.2.3.0/24", "scope": 24.0, "epoch": "conf-1-012345"})
	wantFields(t, lines[1], map[string]any{"service": "fallback.example.com", "reason": "all-down", "region": nil, "cookie": nil})
	wantFields(t, lines[2], map[string]any{"transport": "tcp", "zone": "example.com", "service": nil, "reason": nil, "subnet": nil})
	wantFields(t, lines[3], map[string]any{"type": "TYPE4711", "rcode": "REFUSED", "zone": nil, "limited": nil})
	wantFields(t, lines[4], map[string]any{"limited": "drop", "rcode": nil, "octets": nil})
	wantFields(t, lines[5], map[string]any{"cookie": "new", "rcode": "NOERROR"})
	wantFields(t, lines[7], map[string]any{"name": nil, "client": "::1", "rcode": "FORMERR"})
}

// TestTapesNeverWait fills a tape that nobody reads.
func TestTapesNeverWait(t *testing.T) {
	l := newLimited(t, Options{QueryLog: QueryLogOptions{Share: 1, Log: slog.New(slog.DiscardHandler)}})
	l.want(t, tapeLength+100, "192.0.2.1", "static.example.com A", tapeLength+100, 0, 0)
	if n := l.tapes[0].dropped.Load(); n != 100 {
		t.Errorf("%d lost", n)
	}
}

func TestTapesTakeAShare(t *testing.T) {
	l := newLimited(t, Options{QueryLog: QueryLogOptions{Share: 0.1, Log: slog.New(slog.DiscardHandler)}})
	l.outcomes(t, 10000, "192.0.2.1", "static.example.com A")
	all := len(l.tapes[0].full) + int(l.tapes[0].dropped.Load())
	if all < 800 || all > 1200 {
		t.Errorf("%d of 10000", all)
	}
}

// TestTapesOffCostNothing: without them there is nothing to go through.
func TestTapesOffCostNothing(t *testing.T) {
	if l := newLimited(t, Options{}); len(l.tapes)+len(l.readers) != 0 {
		t.Error("tapes without configuration")
	}
}

// TestTapesAllocateLittle: records are made once.
func TestTapesAllocateLittle(t *testing.T) {
	l := newLimited(t, Options{QueryLog: QueryLogOptions{Share: 1, Log: slog.New(slog.DiscardHandler)}})
	pkt, _ := query(t, "static.example.com A +edns")
	buf := make([]byte, 0, 2048)
	ask := func() {
		l.Respond(buf, pkt, london, UDP, l.c)
		l.tapes[0].done(<-l.tapes[0].full)
	}
	for range tapeLength {
		ask()
	}
	if n := testing.AllocsPerRun(100, ask); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTapesGiveBackWhatIsHuge(t *testing.T) {
	tp := newTape("test", 1)
	rec := <-tp.free
	rec.reply = make([]byte, 60000)
	tp.done(rec)
	if cap(rec.reply) > maxTaped {
		t.Error("kept")
	}
}
