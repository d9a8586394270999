package healthcheck

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
)

const (
	maxHeader = 64 << 10 // of a response, informational ones included
	maxWire   = 1 << 20  // of the connection in all, so that framing stays bounded
)

var errBigHeader = errors.New("header larger than 64 KiB")

// httpProbe speaks HTTP/1.1 or HTTP/2, over TLS when secure, on a connection
// of its own. It reads and writes by itself rather than through http.Transport:
// no pool, no proxy, no redirect, no goroutine, and it knows at which step it is.
type httpProbe struct {
	network network
	secure  bool
}

func (p httpProbe) probe(ctx context.Context, t Target) (finding, error) {
	request, err := requestBytes(t, p.network.agent)
	if err != nil {
		return finding{}, err
	}
	conn, release, err := p.network.dial(ctx, "tcp", t)
	if err != nil {
		return finding{}, err
	}
	defer release()
	var found finding
	if p.secure {
		if conn, found, err = p.handshake(ctx, conn, t); err != nil {
			return found, err
		}
	}
	if t.Check.HTTP2 {
		found.text, err = exchange2(conn, t, p.network.agent)
	} else {
		found.text, err = exchange(conn, request, t.Check)
	}
	return found, err
}

func (p httpProbe) handshake(ctx context.Context, conn net.Conn, t Target) (net.Conn, finding, error) {
	if !t.Check.HTTP2 {
		return p.network.secure(ctx, conn, t, "http/1.1")
	}
	secure, found, err := p.network.secure(ctx, conn, t, protoHTTP2)
	if err == nil && secure.ConnectionState().NegotiatedProtocol != protoHTTP2 {
		err = errNoHTTP2
	}
	return secure, found, err
}

// exchange sends the request and judges the response.
func exchange(conn io.ReadWriter, request []byte, c Check) (string, error) {
	if _, err := conn.Write(request); err != nil {
		return "", &failure{sending, err}
	}
	wire := &io.LimitedReader{R: conn, N: maxHeader}
	resp, err := readHeader(bufio.NewReader(wire), c.Method)
	if err != nil && wire.N <= 0 {
		return "", errBigHeader
	}
	if err != nil {
		return "", &failure{awaiting, err}
	}
	wire.N = maxWire
	return c.judge(response{resp.StatusCode, resp.Header, resp.Body})
}

// readHeader reads the final response's header; informational responses
// before it are passed over (RFC 9110, section 15.2). 101 is final: nobody
// asked for an upgrade.
func readHeader(r *bufio.Reader, method string) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return nil, err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
}
