package healthcheck

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"
)

// certify makes a self-signed certificate for names, good until notAfter.
func certify(t *testing.T, notAfter time.Time, names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	shape := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: names,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:   epoch0.Add(-time.Hour), NotAfter: notAfter,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, shape, shape, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func overTLS(config *tls.Config, serve func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) { serve(tls.Server(c, config)) }
}

func TestHTTPSProbe(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	good := certify(t, time.Now().Add(time.Hour), "www.example.com", "host.example.com")
	expired := certify(t, epoch0.Add(time.Hour), "www.example.com")
	roots := x509.NewCertPool()
	roots.AddCert(good.Leaf)
	roots.AddCert(expired.Leaf)
	with := func(cert tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{cert}} }
	wantsClient := with(good)
	wantsClient.ClientAuth = tls.RequireAnyClientCert
	for _, c := range []struct {
		name   string
		serve  func(net.Conn)
		roots  *x509.CertPool
		change func(*Target)
		want   string
	}{
		{"verified by name", overTLS(with(good), says(ok)), roots, nil, "+status 200"},
		{"verified by host", overTLS(with(good), says(ok)), roots,
			func(t *Target) { t.Name, t.Check.Host = "api.example.com", "host.example.com:8443" }, "+status 200"},
		{"verified by address", overTLS(with(good), says(ok)), roots, func(t *Target) { t.Name = "" }, "+status 200"},
		{"verified by TLS name", overTLS(with(good), says(ok)), roots,
			func(t *Target) { t.Check.Host, t.Check.TLSName = "api.example.com", "www.example.com" }, "+status 200"},
		{"another name", overTLS(with(good), says(ok)), roots,
			func(t *Target) { t.Check.TLSName = "api.example.com" }, "certificate: not valid for api.example.com"},
		{"unknown authority", overTLS(with(good), says(ok)), x509.NewCertPool(), nil, "certificate: signed by an unknown authority"},
		{"expired", overTLS(with(expired), says(ok)), roots, nil,
			"certificate: valid only from 2026-01-02 02:04:05 to 2026-01-02 04:04:05"},
		{"skip verify", overTLS(with(expired), says(ok)), x509.NewCertPool(),
			func(t *Target) { t.Check.SkipVerify, t.Check.TLSName = true, "api.example.com" }, "+status 200"},
		{"status over TLS", overTLS(with(good), says("HTTP/1.1 500 Oops\r\n\r\n")), roots, nil, "status 500, want 200-399"},
		{"not TLS", says("HTTP/1.1 400 Bad Request\r\n\r\n"), roots, nil, "tls: the answer is not TLS"},
		{"silent", awaitClose, roots, nil, "timeout after 200ms while in the TLS handshake"},
		{"client certificate required", overTLS(wantsClient, says(ok)), roots, nil,
			"tls: the other side says: certificate required"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			serve := c.serve
			if c.name == "not TLS" { // a plain server answers a TLS hello as it answers any garbage
				serve = func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")); awaitClose(c) }
			}
			target := Target{Name: "www.example.com", Addr: loopback, Check: quickCheck(HTTPS, listen(t, serve))}
			if c.name != "silent" {
				target.Check.Timeout = target.Check.Interval // handshakes are slow on a busy machine
			}
			if c.change != nil {
				c.change(&target)
			}
			expect(t, observe(t, NewProber(ProberOptions{Roots: c.roots}), target), c.want)
		})
	}
}
