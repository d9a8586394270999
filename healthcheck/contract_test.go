package healthcheck

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/miekg/dns"
)

// contractWorld is a prober with one target of each temper. All have a
// timeout of 200 ms.
type contractWorld struct {
	prober                   Prober
	healthy, refused, silent Target
	refusal                  string // the reason for refused; empty: that of TCP
}

func TestProberContract(t *testing.T) {
	t.Run("fake", func(t *testing.T) { testContract(t, fakeWorld()) })
	t.Run("tcp and http", func(t *testing.T) { testContract(t, realWorld(t)) })
	for _, kind := range []Kind{HTTPS, TLS, UDP, GRPC, DNS, Exec} {
		t.Run(string(kind), func(t *testing.T) { testContract(t, worldOf(t, kind)) })
	}
}

func fakeWorld() contractWorld {
	f := newFake(func(t Target, _ time.Time) (bool, string, time.Duration) {
		switch t.ID {
		case "healthy":
			return true, "connected", 0
		case "silent":
			return false, "", time.Hour
		case "refused":
			return false, "connect: connection refused", 0
		default:
			return false, "no probe of kind", 0
		}
	})
	world := func(id string) Target { return Target{ID: id, Check: quickCheck(TCP, 80)} }
	return contractWorld{f, world("healthy"), world("refused"), world("silent"), ""}
}

func realWorld(t *testing.T) contractWorld {
	silent := listen(t, func(c net.Conn) { awaitClose(c) })
	return contractWorld{
		prober:  NewProber(ProberOptions{Version: "test"}),
		healthy: Target{ID: "healthy", Name: "www.example.com", Addr: loopback, Check: quickCheck(TCP, silent)},
		refused: Target{ID: "refused", Name: "www.example.com", Addr: loopback, Check: quickCheck(TCP, closedPort(t))},
		silent:  Target{ID: "silent", Name: "www.example.com", Addr: loopback, Check: quickCheck(HTTP, silent)},
	}
}

// worldOf has real servers of one kind.
func worldOf(t *testing.T, kind Kind) contractWorld {
	cert, roots := trust(t, time.Hour)
	conf := &tls.Config{Certificates: []tls.Certificate{cert}}
	hung := listen(t, awaitClose)
	ports := map[Kind][3]uint16{ // healthy, refused, silent
		HTTPS: {listen(t, overTLS(conf, says("HTTP/1.1 200 OK\r\n\r\n"))), closedPort(t), hung},
		TLS:   {listen(t, overTLS(conf, awaitClose)), closedPort(t), hung},
		UDP: {listenPacket(t, func(b []byte) []byte { return b }), closedPacketPort(t),
			listenPacket(t, func([]byte) []byte { return nil })},
		DNS: {serveDNS(t, func(w dns.ResponseWriter, q *dns.Msg) { _ = w.WriteMsg(new(dns.Msg).SetReply(q)) }), closedPacketPort(t),
			listenPacket(t, func([]byte) []byte { return nil })},
		Exec: {1, 2, 3},
	}
	grpc, _ := serveGRPC(t)
	ports[GRPC] = [3]uint16{grpc, closedPort(t), hung}
	script := program(t, "[ $STEERDNS_PORT != 3 ] || sleep 1000; [ $STEERDNS_PORT = 1 ] || { echo connect: connection refused; exit 1; }")
	at := func(i int) Target {
		target := patient(kind, ports[kind][i], func(c *Check) {
			c.Send, c.Command, c.Question = "ping", []string{script}, Question{Type: "A", Rcode: "NOERROR"}
		})
		if i == 2 {
			target.Check.Timeout = 200 * time.Millisecond
		}
		return target
	}
	w := contractWorld{NewProber(ProberOptions{Roots: roots, AllowExec: []string{script}}), at(0), at(1), at(2), ""}
	switch kind {
	case UDP, DNS:
		w.refusal = "read: connection refused"
	case Exec:
		w.refusal = "exit status 1: connect: connection refused"
	}
	return w
}

var loopback = netip.MustParseAddr("127.0.0.1")

func quickCheck(kind Kind, port uint16) Check {
	return Check{
		Name: "quick", Kind: kind, Port: port, Interval: time.Second, Timeout: 200 * time.Millisecond, Fall: 2, Rise: 2,
		Method: "GET", Path: "/", Status: []StatusRange{{200, 399}},
	}
}

