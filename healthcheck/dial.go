package healthcheck

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

var errNowhere = errors.New("target has neither an address nor an alias")

// dial connects to t. The connection's reads and writes end when ctx does.
// The caller must call release, which closes the connection.
func dial(ctx context.Context, d net.Dialer, t Target) (conn net.Conn, release func(), err error) {
	where, err := destination(t)
	if err != nil {
		return nil, nil, err
	}
	conn, err = d.DialContext(ctx, "tcp", where)
	if err != nil {
		return nil, nil, &failure{connecting, err}
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // fails only once closed
	return conn, func() { stop(); _ = conn.Close() }, nil
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
