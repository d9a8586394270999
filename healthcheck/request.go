package healthcheck

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// requestBytes composes the request of an HTTP probe (RFC 9112, section 3).
// The check's header fields go out as given and replace the default of the
// same name. What could break out of its line is refused.
func requestBytes(t Target, agent string) ([]byte, error) {
	c := t.Check
	if err := checkRequest(c, hostHeader(t)); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", c.method(), c.Path)
	for _, h := range headersOf(t, agent) {
		fmt.Fprintf(&b, "%s: %s\r\n", h.Name, h.Value)
	}
	b.WriteString("\r\n")
	return b.Bytes(), nil
}

func (c Check) method() string {
	if c.Method == "" {
		return http.MethodGet
	}
	return c.Method
}

// headersOf is the header fields that go out: the defaults that the check does
// not replace, then the check's.
func headersOf(t Target, agent string) []Header {
	var hs []Header
	for _, h := range defaultHeaders(t, agent) {
		if !hasHeader(t.Check.Headers, h.Name) {
			hs = append(hs, h)
		}
	}
	return append(hs, t.Check.Headers...)
}

func defaultHeaders(t Target, agent string) []Header {
	hs := []Header{{"Host", hostHeader(t)}, {"User-Agent", agent}, {"Accept", "*/*"}, {"Connection", "close"}}
	switch t.Check.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		hs = append(hs, Header{"Content-Length", "0"}) // RFC 9110, section 8.6
	}
	return hs
}

func hasHeader(hs []Header, name string) bool {
	for _, h := range hs {
		if strings.EqualFold(h.Name, name) {
			return true
		}
	}
	return false
}

func checkRequest(c Check, host string) error {
	switch {
	case !httpguts.ValidHeaderFieldName(c.method()): // a method is a token, too
		return badCheck("method %q is not a token", c.Method)
	case !strings.HasPrefix(c.Path, "/") || strings.ContainsFunc(c.Path, isBreaking):
		return badCheck("path %q must begin with / and hold no space or control character", c.Path)
	}
	if err := checkHost(host); err != nil {
		return err
	}
	for _, h := range c.Headers {
		if !httpguts.ValidHeaderFieldName(h.Name) || !httpguts.ValidHeaderFieldValue(h.Value) {
			return badCheck("header %q is not valid", h.Name)
		}
	}
	return nil
}

func checkHost(host string) error {
	if !httpguts.ValidHostHeader(host) {
		return badCheck("host %q is not valid", host)
	}
	return nil
}

func isBreaking(r rune) bool { return r <= ' ' || r == 0x7f }

// hostHeader is Check.Host, else the service's name, else the address.
func hostHeader(t Target) string {
	switch {
	case t.Check.Host != "":
		return t.Check.Host
	case t.Name != "":
		return strings.TrimSuffix(t.Name, ".")
	case t.Addr.Is6() && !t.Addr.Is4In6():
		return "[" + t.Addr.WithZone("").String() + "]"
	case t.Addr.IsValid():
		return t.Addr.Unmap().String()
	default:
		return strings.TrimSuffix(t.Alias, ".")
	}
}

// serverName is the name to send and verify in TLS: TLSName, else what the
// Host header says, without port and brackets.
func serverName(t Target) string {
	if t.Check.TLSName != "" {
		return strings.TrimSuffix(t.Check.TLSName, ".")
	}
	host := hostHeader(t)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.Trim(host, "[]"), ".")
}
