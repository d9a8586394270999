package dnsserver

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// proxied writes a header as a load balancer does: command 1 is PROXY, 0 is
// LOCAL.
func proxied(command byte, source string, extensions ...byte) []byte {
	from := netip.MustParseAddrPort(source)
	addr := from.Addr().AsSlice()
	body := append(append([]byte{}, addr...), addr...) // the destination does not matter
	body = append(body, byte(from.Port()>>8), byte(from.Port()), 0, 53)
	body = append(body, extensions...)
	family := byte(0x11)
	if from.Addr().Is6() {
		family = 0x21
	}
	head := append(bytes.Clone(proxySignature), 0x20|command, family, byte(len(body)>>8), byte(len(body)))
	return append(head, body...)
}

func TestProxyHeaders(t *testing.T) {
	edit := func(at int, v byte) []byte {
		h := proxied(1, "192.0.2.7:4000")
		h[at] = v
		return h
	}
	for _, c := range []struct {
		name   string
		header []byte
		source string // "": none
		bad    bool
	}{
		{"IPv4", proxied(1, "192.0.2.7:4000"), "192.0.2.7:4000", false},
		{"IPv6", proxied(1, "[2001:db8::7]:4000"), "[2001:db8::7]:4000", false},
		{"IPv4 in IPv6 clothes", proxied(1, "[::ffff:192.0.2.7]:4000"), "192.0.2.7:4000", false},
		{"extensions", proxied(1, "192.0.2.7:4000", 4, 0, 1, 9), "192.0.2.7:4000", false},
		{"datagrams", edit(13, 0x12), "192.0.2.7:4000", false},
		{"LOCAL", proxied(0, "192.0.2.7:4000"), "", false},
		{"unspecified family", edit(13, 0), "", false},
		{"a path", edit(13, 0x31), "", false},
		{"version 1", []byte("PROXY TCP4 192.0.2.7 192.0.2.8 4000 53\r\n"), "", true},
		{"version 3", edit(12, 0x31), "", true},
		{"unknown command", edit(12, 0x22), "", true},
		{"unknown family", edit(13, 0x41), "", true},
		{"IPv6 with the addresses of IPv4", edit(13, 0x21), "", true},
		{"too long", edit(14, 0x10), "", true},
		{"cut off", proxied(1, "192.0.2.7:4000")[:27], "", true},
		{"empty", nil, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := parseProxy(append(c.header, "query"...))
			if c.name == "cut off" {
				h, err = parseProxy(c.header)
			}
			if (err != nil) != c.bad {
				t.Fatal(h, err)
			}
			if c.bad {
				return
			}
			if h.len != len(c.header) || h.source.IsValid() != (c.source != "") || c.source != "" && h.source.String() != c.source {
				t.Errorf("%+v", h)
			}
		})
	}
}

// FuzzProxy: reading from a stream and from a packet agree, nothing behind the
// header is touched, and a source is an address that can be counted.
func FuzzProxy(f *testing.F) {
	f.Add(proxied(1, "192.0.2.7:4000"), []byte("query"))
	f.Add(proxied(1, "[2001:db8::7]:4000", 4, 0, 1, 9), []byte{})
	f.Add(proxied(0, "192.0.2.7:4000"), []byte{0})
	f.Add([]byte("PROXY TCP4 192.0.2.7 192.0.2.8 4000 53\r\n"), []byte{})
	f.Add(append(bytes.Clone(proxySignature), 0x21, 0x31, 0, 216), make([]byte, 216))
	balancers := loadBalancers{netip.MustParsePrefix("127.0.0.0/8")}
	listed, other := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.1")
	f.Fuzz(func(t *testing.T, header, rest []byte) {
		data := append(bytes.Clone(header), rest...)
		h, err := parseProxy(data)
		r := bytes.NewReader(data)
		streamed, streamErr := readProxy(r)
		if (err == nil) != (streamErr == nil) || err == nil && h != streamed {
			t.Fatalf("packet %+v %v, stream %+v %v", h, err, streamed, streamErr)
		}
		query, client, ok := balancers.unwrap(data, listed)
		if ok != (err == nil) {
			t.Fatal("unwrap", ok, err)
		}
		if ok {
			behind, _ := io.ReadAll(r)
			if !bytes.Equal(behind, query) || h.len < proxyFixed || h.len > len(data) || client.Is4In6() || !client.IsValid() {
				t.Fatalf("%+v %q %q %v", h, behind, query, client)
			}
		}
		if _, client, ok := balancers.unwrap(data, other); client != other || ok == bytes.HasPrefix(data, proxySignature) {
			t.Fatal("a header of somebody else's", client, ok)
		}
	})
}

