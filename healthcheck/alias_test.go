package healthcheck

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// resolver asks a name server on loopback that knows origin.example.com as
// 127.0.0.1, is silent about silent.example.com, and denies the rest.
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
	m.Response, m.Additionals = true, nil
	switch {
	case q.Name.String() != "origin.example.com.":
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
		{"silent.example.com.", "timeout after 200ms while resolving"},
		{strings.Repeat("x", 64) + ".example.com.", "resolve " + strings.Repeat("x", 64) + ".example.com: no such host"},
	} {
		t.Run(c.alias, func(t *testing.T) {
			o := observe(t, prober, Target{Name: "www.example.com", Alias: c.alias, Check: quickCheck(HTTP, port)})
			expect(t, o, c.want)
		})
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
