package dnsserver

import (
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCertificatesAreReplaced(t *testing.T) {
	s := startSecure(t, Options{})
	certs := s.opt.Certificates
	serial := func() int64 {
		c := s.tls()
		c.InsecureSkipVerify = true
		conn, err := tls.Dial("tcp", s.AddrsOf(DoT)[0].String(), c)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	step := func(name string, refused bool, want int64) {
		t.Helper()
		certs.Reload()
		if got := serial(); got != want || certs.pairs[0].refused.Load() != refused {
			t.Errorf("%s: certificate %d, want %d; refused %v", name, got, want, certs.pairs[0].refused.Load())
		}
	}
	tomorrow := time.Now().Add(24 * time.Hour)
	before := s.dialTLS(t)
	writePair(t, s.files, "ns1.example.com", 2, tomorrow)
	step("a new pair", false, 2)
	key, _ := os.ReadFile(s.files.Key)
	writePair(t, s.files, "ns1.example.com", 3, tomorrow)
	newKey, _ := os.ReadFile(s.files.Key)
	os.WriteFile(s.files.Key, key, 0o600)
	step("the key of the one before", true, 2)
	os.WriteFile(s.files.Key, newKey, 0o600)
	step("its own key", false, 3)
	writePair(t, s.files, "ns1.example.com", 4, time.Now().Add(-time.Hour))
	step("one that has ended", true, 3)
	os.Remove(s.files.Chain)
	step("no file", true, 3)
	writePair(t, s.files, "ns1.example.com", 5, tomorrow)
	step("repaired", false, 5)
	pkt, _ := query(t, "www.example.com A")
	overTLS(t, before, pkt) // a connection of before goes on
}

// While files change, what is half written is not read.
func TestCertificatesSettle(t *testing.T) {
	dir := t.TempDir()
	files := CertificateFiles{filepath.Join(dir, "c"), filepath.Join(dir, "k")}
	writePair(t, files, "a.example.com", 1, time.Now().Add(time.Hour))
	certs, err := LoadCertificates([]CertificateFiles{files}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	now := func() int64 { return certs.pairs[0].current.Load().Leaf.SerialNumber.Int64() }
	chain, _ := os.ReadFile(files.Chain)
	writePair(t, files, "a.example.com", 2, time.Now().Add(time.Hour))
	newChain, _ := os.ReadFile(files.Chain)
	os.WriteFile(files.Chain, chain, 0o600) // the key is there, the chain is on its way
	certs.look(false)
	os.WriteFile(files.Chain, newChain, 0o600)
	certs.look(false)
	if certs.pairs[0].refused.Load() || now() != 1 {
		t.Error("a pair was read while it changed")
	}
	certs.look(false)
	if now() != 2 {
		t.Error("a pair that stands still is not read")
	}
}

func TestLoadCertificatesTellsAllProblems(t *testing.T) {
	dir := t.TempDir()
	good := CertificateFiles{filepath.Join(dir, "c"), filepath.Join(dir, "k")}
	writePair(t, good, "a.example.com", 1, time.Now().Add(time.Hour))
	_, err := LoadCertificates([]CertificateFiles{good, {filepath.Join(dir, "missing"), good.Key}, {good.Key, good.Key}}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "missing") || !strings.Contains(err.Error(), "in PEM") {
		t.Error(err)
	}
}

// The certificate is the first that fits the name asked for.
func TestCertificateByName(t *testing.T) {
	dir := t.TempDir()
	var files []CertificateFiles
	for i, name := range []string{"a.example.com", "b.example.com"} {
		files = append(files, CertificateFiles{filepath.Join(dir, name+".c"), filepath.Join(dir, name+".k")})
		writePair(t, files[i], name, int64(i), time.Now().Add(time.Hour))
	}
	certs, err := LoadCertificates(files, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a.example.com": "a.example.com", "b.example.com": "b.example.com", "c.example.com": "a.example.com", "": "a.example.com"} {
		cert, err := certs.choose(&tls.ClientHelloInfo{
			ServerName: name, SupportedVersions: []uint16{tls.VersionTLS13}, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
		})
		if err != nil || cert.Leaf.Subject.CommonName != want {
			t.Errorf("%q: %v %v", name, cert.Leaf.Subject, err)
		}
	}
}

func TestTLSPolicy(t *testing.T) {
	s := startSecure(t, Options{})
	try := func(edit func(*tls.Config)) error {
		c := s.tls()
		edit(c)
		conn, err := tls.Dial("tcp", s.AddrsOf(DoT)[0].String(), c)
		if err == nil {
			conn.Close()
		}
		return err
	}
	for name, c := range map[string]struct {
		edit func(*tls.Config)
		ok   bool
	}{
		"TLS 1.3": {func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }, true},
		"TLS 1.2": {func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, true},
		"TLS 1.1": {func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, false},
		"CBC": {func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
		}, false},
		"another protocol": {func(c *tls.Config) { c.NextProtos = []string{"h2"} }, false},
		"an unknown name":  {func(c *tls.Config) { c.ServerName, c.InsecureSkipVerify = "other.example.com", true }, true},
	} {
		if err := try(c.edit); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
