package healthcheck

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"
)

// clean makes s fit for a reason: printable, valid UTF-8, at most MaxReason
// bytes. What cannot be printed becomes "?".
func clean(s string) string { return shorten(printable(s), MaxReason) }

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return '?'
		default:
			return r
		}
	}, s)
}

// shorten cuts s to at most limit bytes, at a rune's edge, with "..." at the end.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	cut := limit - len("...")
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}

// step is what a probe was doing when it failed, as words that follow "while".
type step string

const (
	connecting  step = "connecting"
	handshaking step = "in the TLS handshake"
	sending     step = "sending the request"
	awaiting    step = "waiting for the header"
	reading     step = "reading the body"
	running     step = "the program runs"
	hearing     step = "waiting for an answer"
)

// failure is why a probe failed at a step. Its text is the observation's
// reason: it never carries ephemeral ports or moments, which would make one
// and the same fault read differently each time.
type failure struct {
	at  step
	err error
}

func (f *failure) Error() string { return describe(f.at, f.err) }
func (f *failure) Unwrap() error { return f.err }

// reasonOf words err for a person. limit is the probe's timeout.
func reasonOf(ctx context.Context, err error, limit time.Duration) string {
	var f *failure
	switch {
	case errors.Is(context.Cause(ctx), context.Canceled):
		return "probe canceled"
	case errors.As(err, &f) && isTimeout(err) && !isFailedLookup(err):
		return fmt.Sprintf("timeout after %s while %s", limit, f.at)
	default:
		return err.Error()
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &n) && n.Timeout()
}

func describe(at step, err error) string {
	var (
		dns   *net.DNSError
		sys   *os.SyscallError
		errno syscall.Errno
		op    *net.OpError
	)
	switch {
	case errors.As(err, &dns):
		return "resolve " + strings.TrimSuffix(dns.Name, ".") + ": " + lookupFault(dns)
	case errors.As(err, &sys):
		return sys.Error()
	case errors.As(err, &errno):
		return fmt.Sprintf("%s while %s", errno, at)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed while " + string(at)
	case errors.As(err, &op) && op.Op == "remote error": // a TLS alert, possibly after the handshake
		return "tls: the other side says: " + strings.TrimPrefix(op.Err.Error(), "tls: ")
	case at == handshaking:
		return describeTLS(err)
	case at == awaiting:
		return "answer is not valid HTTP: " + shorten(err.Error(), 100)
	default:
		return fmt.Sprintf("%s while %s", err, at)
	}
}

// lookupFault words why a lookup failed. What the sockets said carries ports of
// the moment.
func lookupFault(err *net.DNSError) string {
	switch {
	case err.IsNotFound:
		return err.Err
	case err.Err == "server misbehaving": // SERVFAIL and its like, after net.errServerMisbehaving
		return "the resolver fails (" + err.Err + ")"
	default:
		return "the resolver gives no answer"
	}
}

func describeTLS(err error) string {
	var (
		record  tls.RecordHeaderError
		verify  *tls.CertificateVerificationError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &record):
		return "tls: the answer is not TLS"
	case errors.As(err, &unknown):
		return "certificate: signed by an unknown authority"
	case errors.As(err, &host):
		return "certificate: not valid for " + host.Host
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("certificate: valid only from %s to %s",
			invalid.Cert.NotBefore.UTC().Format(time.DateTime), invalid.Cert.NotAfter.UTC().Format(time.DateTime))
	case errors.As(err, &verify):
		return "certificate: " + strings.TrimPrefix(verify.Err.Error(), "x509: ")
	default:
		return "tls: " + strings.TrimPrefix(err.Error(), "tls: ")
	}
}
