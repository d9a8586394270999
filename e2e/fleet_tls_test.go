//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certs is a certificate authority and what it has signed, as files.
type certs struct {
	dir    string
	ca     *x509.Certificate
	key    *ecdsa.PrivateKey
	serial int64
}

// newCerts makes an authority, the members' certificate and the operator's.
// The instances' is made by issue.
func newCerts(dir string, members []net.IP) (*certs, error) {
	c := &certs{dir: dir}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	c.key = key
	c.ca = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fleet CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c.ca, c.ca, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	if err := c.write("ca.pem", "CERTIFICATE", der); err != nil {
		return nil, err
	}
	if err := c.issue("server", 24*time.Hour, members...); err != nil {
		return nil, err
	}
	return c, c.issue("operator", 24*time.Hour)
}

func (c *certs) path(name string) string { return filepath.Join(c.dir, name) }

// write puts a file in place whole: a process may read it at any time.
func (c *certs) write(name, kind string, der []byte) error {
	temp := c.path(name + ".new")
	if err := os.WriteFile(temp, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		return err
	}
	return os.Rename(temp, c.path(name))
}

// issue signs a certificate for a new key, for so long from now on.
func (c *certs) issue(name string, life time.Duration, ips ...net.IP) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	c.serial++
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1 + c.serial), Subject: pkix.Name{CommonName: name}, IPAddresses: ips,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, c.ca, &key.PublicKey, c.key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	if err := c.write(name+".key", "EC PRIVATE KEY", secret); err != nil {
		return err
	}
	return c.write(name+".pem", "CERTIFICATE", der)
}
