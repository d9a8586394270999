package healthcheck

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"
)

// TestCertificatesThatCount: what a server shows beside a chain that clients
// accept does no harm; without verification, nobody knows which ones matter.
func TestCertificatesThatCount(t *testing.T) {
	now := time.Now()
	leaf := func(left time.Duration) *x509.Certificate { return &x509.Certificate{NotAfter: now.Add(left)} }
	long, short, gone := leaf(100*time.Hour), leaf(10*time.Hour), leaf(-time.Hour)
	for _, c := range []struct {
		name   string
		chains [][]*x509.Certificate
		want   time.Time
	}{
		{"the longest chain", [][]*x509.Certificate{{long, short}, {long, long}}, long.NotAfter},
		{"its first to end", [][]*x509.Certificate{{long, short}}, short.NotAfter},
		{"not verified", nil, gone.NotAfter},
	} {
		shown := tls.ConnectionState{PeerCertificates: []*x509.Certificate{long, short, gone}, VerifiedChains: c.chains}
		f, err := judgeCertificates(shown, Check{CertMin: time.Hour}, now)
		if bad := c.want.Before(now.Add(time.Hour)); !f.certEnds.Equal(c.want) || (err != nil) != bad {
			t.Errorf("%s: ends at %s, %v, want %s", c.name, f.certEnds, err, c.want)
		}
	}
	cert, roots := trust(t, 100*time.Hour)
	cert.Certificate = append(cert.Certificate[:1:1], certify(t, now.Add(-time.Hour), "old.example.com").Certificate[0])
	port := listen(t, overTLS(&tls.Config{Certificates: []tls.Certificate{cert}}, awaitClose))
	target := patient(TLS, port, func(c *Check) { c.CertMin, c.CertWarn = time.Hour, time.Hour })
	if o := observe(t, NewProber(ProberOptions{Roots: roots}), target); !o.OK || o.Warning != "" {
		t.Errorf("beside an old certificate: %+v", o)
	}
}
