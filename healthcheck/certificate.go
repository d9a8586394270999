package healthcheck

import (
	"crypto/x509"
	"fmt"
	"time"
)

// judgeCertificates looks when the first of the certificates that a server
// showed ends. Whether they are valid at all, the handshake has judged.
func judgeCertificates(shown []*x509.Certificate, c Check, now time.Time) (finding, error) {
	if len(shown) == 0 {
		return finding{}, nil
	}
	ends := shown[0].NotAfter
	for _, cert := range shown[1:] {
		if cert.NotAfter.Before(ends) {
			ends = cert.NotAfter
		}
	}
	f := finding{certEnds: ends}
	switch left := ends.Sub(now); {
	case c.CertMin > 0 && left < c.CertMin:
		return f, fmt.Errorf("certificate: ends at %s, sooner than cert_min allows", ends.UTC().Format(time.DateTime))
	case left < c.CertWarn:
		f.warning = "the certificate ends at " + ends.UTC().Format(time.DateTime)
	}
	return f, nil
}
