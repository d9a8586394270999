package dnsserver

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// CertificateFiles names a certificate chain and its private key, in PEM.
type CertificateFiles struct{ Chain, Key string }

// Certificates are what the encrypted transports show their clients. They
// follow their files: a pair that was replaced is used for new connections
// within certificateLook twice; a bad one is refused, and the one before
// serves on.
type Certificates struct {
	log   *slog.Logger
	mu    sync.Mutex // one look at a time
	pairs []*pair    // in the order of the configuration
}

// pair is one certificate with its key.
type pair struct {
	files   CertificateFiles
	current atomic.Pointer[tls.Certificate]
	refused atomic.Bool       // what the files hold now was refused
	used    [sha256.Size]byte // what was read last, good or bad; needs mu, as next
	next    [sha256.Size]byte // what was seen at the last look
}

// certificateLook is how often the files are looked at. What has changed is
// read when it has stood still for one more look, so that a chain is not read
// with the key of the one before.
const certificateLook = 5 * time.Second

// LoadCertificates reads all pairs, or tells what is wrong with each. It
// starts nothing.
func LoadCertificates(files []CertificateFiles, log *slog.Logger) (*Certificates, error) {
	c := &Certificates{log: log}
	var problems []error
	for _, f := range files {
		p := &pair{files: f}
		cert, sum, err := p.read()
		if err != nil {
			problems = append(problems, err)
			continue
		}
		p.used = sum
		p.current.Store(cert)
		c.warn(cert, f)
		c.pairs = append(c.pairs, p)
	}
	return c, errors.Join(problems...)
}

// Run follows the files until ctx is done.
func (c *Certificates) Run(ctx context.Context) error {
	tick := time.NewTicker(certificateLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			c.look(false)
		}
	}
}

// Reload reads the files now.
func (c *Certificates) Reload() { c.look(true) }

// look reads what has changed; now: even when it may still be being written.
func (c *Certificates) look(now bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.pairs {
		cert, sum, err := p.read()
		settled := now || sum == p.next
		p.next = sum
		if sum == p.used || !settled {
			continue
		}
		p.used = sum
		c.replace(p, cert, err)
	}
}

// replace puts a new pair in force if it is good.
func (c *Certificates) replace(p *pair, cert *tls.Certificate, err error) {
	if err == nil {
		err = worse(cert, p.current.Load())
	}
	p.refused.Store(err != nil)
	if err != nil {
		c.log.Error("the new certificate was refused; the one before serves on (put a good pair there, it is read by itself)",
			"cert", p.files.Chain, "problem", err, "serves_until", p.current.Load().Leaf.NotAfter.UTC())
		return
	}
	p.current.Store(cert)
	c.log.Info("certificate replaced", "cert", p.files.Chain, "names", cert.Leaf.DNSNames, "until", cert.Leaf.NotAfter.UTC())
	c.warn(cert, p.files)
}

// worse tells when a certificate has ended and the one before has not.
func worse(cert, before *tls.Certificate) error {
	now := time.Now()
	if now.After(cert.Leaf.NotAfter) && now.Before(before.Leaf.NotAfter) {
		return fmt.Errorf("it ended %v", cert.Leaf.NotAfter.UTC())
	}
	return nil
}

// warn says so when a certificate in force convinces nobody.
func (c *Certificates) warn(cert *tls.Certificate, f CertificateFiles) {
	switch now := time.Now(); {
	case now.After(cert.Leaf.NotAfter):
		c.log.Warn("the certificate has ended; clients that check it go away (renew it)", "cert", f.Chain, "ended", cert.Leaf.NotAfter.UTC())
	case now.Before(cert.Leaf.NotBefore):
		c.log.Warn("the certificate is not valid yet (check it, and this machine's clock)", "cert", f.Chain, "from", cert.Leaf.NotBefore.UTC())
	}
}

// read reads a pair, and a digest of all that it read, also when it is bad.
func (p *pair) read() (*tls.Certificate, [sha256.Size]byte, error) {
	chain, chainErr := os.ReadFile(p.files.Chain)
	key, keyErr := os.ReadFile(p.files.Key)
	sum := sha256.Sum256(bytes.Join([][]byte{chain, key, errorText(chainErr), errorText(keyErr)}, []byte{0}))
	if err := errors.Join(chainErr, keyErr); err != nil {
		return nil, sum, fmt.Errorf("certificate: %w (check the path, and that this user may read it)", err)
	}
	cert, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, sum, fmt.Errorf("certificate %s with key %s: %w (both in PEM, the server's own certificate first)", p.files.Chain, p.files.Key, err)
	}
	return &cert, sum, nil
}

func errorText(err error) []byte {
	if err == nil {
		return nil
	}
	return []byte(err.Error())
}

// cipherSuites are those of TLS 1.2 that keep the past secret and
// authenticate what they encrypt (RFC 9325 4.2); TLS 1.3 has no others.
var cipherSuites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// config is how a transport speaks TLS. protocols are its names for ALPN.
func (c *Certificates) config(protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, CipherSuites: cipherSuites, NextProtos: protocols, GetCertificate: c.choose,
	}
}

// choose takes the first certificate that fits the client's hello, and the
// first of all for a name that none has.
func (c *Certificates) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	for _, p := range c.pairs {
		if cert := p.current.Load(); hello.SupportsCertificate(cert) == nil {
			return cert, nil
		}
	}
	return c.pairs[0].current.Load(), nil
}

// secret is a key for one purpose that a restart does not change.
func (c *Certificates) secret(purpose string) (key [sha256.Size]byte, err error) {
	der, err := x509.MarshalPKCS8PrivateKey(c.pairs[0].current.Load().PrivateKey)
	if err != nil {
		return key, fmt.Errorf("derive a key from that of the first certificate: %w", err)
	}
	mac := hmac.New(sha256.New, der)
	mac.Write([]byte("steerdns " + purpose))
	return [sha256.Size]byte(mac.Sum(nil)), nil
}