func testContract(t *testing.T, w contractWorld) {
	t.Run("healthy", func(t *testing.T) {
		if o := observe(t, w.prober, w.healthy); !o.OK {
			t.Errorf("healthy target: %q", o.Reason)
		}
	})
	t.Run("refused", func(t *testing.T) {
		want := w.refusal
		if want == "" {
			want = "connect: connection refused"
		}
		if o := observe(t, w.prober, w.refused); o.OK || o.Blind || o.Reason != want {
			t.Errorf("refusing target: ok=%v %q", o.OK, o.Reason)
		}
	})
	t.Run("silent", func(t *testing.T) {
		o := observe(t, w.prober, w.silent)
		if o.OK || !strings.HasPrefix(o.Reason, "timeout after 200ms while ") {
			t.Errorf("silent target: ok=%v %q", o.OK, o.Reason)
		}
		if o.Took < 200*time.Millisecond {
			t.Errorf("gave up after %s, before the timeout", o.Took)
		}
	})
	t.Run("nonsense", func(t *testing.T) {
		for _, target := range nonsense() {
			if o := observe(t, w.prober, target); o.OK {
				t.Errorf("%+v passed: %q", target, o.Reason)
			}
		}
	})
	t.Run("canceled", func(t *testing.T) { testCanceled(t, w) })
	t.Run("many at once", func(t *testing.T) { testMany(t, w) })
}

func testCanceled(t *testing.T, w contractWorld) {
	target := w.silent
	target.Check.Timeout, target.Check.Interval = time.Hour, time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if o := w.prober.Probe(ctx, target); o.OK || o.Took > time.Minute {
		t.Errorf("canceled probe: ok=%v after %s", o.OK, o.Took)
	}
}

func testMany(t *testing.T, w contractWorld) {
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if o := observe(t, w.prober, w.healthy); !o.OK {
				t.Errorf("healthy target among many: %q", o.Reason)
			}
		})
		wg.Go(func() {
			if o := observe(t, w.prober, w.refused); o.OK {
				t.Error("refusing target passed among many")
			}
		})
	}
	wg.Wait()
}

// nonsense is what no configuration lets through.
func nonsense() []Target {
	var out []Target
	add := func(change func(*Target)) {
		target := Target{ID: "nonsense", Name: "www.example.com", Addr: loopback, Check: quickCheck(HTTP, 1)}
		change(&target)
		out = append(out, target)
	}
	add(func(t *Target) { *t = Target{ID: "nonsense"} })
	add(func(t *Target) { t.Check.Kind = "carrier pigeon\x00" })
	add(func(t *Target) { t.Addr = netip.Addr{} })
	add(func(t *Target) { t.Addr, t.Check.Kind = netip.Addr{}, TCP })
	add(func(t *Target) { t.Check.Path = "/ HTTP/1.1\r\nX: y" })
	add(func(t *Target) { t.Check.Path = "" })
	add(func(t *Target) { t.Check.Method = "GET /\r\n" })
	add(func(t *Target) { t.Check.Host = "a\r\nb" })
	add(func(t *Target) { t.Check.Headers = []Header{{"X", "a\r\nb"}} })
	add(func(t *Target) { t.Check.Headers = []Header{{"X: y", "a"}} })
	return out
}

// observe probes once and checks what holds for every observation.
func observe(t *testing.T, p Prober, target Target) Observation {
	t.Helper()
	before := time.Now()
	o := p.Probe(t.Context(), target)
	if o.Reason == "" || len(o.Reason) > MaxReason || strings.ContainsFunc(o.Reason, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("reason %q is empty, too long or not printable", o.Reason)
	}
	if o.Took < 0 || o.At.Before(before) {
		t.Errorf("took %s, ended at %s, begun at %s", o.Took, o.At, before)
	}
	if limit := target.Check.timeout() + 2*time.Second; o.Took > limit { // 2 s: a busy machine
		t.Errorf("took %s, timeout %s", o.Took, target.Check.timeout())
	}
	return o
}

// TestPanicIsAFailure: a fault in one kind's code fails its probes, and
// nothing else.
func TestPanicIsAFailure(t *testing.T) {
	p := &netProber{kinds: map[Kind]probe{TCP: func(context.Context, Target) (finding, error) { panic("oops\x00") }}}
	o := observe(t, p, Target{Addr: loopback, Check: quickCheck(TCP, 1)})
	expect(t, o, "probe failed inside: oops?")
}
