//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// secureLone is an instance that answers on all transports.
type secureLone struct {
	*lone
	dot, doh, doq string // addresses
	cert, key     string // files
}

// newSecureLone writes the files of an instance; dns are more lines of its
// table dns.
func newSecureLone(t *testing.T, fleet string, dns ...string) *secureLone {
	t.Helper()
	dir := t.TempDir()
	l := &secureLone{lone: loneInstance(t, filepath.Join(dir, "fleet.yaml"), embedded(t), "")}
	write(t, dir, "fleet.yaml", l.alive(fleet))
	for _, at := range []*string{&l.dot, &l.doh, &l.doq} {
		*at = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	}
	l.cert, l.key = filepath.Join(l.dir, "cert.pem"), filepath.Join(l.dir, "key.pem")
	l.writeCertificate(t, 1)
	l.setDNS(t, fmt.Sprintf("certificates: [{cert: %s, key: %s}]", l.cert, l.key))
	for _, line := range dns {
		line = strings.NewReplacer("DOT", strconv.Quote(l.dot), "DOH", strconv.Quote(l.doh), "DOQ", strconv.Quote(l.doq)).Replace(line)
		l.setDNS(t, line)
	}
	return l
}

// alive makes the endpoints of a fleet file those that stay up: they are probed
// where the instance itself answers over TCP.
func (l *lone) alive(fleet string) string {
	_, port, _ := net.SplitHostPort(l.DNS)
	return strings.Replace(fleet, "port: 9}", "port: "+port+"}", 1)
}

// awaitUp waits until the verdicts on all three endpoints are in, after which
// nothing changes any more.
func (l *secureLone) awaitUp(t *testing.T, p *process) {
	t.Helper()
	l.awaitReady(t, p)
	await(t, patience, "the endpoints are up", func() error {
		if n := metric(t, l.Admin, "steerdns_endpoint_verdict", `state="up"`); n != 3 {
			return fmt.Errorf("%.0f", n)
		}
		return nil
	})
}

// everywhere are the lines of dns for all transports.
var everywhere = []string{"tls: {listen: [DOT], max_per_client: 1000}", "https: {listen: [DOH], max_per_client: 500}",
	"quic: {listen: [DOQ], max_per_client: 500}", "tcp: {max_per_client: 1000}"}

