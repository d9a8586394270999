package healthcheck

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// resolver asks a name server on loopback that knows origin.example.com as
// 127.0.0.1, is silent about silent.example.com, fails for broken.example.com,
// has nothing of bare.example.com, and denies the rest.
func resolver(t *testing.T) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); serveNames(pc) }()
	t.Cleanup(func() { pc.Close(); <-done })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

func serveNames(pc net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 || m.Questions[0].Name.String() == "silent.example.com." {
			continue
		}
		answer(&m)
		if reply, err := m.Pack(); err == nil {
			_, _ = pc.WriteTo(reply, from)
		}
	}
}

func answer(m *dnsmessage.Message) {
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	switch name := q.Name.String(); {
	case name == "broken.example.com.":
		m.RCode = dnsmessage.RCodeServerFailure
	case name == "bare.example.com.":
	case name != "origin.example.com.":
		m.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60},
			Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
		}}
	}
}

func TestAlias(t *testing.T) {
	prober := NewProber(ProberOptions{Resolver: resolver(t)})
	port := listen(t, func(c net.Conn) { says("HTTP/1.1 200 OK\r\n\r\n")(c) })
	for _, c := range []struct{ alias, want string }{
		{"origin.example.com.", "+status 200"},
		{"origin.example.com", "+status 200"},
		{"gone.example.com.", "resolve gone.example.com: no such host"},
		{"bare.example.com.", "resolve bare.example.com: no such host"},
		{strings.Repeat("x", 64) + ".example.com.", "resolve " + strings.Repeat("x", 64) + ".example.com: no such host"},
	} {
		t.Run(c.alias, func(t *testing.T) {
			o := observe(t, prober, Target{Name: "www.example.com", Alias: c.alias, Check: quickCheck(HTTP, port)})
			expect(t, o, c.want)
		})
	}
}

// TestResolverIsNoWordOnTheTarget: a lookup that fails is this instance's
// trouble, and reads the same each time.
func TestResolverIsNoWordOnTheTarget(t *testing.T) {
	closed := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(closedPacketPort(t))))
	at := func(where string, control func(string, string, syscall.RawConn) error) *net.Resolver {
		return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			d := net.Dialer{Control: control}
			return d.DialContext(ctx, "udp", where)
		}}
	}
	for _, c := range []struct {
		name     string
		resolver *net.Resolver
		alias    string
		want     string
	}{
		{"silent", resolver(t), "silent.example.com.", "resolve silent.example.com: the resolver gives no answer"},
		{"failing", resolver(t), "broken.example.com.", "resolve broken.example.com: the resolver fails (server misbehaving)"},
		{"refusing", at(closed, nil), "origin.example.com.", "resolve origin.example.com: the resolver gives no answer"},
		{"without a route", at(closed, noRoute), "origin.example.com.", "resolve origin.example.com: the resolver gives no answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewProber(ProberOptions{Resolver: c.resolver})
			for _, kind := range []Kind{TCP, UDP, ICMP} {
				target := Target{Name: "www.example.com", Alias: c.alias, Check: quickCheck(kind, 80)}
				for range 2 {
					if o := observe(t, p, target); o.OK || !o.Blind || o.Reason != c.want {
						t.Errorf("%s: %+v, want blind with %q", kind, o, c.want)
					}
				}
			}
		})
	}
}

func noRoute(_, _ string, _ syscall.RawConn) error {
	return os.NewSyscallError("connect", syscall.ENETUNREACH)
}

// TestNoRoute: without a route nothing is known of the target, an alias or not.
func TestNoRoute(t *testing.T) {
	n := network{dialer: net.Dialer{Resolver: resolver(t), Control: noRoute}}
	for _, target := range []Target{
		{Addr: netip.MustParseAddr("192.0.2.1"), Check: Check{Port: 80}},
		{Alias: "origin.example.com.", Check: Check{Port: 80}},
	} {
		for _, over := range []string{"tcp", "udp"} {
			_, _, err := n.dial(t.Context(), over, target)
			if err == nil || !isBlind(err) || err.Error() != "connect: network is unreachable" {
				t.Errorf("%s to %s%s: blind=%v, %v", over, target.Addr, target.Alias, isBlind(err), err)
			}
		}
	}
}

// TestDestination: an alias is absolute, so that the host's search domains
// never come into it.
func TestDestination(t *testing.T) {
	check := Check{Port: 443}
	for _, c := range []struct {
		target Target
		want   string
	}{
		{Target{Addr: netip.MustParseAddr("192.0.2.1"), Alias: "origin.example.com.", Check: check}, "192.0.2.1:443"},
		{Target{Addr: netip.MustParseAddr("::ffff:192.0.2.1"), Check: check}, "192.0.2.1:443"},
		{Target{Addr: netip.MustParseAddr("2001:db8::1"), Check: check}, "[2001:db8::1]:443"},
		{Target{Alias: "origin.example.com", Check: check}, "origin.example.com.:443"},
		{Target{Alias: "origin.example.com.", Check: check}, "origin.example.com.:443"},
	} {
		if got, err := destination(c.target); err != nil || got != c.want {
			t.Errorf("destination(%+v) = %q, %v, want %q", c.target, got, err, c.want)
		}
	}
	if _, err := destination(Target{Check: check}); err == nil {
		t.Error("a target without address and alias has a destination")
	}
}
