package healthcheck

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

var errNowhere = &blindness{errors.New("target has neither an address nor an alias")}

// network is how probes reach their targets. Immutable.
type network struct {
	dialer net.Dialer
	roots  *x509.CertPool
	agent  string // the User-Agent
}

// dial connects to t over "tcp" or "udp". The connection's reads and writes
// end when ctx does. The caller must call release, which closes the
// connection; one of TCP with a reset, so that no socket of ours stays behind
// in TIME-WAIT (RFC 9293, section 3.6.1): at 2,000 probes a second these would
// be 120,000.
func (n network) dial(ctx context.Context, over string, t Target) (conn net.Conn, release func(), err error) {
	where, err := destination(t)
	if err != nil {
		return nil, nil, err
	}
	conn, err = n.dialer.DialContext(ctx, over, where)
	if err != nil {
		return nil, nil, n.unreached(t, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // fails only once closed
	return conn, func() { stop(); hangUp(conn) }, nil
}

// hangUp closes a connection and leaves nothing of it behind.
func hangUp(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails only once closed
	}
	_ = conn.Close() // nothing was left to send
}

// unreached tells a target that cannot be reached from an instance that
// cannot reach anything.
func (n network) unreached(t Target, err error) error {
	if isOwnFault(err) || isFailedLookup(err) || isNoRoute(err) && !n.hasRoute(addressOf(t, err)) {
		return &blindness{&failure{connecting, err}}
	}
	return &failure{connecting, err}
}

// addressOf is the address that could not be reached: t's own, or the one of
// its alias.
func addressOf(t Target, err error) netip.Addr {
	if t.Addr.IsValid() {
		return t.Addr
	}
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Addr == nil {
		return netip.Addr{}
	}
	ap, _ := netip.ParseAddrPort(op.Addr.String()) // zero when it is something else
	return ap.Addr()
}

// hasRoute asks the kernel for a way to addr. Connecting a UDP socket sends
// nothing.
func (n network) hasRoute(addr netip.Addr) bool {
	if !addr.IsValid() {
		return true // nobody can tell without an address
	}
	conn, err := n.dialer.Dial("udp", netip.AddrPortFrom(addr.Unmap(), 9).String())
	if err != nil {
		return !isNoRoute(err)
	}
	_ = conn.Close() // nothing was sent
	return true
}

// secure makes the TLS handshake with t on conn, and judges the certificates.
// The application protocol is one of protos, if any are given.
func (n network) secure(ctx context.Context, conn net.Conn, t Target, protos ...string) (*tls.Conn, finding, error) {
	secure := tls.Client(conn, &tls.Config{
		ServerName:         serverName(t),
		RootCAs:            n.roots,
		NextProtos:         protos,
		InsecureSkipVerify: t.Check.SkipVerify, // only if the operator said so
		CurvePreferences:   []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521},
	})
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, finding{}, &failure{handshaking, err}
	}
	f, err := judgeCertificates(secure.ConnectionState(), t.Check, time.Now())
	return secure, f, err
}

// destination is where to connect. An alias is looked up as it stands,
// without the search domains of the host.
func destination(t Target) (string, error) {
	port := strconv.Itoa(int(t.Check.Port))
	switch {
	case t.Addr.IsValid():
		return netip.AddrPortFrom(t.Addr.Unmap(), t.Check.Port).String(), nil
	case t.Alias != "":
		return net.JoinHostPort(strings.TrimSuffix(t.Alias, ".")+".", port), nil
	default:
		return "", errNowhere
	}
}
