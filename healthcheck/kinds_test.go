package healthcheck

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// listenPacket answers each datagram by serve, which gives nothing for silence.
func listenPacket(t testing.TB, serve func([]byte) []byte) uint16 {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, maxBody)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := serve(buf[:n]); reply != nil {
				_, _ = pc.WriteTo(reply, from)
			}
		}
	}()
	t.Cleanup(func() { pc.Close(); <-done })
	return portOf(pc.LocalAddr())
}

// closedPacketPort is a port on which nobody hears datagrams.
func closedPacketPort(t *testing.T) uint16 {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	return portOf(pc.LocalAddr())
}

// trust is a certificate for www.example.com and the pool that believes it.
func trust(t *testing.T, lasts time.Duration) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	cert := certify(t, time.Now().Add(lasts), "www.example.com")
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	return cert, roots
}

// patient is a target whose timeout a busy machine can keep.
func patient(kind Kind, port uint16, change func(*Check)) Target {
	target := Target{ID: "www.example.com/r/127.0.0.1", Name: "www.example.com", Addr: loopback, Check: quickCheck(kind, port)}
	target.Check.Timeout, target.Check.Interval = 5*time.Second, 5*time.Second
	if change != nil {
		change(&target.Check)
	}
	return target
}

func TestStreamProbe(t *testing.T) {
	banner := func(text string) func(net.Conn) {
		return func(c net.Conn) { _, _ = io.WriteString(c, text); awaitClose(c) }
	}
	slowly := func(c net.Conn) {
		for _, b := range []byte("+PO") {
			_, _ = c.Write([]byte{b})
			time.Sleep(5 * time.Millisecond)
		}
		_, _ = c.Write([]byte("NG\r\n"))
		awaitClose(c)
	}
	echo := func(c net.Conn) { _, _ = io.Copy(c, c) }
	for _, c := range []struct {
		name   string
		serve  func(net.Conn)
		change func(*Check)
		want   string
	}{
		{"connects", awaitClose, nil, "+connected"},
		{"banner", banner("220 mail.example.com ESMTP\r\n"), func(c *Check) { c.Body = "220 " }, "+answered as expected"},
		{"banner by pattern", banner("220 mail.example.com ESMTP\r\n"), func(c *Check) { c.Pattern = regexp.MustCompile(`^220 .*ESMTP`) }, "+answered as expected"},
		{"other banner", func(c net.Conn) { _, _ = io.WriteString(c, "421 busy\r\n") }, func(c *Check) { c.Body = "220 " }, `answer lacks "220 "`},
		{"other banner by pattern", func(c net.Conn) { _, _ = io.WriteString(c, "421 busy\r\n") },
			func(c *Check) { c.Pattern = regexp.MustCompile("^220 ") }, `answer does not match "^220 "`},
		{"send and expect", echo, func(c *Check) { c.Send, c.Body = "PING\r\n", "PING" }, "+answered as expected"},
		{"an answer in pieces", slowly, func(c *Check) { c.Body = "+PONG" }, "+answered as expected"},
		{"a pattern in pieces", slowly, func(c *Check) { c.Pattern = regexp.MustCompile(`^\+PONG\r\n$`) }, "+answered as expected"},
		{"never says it", banner("hello"), func(c *Check) { c.Body, c.Timeout = "220", 200*time.Millisecond }, "timeout after 200ms while reading the answer"},
		{"says too much", banner(strings.Repeat("x", maxBody+1)), func(c *Check) { c.Body = "y" }, `answer lacks "y" in its first 64 KiB`},
		{"closes", func(net.Conn) {}, func(c *Check) { c.Body = "220" }, `answer lacks "220"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			expect(t, observe(t, NewProber(ProberOptions{}), patient(TCP, listen(t, c.serve), c.change)), c.want)
		})
	}
}

func TestTLSProbe(t *testing.T) {
	cert, roots := trust(t, 100*time.Hour)
	conf := &tls.Config{Certificates: []tls.Certificate{cert}}
	ends := cert.Leaf.NotAfter.UTC()
	greet := overTLS(conf, func(c net.Conn) { _, _ = io.WriteString(c, "* OK IMAP4rev1\r\n"); awaitClose(c) })
	for _, c := range []struct {
		name    string
		serve   func(net.Conn)
		change  func(*Check)
		want    string
		warning string
	}{
		{"handshake", greet, nil, "+handshake done, certificate until " + ends.Format("2006-01-02"), ""},
		{"expects", greet, func(c *Check) { c.Body = "* OK" }, "+answered as expected", ""},
		{"warns", greet, func(c *Check) { c.CertWarn = 101 * time.Hour }, "+handshake done, certificate until " + ends.Format("2006-01-02"),
			"the certificate ends at " + ends.Format(time.DateTime)},
		{"too soon", greet, func(c *Check) { c.CertMin = 101 * time.Hour },
			"certificate: ends at " + ends.Format(time.DateTime) + ", sooner than cert_min allows", ""},
		{"another name", greet, func(c *Check) { c.TLSName = "api.example.com" }, "certificate: not valid for api.example.com", ""},
		{"hung", awaitClose, func(c *Check) { c.Timeout = 200 * time.Millisecond }, "timeout after 200ms while in the TLS handshake", ""},
		{"killed", func(net.Conn) {}, nil, "connection closed while in the TLS handshake|read: connection reset by peer|write: broken pipe|write: connection reset by peer", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := observe(t, NewProber(ProberOptions{Roots: roots}), patient(TLS, listen(t, c.serve), c.change))
			expect(t, o, c.want)
			if o.Warning != c.warning {
				t.Errorf("warning %q, want %q", o.Warning, c.warning)
			}
			if o.OK && !o.CertEnds.Equal(cert.Leaf.NotAfter) {
				t.Errorf("certificate ends at %s, want %s", o.CertEnds, cert.Leaf.NotAfter)
			}
		})
	}
}

func TestUDPProbe(t *testing.T) {
	echo := func(b []byte) []byte { return b }
	for _, c := range []struct {
		name   string
		port   uint16
		change func(*Check)
		want   string
	}{
		{"any answer", listenPacket(t, echo), func(c *Check) { c.Send = "ping" }, "+answered with 4 bytes"},
		{"bytes", listenPacket(t, echo), func(c *Check) { c.Send, c.Pattern = "\x00\xff", regexp.MustCompile(`^\x00`) }, "+answered with 2 bytes"},
		{"another answer", listenPacket(t, echo), func(c *Check) { c.Send, c.Body = "ping", "pong" }, `answer lacks "pong"`},
		{"refused", closedPacketPort(t), func(c *Check) { c.Send = "ping" }, "read: connection refused"},
		{"silent", listenPacket(t, func([]byte) []byte { return nil }),
			func(c *Check) { c.Send, c.Timeout = "ping", 200*time.Millisecond }, "timeout after 200ms while waiting for an answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			expect(t, observe(t, NewProber(ProberOptions{}), patient(UDP, c.port, c.change)), c.want)
		})
	}
}

// TestICMPProbe sends real echo requests where this process may.
func TestICMPProbe(t *testing.T) {
	for _, addr := range []string{"127.0.0.1", "::1"} {
		target := patient(ICMP, 0, nil)
		target.Addr = address(0)
		if err := target.Addr.UnmarshalText([]byte(addr)); err != nil {
			t.Fatal(err)
		}
		o := observe(t, NewProber(ProberOptions{}), target)
		switch {
		case o.OK && strings.HasPrefix(o.Reason, "echo reply within "):
		case o.Blind && o.Reason == errNoICMP.Error():
			t.Logf("%s: this process may not send ICMP", addr)
		case o.Blind && addr == "::1":
			t.Logf("%s: this machine has no IPv6: %s", addr, o.Reason)
		default:
			t.Errorf("%s: %+v", addr, o)
		}
	}
}

func TestICMPTakesOnlyItsOwnReply(t *testing.T) {
	nonce := []byte("0123456789abcdef")
	reply := append([]byte{0, 0, 0, 0, 1, 2, 3, 4}, nonce...) // checksums are the kernel's matter
	if !echo4.isReply(reply, nonce) {
		t.Error("our reply is not taken")
	}
	request := append([]byte{8}, reply[1:]...)
	other := append([]byte(nil), reply...)
	other[8]++
	for _, packet := range [][]byte{nil, {0}, reply[:10], request, other} {
		if echo4.isReply(packet, nonce) {
			t.Errorf("% x is taken for our reply", packet)
		}
	}
}

// serveGRPC runs a real gRPC server with the standard health service.
func serveGRPC(t testing.TB, opts ...grpc.ServerOption) (uint16, *health.Server) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, h := grpc.NewServer(opts...), health.NewServer()
	healthpb.RegisterHealthServer(s, h)
	go func() { _ = s.Serve(l) }() // ends by Stop
	t.Cleanup(s.Stop)
	return portOf(l.Addr()), h
}

func TestGRPCProbe(t *testing.T) {
	cert, roots := trust(t, 100*time.Hour)
	plain, state := serveGRPC(t)
	secure, _ := serveGRPC(t, grpc.Creds(credentials.NewServerTLSFromCert(&cert)))
	state.SetServingStatus("shop.v1.Cart", healthpb.HealthCheckResponse_NOT_SERVING)
	state.SetServingStatus("shop.v1.Till", healthpb.HealthCheckResponse_SERVING)
	bare, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	noHealth := grpc.NewServer()
	go func() { _ = noHealth.Serve(bare) }()
	t.Cleanup(noHealth.Stop)
	for _, c := range []struct {
		name   string
		port   uint16
		change func(*Check)
		want   string
	}{
		{"server", plain, nil, "+health is SERVING"},
		{"service", plain, func(c *Check) { c.Service = "shop.v1.Till" }, "+health is SERVING"},
		{"service not serving", plain, func(c *Check) { c.Service = "shop.v1.Cart" }, "health is NOT_SERVING"},
		{"unknown service", plain, func(c *Check) { c.Service = "shop.v1.Nothing" }, "the server knows no service of that name"},
		{"no health service", portOf(bare.Addr()), nil, "the server has no health service (grpc.health.v1)"},
		{"TLS", secure, func(c *Check) { c.Secure = true }, "+health is SERVING"},
		{"TLS for another name", secure, func(c *Check) { c.Secure, c.TLSName = true, "x.example.com" }, "certificate: not valid for x.example.com"},
		{"plain to TLS", secure, nil, "connection closed while waiting for the header|read: connection reset by peer|" + errHTTP1.Error()},
		{"HTTP/1.1", listen(t, greets("HTTP/1.1 400 Bad Request\r\n\r\n")), nil, errHTTP1.Error()},
		{"HTTP/1.0", listen(t, greets("HTTP/1.0 400 Bad Request\r\n\r\n")), nil, errHTTP1.Error()},
		{"huge frame", listen(t, greets("\xff\xff\xff\x00\x00\x00\x00\x00\x01")), nil, errBigFrame.Error()},
		{"hung", listen(t, awaitClose), func(c *Check) { c.Timeout = 200 * time.Millisecond }, "timeout after 200ms while waiting for the header"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			expect(t, observe(t, NewProber(ProberOptions{Roots: roots}), patient(GRPC, c.port, c.change)), c.want)
		})
	}
}

// serveDNS runs a name server over UDP and TCP on one port.
func serveDNS(t *testing.T, handler dns.HandlerFunc) uint16 {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{PacketConn: pc, Handler: handler}, {Listener: l, Handler: handler}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() { _ = s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { _ = s.ShutdownContext(context.Background()) })
	}
	return portOf(pc.LocalAddr())
}

func TestDNSProbe(t *testing.T) {
	rr := func(s string) dns.RR {
		r, err := dns.NewRR(s)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	port := serveDNS(t, func(w dns.ResponseWriter, q *dns.Msg) {
		r := new(dns.Msg).SetReply(q)
		overUDP := w.LocalAddr().Network() == "udp"
		switch name := q.Question[0].Name; {
		case name == "denied.example.com.":
			r.Rcode = dns.RcodeNameError
		case name == "silent.example.com.":
			return
		case name == "spoofed.example.com." && overUDP:
			forged := r.Copy()
			forged.Id++
			_ = w.WriteMsg(forged)
			_, _ = w.Write([]byte{1, 2, 3})
			forged = r.Copy()
			forged.Question[0].Name = "other.example.com."
			_ = w.WriteMsg(forged)
		case name == "big.example.com." && overUDP:
			r.Truncated = true
		case name == "garbage.example.com.":
			out, _ := r.Pack()
			_, _ = w.Write(append(out[:12:12], 0xc0))
			return
		case name == "short.example.com.":
			_, _ = w.Write([]byte{1, 2, 3})
			return
		}
		if r.Rcode == dns.RcodeSuccess && !r.Truncated {
			r.Answer = []dns.RR{rr(q.Question[0].Name + " 60 A 192.0.2.1"), rr(q.Question[0].Name + " 60 CNAME Www.example.net.")}
		}
		_ = w.WriteMsg(r)
	})
	ask := func(name string, answers ...string) func(*Check) {
		return func(c *Check) { c.Question = Question{Name: name, Type: "A", Rcode: "NOERROR", Answers: answers} }
	}
	for _, c := range []struct {
		name   string
		port   uint16
		change func(*Check)
		want   string
	}{
		{"the service's own name", port, ask("", "192.0.2.1", "www.EXAMPLE.net"), "+NOERROR with 2 records"},
		{"lacks", port, ask("a.example.com.", "192.0.2.10"), "answer lacks 192.0.2.10"},
		{"another rcode", port, ask("denied.example.com."), "answer is NXDOMAIN, want NOERROR"},
		{"wanted rcode", port, func(c *Check) { ask("denied.example.com.")(c); c.Question.Rcode = "NXDOMAIN" }, "+NXDOMAIN with 0 records"},
		{"truncated", port, ask("big.example.com.", "192.0.2.1"), "+NOERROR with 2 records"},
		{"over TCP", port, func(c *Check) { ask("big.example.com.")(c); c.Question.TCP = true }, "+NOERROR with 2 records"},
		{"forged answers first", port, ask("spoofed.example.com.", "192.0.2.1"), "+NOERROR with 2 records"},
		{"garbage", port, ask("garbage.example.com."), "answer is not valid DNS"},
		{"short over TCP", port, func(c *Check) { ask("short.example.com.")(c); c.Question.TCP = true }, "answer is not valid DNS"},
		{"silent", port, func(c *Check) { ask("silent.example.com.")(c); c.Timeout = 200 * time.Millisecond }, "timeout after 200ms while waiting for an answer"},
		{"refused", closedPacketPort(t), ask(""), "read: connection refused"},
		{"echo", listenPacket(t, func(b []byte) []byte { return b }),
			func(c *Check) { ask("")(c); c.Timeout = 200 * time.Millisecond }, "timeout after 200ms while waiting for an answer"},
		{"no such type", port, func(c *Check) { ask("")(c); c.Question.Type = "AAAAA" }, `check: type "AAAAA" or rcode "NOERROR" is not known`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			expect(t, observe(t, NewProber(ProberOptions{}), patient(DNS, c.port, c.change)), c.want)
		})
	}
}