func TestProxiedClients(t *testing.T) {
	opt := Options{LoadBalancers: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	s := startSecure(t, opt)
	pkt, _ := query(t, "www.example.com A")
	for client, first := range map[string]string{"81.2.3.4:99": "203.0.113", "3.1.2.3:99": "192.0.2", "[2a00::1]:99": "203.0.113"} {
		t.Run(client, func(t *testing.T) {
			replies := map[string][]byte{}
			udp := dial(t, "udp", s.Addrs()[0])
			udp.SetDeadline(time.Now().Add(patience))
			udp.Write(append(proxied(1, client), pkt...))
			buf := make([]byte, 4096)
			n, err := udp.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			replies["udp"] = buf[:n]
			conn := dial(t, "tcp", s.Addrs()[0])
			conn.Write(proxied(1, client))
			replies["tcp"] = overTLS(t, conn, pkt)
			conn = dial(t, "tcp", s.AddrsOf(DoT)[0])
			conn.Write(proxied(1, client))
			replies["dot"] = overTLS(t, tls.Client(conn, s.tls("dot")), pkt)
			for name, reply := range replies {
				m := new(dns.Msg)
				if err := m.Unpack(reply); err != nil || len(m.Answer) == 0 {
					t.Fatal(name, err, m)
				}
				if got := m.Answer[0].(*dns.A).A.String(); !strings.HasPrefix(got, first) {
					t.Errorf("%s over %s: %s comes first", client, name, got)
				}
			}
		})
	}
	t.Run("a check of the load balancer's own", func(t *testing.T) {
		conn := dial(t, "tcp", s.Addrs()[0])
		conn.Write(proxied(0, "192.0.2.1:1"))
		overTLS(t, conn, pkt)
	})
	t.Run("no header", func(t *testing.T) { wantClosed(t, dial(t, "tcp", s.Addrs()[0]), frame(pkt)) })
}

func TestHalfAProxyHeaderIsNotWaitedForLong(t *testing.T) {
	opt := Options{LoadBalancers: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	opt.TCP.BeginTimeout = 50 * time.Millisecond
	s := startServer(t, false, opt, "127.0.0.1:0")
	wantClosed(t, dial(t, "tcp", s.Addrs()[0]), proxied(1, "192.0.2.1:1")[:20])
}

// A header from anybody else is not believed.
func TestProxyHeadersOfOthers(t *testing.T) {
	s := startSecure(t, Options{LoadBalancers: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	pkt, _ := query(t, "www.example.com A")
	wantClosed(t, dial(t, "tcp", s.Addrs()[0]), append(proxied(1, "81.2.3.4:99"), frame(pkt)...))
	wantClosed(t, dial(t, "tcp", s.AddrsOf(DoT)[0]), append(proxied(1, "81.2.3.4:99"), frame(pkt)...))
	udp := dial(t, "udp", s.Addrs()[0])
	udp.Write(append(proxied(1, "81.2.3.4:99"), pkt...))
	if m := exchange(t, udp, pkt); m.Id != 4711 || len(m.Answer) == 0 {
		t.Error("the first reply is not to the second packet:", m)
	}
}

func wantClosed(t *testing.T, conn net.Conn, octets []byte) {
	t.Helper()
	conn.SetDeadline(time.Now().Add(patience))
	conn.Write(octets)
	if n, err := conn.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		// TLS may say why first
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the connection stays: %d octets, %v", n, err)
		}
	}
}
