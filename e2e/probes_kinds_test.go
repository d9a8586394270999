//go:build e2e

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/steerdns/steerdns/admin"
	"github.com/steerdns/steerdns/healthcheck"
)

// ward is one server of each kind; all are well or sick together.
type ward struct {
	sick  atomic.Bool
	ports map[string]int
	grpc  *health.Server
	flag  string // a file that is there while they are well
}

func newWard(t *testing.T) *ward {
	t.Helper()
	w := &ward{ports: map[string]int{}, flag: write(t, t.TempDir(), "well", "")}
	w.stream(t, "http", nil, w.http)
	w.stream(t, "tcp", nil, w.greet)
	w.stream(t, "tls", &tls.Config{Certificates: []tls.Certificate{shortLived(t)}}, w.greet)
	w.udp(t)
	w.dns(t)
	w.grpcServer(t)
	return w
}

func (w *ward) turn(sick bool) error {
	w.sick.Store(sick)
	if sick {
		w.grpc.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
		return os.Remove(w.flag)
	}
	w.grpc.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
	return os.WriteFile(w.flag, nil, 0o600)
}

func (w *ward) stream(t *testing.T, name string, conf *tls.Config, serve func(net.Conn)) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.ports[name] = l.Addr().(*net.TCPAddr).Port
	if conf != nil {
		l = tls.NewListener(l, conf)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); serve(c) }()
		}
	}()
}

