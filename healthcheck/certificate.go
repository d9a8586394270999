package healthcheck

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"
)

// judgeCertificates looks until when clients will accept what a server showed.
// Whether they do now, the handshake has judged.
func judgeCertificates(shown tls.ConnectionState, c Check, now time.Time) (finding, error) {
	ends := certificatesEnd(shown)
	if ends.IsZero() {
		return finding{}, nil
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

// certificatesEnd is the end of the verified chain that lasts longest: a client
// needs one only, and what else a server shows does no harm. Where nothing was
// verified, all that was shown counts.
func certificatesEnd(shown tls.ConnectionState) (end time.Time) {
	if len(shown.VerifiedChains) == 0 {
		return firstEnd(shown.PeerCertificates)
	}
	for _, chain := range shown.VerifiedChains {
		if e := firstEnd(chain); e.After(end) {
			end = e
		}
	}
	return end
}

// firstEnd is when the first of the certificates ends; zero without any.
func firstEnd(certs []*x509.Certificate) (first time.Time) {
	for _, cert := range certs {
		if first.IsZero() || cert.NotAfter.Before(first) {
			first = cert.NotAfter
		}
	}
	return first
}