// writeCertificate writes a new pair; the serial tells it from others.
func (l *secureLone) writeCertificate(t *testing.T, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "ns1.example.com"}, DNSNames: []string{"ns1.example.com"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(240 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, l.dir, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	write(t, l.dir, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

// trusting is how a client of l speaks TLS.
func (l *secureLone) trusting(protocols ...string) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, NextProtos: protocols} //nolint:gosec // the certificate changes in these tests
}

// serial is the certificate that DNS over TLS shows.
func (l *secureLone) serial(t *testing.T) int64 {
	t.Helper()
	conn, err := tls.Dial("tcp", l.dot, l.trusting("dot"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// ways are the options by which kdig asks over each transport.
func (l *secureLone) ways() []struct{ name, server, options string } {
	return []struct{ name, server, options string }{
		{"UDP", l.DNS, "+notcp +ignore"},
		{"TCP", l.DNS, "+tcp"},
		{"TLS", l.dot, "+tls-ca=" + l.cert + " +tls-hostname=ns1.example.com"},
		{"HTTPS POST", l.doh, "+https"},
		{"HTTPS GET", l.doh, "+https +https-get"},
		{"QUIC", l.doq, "+quic"},
	}
}

// kdigQuestions are 200 questions as kdig takes them.
func kdigQuestions() (list []string) {
	names := []string{"www", "shop", "ns1", "@", "x.wild", "a.b.wild", "wild", "child", "deep.child", "nothing"}
	for _, subnet := range []string{"192.0.2.0/24", "198.51.100.0/25", "2001:db8::/56", "203.0.113.9/32", "0.0.0.0/0"} {
		for _, name := range names {
			for _, kind := range []string{"A", "AAAA", "TXT", "SOA"} {
				name := strings.TrimPrefix(name+".gslb.example.com", "@.")
				list = append(list, fmt.Sprintf("%s %s +subnet=%s +nsid +bufsize=1232 +nopadding", name, kind, subnet))
			}
		}
	}
	return list
}

// TestTransportsGiveTheSameBytes: kdig asks 200 questions over each transport
// and writes the replies to a file, octet by octet.
func TestTransportsGiveTheSameBytes(t *testing.T) {
	l := newSecureLone(t, oneFleet, everywhere...)
	l.awaitUp(t, l.serve(t))
	questions := kdigQuestions()
	if len(questions) != 200 {
		t.Fatal(len(questions), "questions")
	}
	var want [][]byte
	for _, way := range l.ways() {
		got := l.kdig(t, way.server, way.options, questions)
		if len(got) != len(questions) {
			t.Fatalf("%s: %d replies", way.name, len(got))
		}
		if want == nil {
			want = got
		}
		for i := range got {
			if string(got[i][2:]) != string(want[i][2:]) {
				t.Errorf("%s: %s\n%x\nover UDP\n%x", way.name, questions[i], got[i], want[i])
			}
		}
	}
	for i, r := range want {
		if rcode := r[3] & 15; r[2]&0x80 == 0 || rcode != 0 && rcode != 3 {
			t.Errorf("%s: %x", questions[i], r)
		}
	}
}

// kdig asks all questions in one run, and returns the replies as dnstap has
// them.
func (l *secureLone) kdig(t *testing.T, server, options string, questions []string) (replies [][]byte) {
	t.Helper()
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		t.Fatal(err)
	}
	tape := filepath.Join(t.TempDir(), "tape")
	args := append([]string{"@" + host, "-p", port, "-E", tape}, strings.Fields(options)...)
	for _, q := range questions {
		args = append(args, strings.Fields(q)...)
	}
	out := command(t, "kdig", args...).must(t)
	if strings.Contains(out, ";; WARNING") || strings.Contains(out, ";; ERROR") {
		t.Fatalf("kdig %s:\n%s", options, tail(out, 20))
	}
	data, err := os.ReadFile(tape)
	if err != nil {
		t.Fatal(err)
	}
	for len(data) >= 4 {
		n := binary.BigEndian.Uint32(data)
		data = data[4:]
		if n == 0 { // a control frame follows
			data = data[4+binary.BigEndian.Uint32(data):]
			continue
		}
		if r := field(field(data[:n], 14), 14); len(r) >= 12 { // Dnstap.message, Message.response_message
			replies = append(replies, r)
		}
		data = data[n:]
	}
	return replies
}

// field is the octets of a field of a protobuf message; nil when it has none.
func field(message []byte, number protowire.Number) []byte {
	for len(message) > 0 {
		n, kind, head := protowire.ConsumeTag(message)
		if head < 0 {
			return nil
		}
		message = message[head:]
		if kind == protowire.BytesType && n == number {
			v, _ := protowire.ConsumeBytes(message)
			return v
		}
		size := protowire.ConsumeFieldValue(n, kind, message)
		if size < 0 {
			return nil
		}
		message = message[size:]
	}
	return nil
}

// lengthOf is how long something is done: as the environment says, or short
// enough for CI.
func lengthOf(t *testing.T, variable string, usual time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return usual
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return d
}

// perf is what dnsperf counted.
type perf struct {
	sent, completed, lost, noError int
	text                           string
}

var counted = regexp.MustCompile(`(Queries sent|Queries completed|Queries lost|NOERROR):? +(\d+)`)

func parsePerf(text string) perf {
	p := perf{text: text}
	for _, m := range counted.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[2])
		*map[string]*int{"Queries sent": &p.sent, "Queries completed": &p.completed, "Queries lost": &p.lost, "NOERROR": &p.noError}[m[1]] = n
	}
	return p
}

func (p perf) clean() bool {
	return p.sent > 0 && p.sent == p.completed && p.lost == 0 && p.noError == p.sent
}

// dnsperfArgs is how dnsperf asks over a transport. Over HTTPS it has one
// query under way, on one connection: with more it loses replies that it has
// received (DNS-OARC/dnsperf issue 240).
func (l *secureLone) dnsperfArgs(t *testing.T, mode string, length time.Duration) []string {
	server := map[string]string{"udp": l.DNS, "tcp": l.DNS, "dot": l.dot, "doh": l.doh}[mode]
	host, port, _ := net.SplitHostPort(server)
	data := write(t, t.TempDir(), "queries", "www.gslb.example.com A\nns1.gslb.example.com A\nx.wild.gslb.example.com A\ngslb.example.com TXT\n")
	args := []string{"-m", mode, "-s", host, "-p", port, "-d", data, "-l", fmt.Sprint(length.Seconds()), "-W"}
	if mode == "doh" {
		return append(args, "-c", "1", "-q", "1", "-O", "doh-uri=https://"+server+"/dns-query")
	}
	return append(args, "-c", "10", "-q", "100")
}

// TestDnsperfIsClean loses nothing over any transport that dnsperf has.
// STEERDNS_DNSPERF is for how long each.
func TestDnsperfIsClean(t *testing.T) {
	l := newSecureLone(t, oneFleet, everywhere...)
	l.awaitReady(t, l.serve(t))
	for _, mode := range []string{"udp", "tcp", "dot", "doh"} {
		p := parsePerf(command(t, "dnsperf", l.dnsperfArgs(t, mode, lengthOf(t, "STEERDNS_DNSPERF", 3*time.Second))...).out)
		t.Logf("%s: %d queries, %d lost, %d NOERROR", mode, p.sent, p.lost, p.noError)
		if !p.clean() || strings.Contains(p.text, "Warning") {
			t.Errorf("%s:\n%s", mode, p.text)
		}
	}
}

// A load balancer's header is believed from where it is listed, and from
// nowhere else.
func TestProxyHeadersThroughKdig(t *testing.T) {
	l := newSecureLone(t, oneFleet, append(everywhere, "proxy: [127.0.0.1]")...)
	l.setDNS(t, "access: {deny: [203.0.113.0/24]}")
	l.awaitReady(t, l.serve(t))
	for _, way := range l.ways()[:2] {
		host, port, _ := net.SplitHostPort(way.server)
		ask := func(client string) string {
			args := append([]string{"@" + host, "-p", port, "+time=2", "+retry=0", "www.gslb.example.com"}, strings.Fields(way.options)...)
			if client != "" {
				args = append(args, "+proxy="+client+"#4000-192.0.2.53#53")
			}
			return command(t, "kdig", args...).out
		}
		if out := ask("198.51.100.7"); !strings.Contains(out, "192.0.2.10") {
			t.Errorf("%s for a client that may ask:\n%s", way.name, out)
		}
		if out := ask("203.0.113.7"); strings.Contains(out, "192.0.2.10") {
			t.Errorf("%s for a client that may not:\n%s", way.name, out)
		}
		if out := ask(""); strings.Contains(out, "192.0.2.10") {
			t.Errorf("%s without a header:\n%s", way.name, out)
		}
	}
}