func (w *ward) http(c net.Conn) {
	buf := make([]byte, 4096)
	if _, err := c.Read(buf); err != nil {
		return
	}
	body := `{"nodes": [{"ready": true}]}`
	if w.sick.Load() {
		body = `{"nodes": [{"ready": false}]}`
	}
	_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func (w *ward) greet(c net.Conn) {
	text := "220 mail.example.com ready\r\n"
	if w.sick.Load() {
		text = "421 busy\r\n"
	}
	_, _ = io.WriteString(c, text)
	_ = c.(interface{ CloseWrite() error }).CloseWrite()
	_, _ = io.Copy(io.Discard, c)
}

func (w *ward) udp(t *testing.T) {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.ports["udp"] = pc.LocalAddr().(*net.UDPAddr).Port
	t.Cleanup(func() { _ = pc.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			if !w.sick.Load() && string(buf[:n]) == "\x00ping" {
				_, _ = pc.WriteTo([]byte("pong"), from)
			}
		}
	}()
}

func (w *ward) dns(t *testing.T) {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.ports["dns"] = pc.LocalAddr().(*net.UDPAddr).Port
	started := make(chan struct{})
	s := &dns.Server{PacketConn: pc, NotifyStartedFunc: func() { close(started) }, Handler: dns.HandlerFunc(func(rw dns.ResponseWriter, q *dns.Msg) {
		r := new(dns.Msg).SetReply(q)
		if w.sick.Load() {
			r.Rcode = dns.RcodeServerFailure
		} else if rr, err := dns.NewRR(q.Question[0].Name + " 60 A 192.0.2.200"); err == nil {
			r.Answer = append(r.Answer, rr)
		}
		_ = rw.WriteMsg(r)
	})}
	go func() { _ = s.ActivateAndServe() }()
	<-started
	t.Cleanup(func() { _ = s.ShutdownContext(context.Background()) })
}

func (w *ward) grpcServer(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.ports["grpc"] = l.Addr().(*net.TCPAddr).Port
	s := grpc.NewServer()
	w.grpc = health.NewServer()
	healthpb.RegisterHealthServer(s, w.grpc)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
}

// shortLived is a self-signed certificate that ends in two days.
func shortLived(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	shape := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, shape, shape, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// wardFleet has a service for each check, named like it.
func (w *ward) wardFleet(script string) string {
	pace := "interval: 300ms, timeout: 250ms, fall: 2, rise: 1"
	checks := []string{
		fmt.Sprintf(`{name: http, type: http, port: %d, json: {"nodes[0].ready": true}, %s}`, w.ports["http"], pace),
		fmt.Sprintf(`{name: tcp, type: tcp, port: %d, expect_regexp: "^220 ", %s}`, w.ports["tcp"], pace),
		fmt.Sprintf(`{name: tls, type: tls, port: %d, skip_verify: true, cert_warn: 3d, expect: "220 ", %s}`, w.ports["tls"], pace),
		fmt.Sprintf(`{name: udp, type: udp, port: %d, send_hex: "00 70 69 6e 67", expect: pong, %s}`, w.ports["udp"], pace),
		fmt.Sprintf(`{name: dns, type: dns, port: %d, query: www.example.com, answer: [192.0.2.200], %s}`, w.ports["dns"], pace),
		fmt.Sprintf(`{name: grpc, type: grpc, port: %d, %s}`, w.ports["grpc"], pace),
		fmt.Sprintf(`{name: exec, type: exec, command: [%s, %s], interval: 1s, timeout: 900ms, fall: 2, rise: 1}`, script, w.flag),
		fmt.Sprintf(`{name: forbidden, type: exec, command: [/bin/sh, "-c", "exit 1"], %s}`, pace),
		`{name: push, type: push, ttl: 2s}`,
		`{name: most, type: at-least, count: 2, of: [http, tcp, dns]}`,
		`{name: echo, type: icmp, interval: 1s, timeout: 900ms}`,
	}
	var b strings.Builder
	b.WriteString("zones:\n  - name: gslb.example.com\n    soa: {mname: ns1.gslb.example.com}\n    ns: [ns1.example.net]\n" +
		"regions:\n  - {name: home, latitude: 51.51, longitude: -0.13}\nchecks:\n")
	for _, c := range checks {
		fmt.Fprintf(&b, "  - %s\n", c)
	}
	b.WriteString("services:\n")
	for _, c := range checks {
		name, _, _ := strings.Cut(strings.TrimPrefix(c, "{name: "), ",")
		fmt.Fprintf(&b, "  - {name: %s.gslb.example.com, check: %s, endpoints: {home: [{address: 192.0.2.10, probe: 127.0.0.1}]}}\n", name, name)
	}
	return b.String()
}

const wardToken = "a-token-of-the-ward"

// report says to the instance how the push endpoint is.
func report(to, token, body string) (int, error) {
	req, err := http.NewRequest(http.MethodPut, "http://"+to+"/v1/report/push.gslb.example.com/home/192.0.2.10", strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return resp.StatusCode, nil
}

// TestProbeKinds lets one instance probe real servers of all kinds that turn
// sick and well again.
func TestProbeKinds(t *testing.T) {
	w := newWard(t)
	dir := t.TempDir()
	script := write(t, dir, "check", "#!/bin/sh\nif [ -e \"$1\" ]; then echo is well; else echo \"$STEERDNS_SERVICE is sick\"; exit 7; fi\n")
	if err := os.Chmod(script, 0o700); err != nil {
		t.Fatal(err)
	}
	in := loneInstance(t, write(t, dir, "fleet.yaml", w.wardFleet(script)), embedded(t), "")
	push := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	tokens := write(t, dir, "tokens", "push.gslb.example.com "+wardToken+"\n")
	conf, err := os.ReadFile(in.config)
	if err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(in.config, fmt.Appendf(conf, "checks: {allow_exec: [%s]}\npush: {listen: %q, tokens: %s}\n", script, push, tokens), 0o600); err != nil {
		t.Fatal(err)
	}
	in.awaitReady(t, in.serve(t))

	want := func(when string, want map[string]string) {
		t.Helper()
		await(t, patience, when, func() error { return in.votes(want) })
	}
	want("what has not reported and what may not run is unknown", map[string]string{
		"push": "unknown has not reported yet", "forbidden": "unknown this instance does not run ",
	})
	if code, err := report(push, wardToken, `{"load": 40}`); code != 200 || err != nil {
		t.Errorf("report: %d, %v", code, err)
	}
	if code, err := report(push, "another-token-of-16", ""); code != 401 || err != nil {
		t.Errorf("report with a wrong token: %d, %v", code, err)
	}
	if m := scrape(t, in.Admin); m["steerdns_endpoint_reported_load_percent"] != 40 {
		t.Errorf("load of %v in the metrics", m["steerdns_endpoint_reported_load_percent"])
	}
	want("the report counts", map[string]string{"push": "up reports up"})
	well := map[string]string{
		"http": "up status 200", "tcp": "up answered as expected", "tls": "up answered as expected; the certificate ends at ",
		"udp": "up answered with 4 bytes", "dns": "up NOERROR with 1 records", "grpc": "up health is SERVING",
		"exec": "up exit status 0: is well", "most": "up 3 of 3 pass, want 2",
	}
	want("all are well", well)
	if ends := scrape(t, in.Admin)["steerdns_probe_certificate_expiry_timestamp_seconds"]; ends < float64(time.Now().Add(47*time.Hour).Unix()) {
		t.Errorf("the metric says that the certificate ends at %v", ends)
	}
	if err := w.turn(true); err != nil {
		t.Fatal(err)
	}
	want("all are sick", map[string]string{
		"http": "down body has nodes[0].ready: false, want true", "tcp": `down answer does not match "^220 "`, "tls": `down answer lacks "220 "`,
		"udp": "down timeout after 250ms while waiting for an answer", "dns": "down answer is SERVFAIL, want NOERROR",
		"grpc": "down health is NOT_SERVING", "exec": "down exit status 7: exec.gslb.example.com is sick",
		"most": "down 0 of 3 pass, want 2; http: body has", "push": "down no report for 2s", "forbidden": "unknown ",
	})
	if err := w.turn(false); err != nil {
		t.Fatal(err)
	}
	if code, err := report(push, wardToken, `{"up": false, "reason": "draining"}`); code != 200 || err != nil {
		t.Errorf("report: %d, %v", code, err)
	}
	want("an endpoint reports itself down", map[string]string{"push": "down reports down: draining"})
	want("all are well again", well)
	echo := in.vote("echo")
	if !strings.HasPrefix(echo, "up echo reply within ") && !strings.HasPrefix(echo, "unknown this instance may not send ICMP") {
		t.Errorf("ICMP: %s", echo)
	}
}

// vote is the state and reason of the one vote on a service's one endpoint.
func (l *lone) vote(service string) string {
	s, err := l.status()
	if err != nil {
		return err.Error()
	}
	return voteIn(s, service)
}

func voteIn(s admin.Status, service string) string {
	for _, e := range s.Endpoints {
		if e.Service == service+".gslb.example.com" {
			if len(e.Verdict.Vantages) == 0 {
				return healthcheck.Unknown.String() + " no vantage"
			}
			v := e.Verdict.Vantages[0]
			return v.State.String() + " " + v.Reason
		}
	}
	return "no such service"
}

// votes wants each service's vote to begin as given.
func (l *lone) votes(want map[string]string) error {
	s, err := l.status()
	if err != nil {
		return err
	}
	for service, begins := range want {
		if got := voteIn(s, service); !strings.HasPrefix(got, begins) {
			return fmt.Errorf("%s: %s, want %s", service, got, begins)
		}
	}
	return nil
}
