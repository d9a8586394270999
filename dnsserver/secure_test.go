package dnsserver

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/quic-go/quic-go"
)

// writePair writes a certificate for name with its key; serial tells pairs
// apart.
func writePair(t testing.TB, files CertificateFiles, name string, serial int64, until time.Time) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: until.Add(-48 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, files.Chain, "CERTIFICATE", der)
	writePEM(t, files.Key, "PRIVATE KEY", keyDER)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func writePEM(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// secured is a server on all transports, with what its clients need.
type secured struct {
	*Server
	files CertificateFiles
	trust *x509.CertPool
}

func startSecure(t *testing.T, opt Options) *secured {
	t.Helper()
	dir := t.TempDir()
	s := &secured{files: CertificateFiles{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}, trust: x509.NewCertPool()}
	s.trust.AddCert(writePair(t, s.files, "ns1.example.com", 1, time.Now().Add(24*time.Hour)))
	var err error
	if opt.Certificates, err = LoadCertificates([]CertificateFiles{s.files}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	any := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	opt.DoT.Listen, opt.DoH.Listen, opt.DoQ.Listen = any, any, any
	s.Server = startServer(t, false, opt, "127.0.0.1:0")
	return s
}

func (s *secured) tls(protocols ...string) *tls.Config {
	return &tls.Config{RootCAs: s.trust, ServerName: "ns1.example.com", NextProtos: protocols}
}

// dialTLS opens a DNS over TLS connection.
func (s *secured) dialTLS(t *testing.T) *tls.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", s.AddrsOf(DoT)[0].String(), s.tls("dot"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// http is a client for DNS over HTTPS, with HTTP/2 or without.
func (s *secured) http(t *testing.T, version2 bool) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(version2)
	protocols.SetHTTP1(!version2)
	tr := &http.Transport{TLSClientConfig: s.tls(), Protocols: protocols}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

func (s *secured) url(query []byte) string {
	return fmt.Sprintf("https://%v/dns-query?dns=%s", s.AddrsOf(DoH)[0], base64.RawURLEncoding.EncodeToString(query))
}

// dialQUIC opens a DNS over QUIC connection.
func (s *secured) dialQUIC(t *testing.T) *quic.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := quic.DialAddr(ctx, s.AddrsOf(DoQ)[0].String(), s.tls("doq"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseWithError(doqNoError, "") })
	return conn
}

// askQUIC sends octets on a stream of its own and reads to its end.
func askQUIC(t *testing.T, conn *quic.Conn, octets []byte) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	stream, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, err
	}
	stream.SetDeadline(time.Now().Add(patience))
	if _, err := stream.Write(octets); err != nil {
		return nil, err
	}
	stream.Close()
	return io.ReadAll(stream)
}

func readFrame(t *testing.T, r io.Reader) []byte {
	t.Helper()
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(r, reply); err != nil {
		t.Fatal(err)
	}
	return reply
}

// TestTransportsAgree asks the same over every transport.
func TestTransportsAgree(t *testing.T) {
	s := startSecure(t, Options{})
	ways := map[string]func(*testing.T, []byte) []byte{
		"dot":           func(t *testing.T, q []byte) []byte { return overTLS(t, s.dialTLS(t), q) },
		"doh get h2":    func(t *testing.T, q []byte) []byte { return overGet(t, s, true, q) },
		"doh get h1":    func(t *testing.T, q []byte) []byte { return overGet(t, s, false, q) },
		"doh post h2":   func(t *testing.T, q []byte) []byte { return overPost(t, s, true, q) },
		"doh post h1":   func(t *testing.T, q []byte) []byte { return overPost(t, s, false, q) },
		"doq":           func(t *testing.T, q []byte) []byte { return overQUIC(t, s.dialQUIC(t), q) },
		"tcp framed as": func(t *testing.T, q []byte) []byte { return overTLS(t, dial(t, "tcp", s.Addrs()[0]), q) },
	}
	udp := dial(t, "udp", s.Addrs()[0])
	for _, line := range []string{
		"www.example.com A", "www.example.com AAAA +edns", "static.example.com A +nsid", "nothing.example.com A",
		"example.com SOA", "x.tree.example.com A", "example.net A", "www.example.com A +subnet=81.2.3.0/24",
	} {
		pkt, _ := query(t, line)
		pkt[0], pkt[1] = 0, 0 // as QUIC wants it
		want := exchange(t, udp, pkt)
		for name, ask := range ways {
			got := new(dns.Msg)
			if err := got.Unpack(ask(t, pkt)); err != nil || got.String() != want.String() {
				t.Errorf("%s over %s: %v\n%v\nover UDP:\n%v", line, name, err, got, want)
			}
		}
	}
}

func overTLS(t *testing.T, conn net.Conn, pkt []byte) []byte {
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(frame(pkt)); err != nil {
		t.Fatal(err)
	}
	return readFrame(t, conn)
}

func overGet(t *testing.T, s *secured, version2 bool, pkt []byte) []byte {
	resp, err := s.http(t, version2).Get(s.url(pkt))
	return body(t, version2, resp, err)
}

func overPost(t *testing.T, s *secured, version2 bool, pkt []byte) []byte {
	resp, err := s.http(t, version2).Post(s.url(nil), dohType, bytes.NewReader(pkt))
	return body(t, version2, resp, err)
}

func body(t *testing.T, version2 bool, resp *http.Response, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != dohType || resp.ProtoAtLeast(2, 0) != version2 {
		t.Fatalf("%v %s %v %q %v", err, resp.Proto, resp.Status, resp.Header, reply)
	}
	return reply
}

func overQUIC(t *testing.T, conn *quic.Conn, pkt []byte) []byte {
	framed, err := askQUIC(t, conn, frame(pkt))
	if err != nil {
		t.Fatal(err)
	}
	r := bytes.NewReader(framed)
	reply := readFrame(t, r)
	if r.Len() != 0 {
		t.Fatal("octets after the reply")
	}
	return reply
}

func TestDoTPipelines(t *testing.T) {
	s := startSecure(t, Options{})
	conn := s.dialTLS(t)
	if p := conn.ConnectionState().NegotiatedProtocol; p != "dot" {
		t.Errorf("ALPN %q", p)
	}
	pkt, _ := query(t, "www.example.com A")
	var all []byte
	for id := range uint16(300) {
		binary.BigEndian.PutUint16(pkt, id)
		all = append(all, frame(pkt)...)
	}
	go conn.Write(all)
	for i, id := range readFrames(t, conn, 300) {
		if int(id) != i {
			t.Fatalf("reply %d has id %d", i, id)
		}
	}
}
