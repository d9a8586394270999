package healthcheck

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

const (
	maxHeader = 64 << 10 // of a response, informational ones included
	maxBody   = 64 << 10 // of the body that is searched
	maxWire   = 1 << 20  // of the connection in all, so that chunk framing stays bounded
)

var errBigHeader = errors.New("header larger than 64 KiB")

// httpProbe speaks HTTP/1.1, over TLS when secure, on a connection of its
// own. It reads and writes by itself rather than through http.Transport: no
// pool, no proxy, no redirect, no goroutine, and it knows at which step it is.
type httpProbe struct {
	dialer net.Dialer
	agent  string
	secure bool
	roots  *x509.CertPool
}

func (p httpProbe) probe(ctx context.Context, t Target) (string, error) {
	request, err := requestBytes(t, p.agent)
	if err != nil {
		return "", err
	}
	conn, release, err := dial(ctx, p.dialer, t)
	if err != nil {
		return "", err
	}
	defer release()
	if p.secure {
		if conn, err = p.handshake(ctx, conn, t); err != nil {
			return "", err
		}
	}
	return exchange(conn, request, t.Check)
}

func (p httpProbe) handshake(ctx context.Context, conn net.Conn, t Target) (net.Conn, error) {
	secure := tls.Client(conn, &tls.Config{
		ServerName:         serverName(t),
		RootCAs:            p.roots,
		NextProtos:         []string{"http/1.1"},
		InsecureSkipVerify: t.Check.SkipVerify, // only if the operator said so
	})
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, &failure{handshaking, err}
	}
	return secure, nil
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
	found := fmt.Sprintf("status %d", resp.StatusCode)
	if !accepts(c.Status, resp.StatusCode) {
		return "", fmt.Errorf("%s, want %s", found, statusText(c.Status))
	}
	wire.N = maxWire
	return found, findInBody(resp.Body, c.Body)
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

// findInBody reads body until want has occurred, at most maxBody bytes.
func findInBody(body io.Reader, want string) error {
	if want == "" {
		return nil
	}
	var (
		limited = io.LimitReader(body, maxBody)
		seen    = make([]byte, 0, 4<<10)
		chunk   = make([]byte, 4<<10)
	)
	for {
		n, err := limited.Read(chunk)
		from := max(0, len(seen)-len(want)+1)
		seen = append(seen, chunk[:n]...)
		switch {
		case bytes.Contains(seen[from:], []byte(want)):
			return nil
		case err == io.EOF:
			return lacks(len(seen), want)
		case err != nil:
			return &failure{reading, err}
		}
	}
}

func lacks(length int, want string) error {
	if want = shorten(want, 80); length >= maxBody {
		return fmt.Errorf("body lacks %q in its first 64 KiB", want)
	}
	return fmt.Errorf("body lacks %q", want)
}

func accepts(ranges []StatusRange, status int) bool {
	for _, r := range ranges {
		if r.From <= status && status <= r.To {
			return true
		}
	}
	return false
}

// statusText writes ranges as the configuration does: "200-299,304".
func statusText(ranges []StatusRange) string {
	if len(ranges) == 0 {
		return "none"
	}
	texts := make([]string, len(ranges))
	for i, r := range ranges {
		texts[i] = fmt.Sprintf("%d-%d", r.From, r.To)
		if r.From == r.To {
			texts[i] = fmt.Sprint(r.From)
		}
	}
	return strings.Join(texts, ",")
}
