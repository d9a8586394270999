package healthcheck

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const protoHTTP2 = "h2" // in ALPN (RFC 9113, section 3.2)

var errNoHTTP2 = errors.New("the server does not speak HTTP/2 over TLS (it chose no h2 in the handshake)")

// exchange2 is exchange over HTTP/2.
func exchange2(conn io.ReadWriter, t Target, agent string) (string, error) {
	answer, err := call2(conn, fields2(t, agent), nil)
	if err != nil {
		return "", err
	}
	return t.Check.judge(response{answer.status, answer.header, answer})
}

// connectionFields are the fields of HTTP/1.1 that HTTP/2 says otherwise
// (RFC 9113, section 8.2.2).
var connectionFields = []string{ // constant
	"host", "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade",
}

// fields2 is the request of an HTTP probe as header fields (RFC 9113, section
// 8.3.1): names in lower case, and none that belongs to one connection.
func fields2(t Target, agent string) []hpack.HeaderField {
	c := t.Check
	fields := []hpack.HeaderField{
		{Name: ":method", Value: c.method()}, {Name: ":scheme", Value: "https"},
		{Name: ":authority", Value: hostHeader(t)}, {Name: ":path", Value: c.Path},
	}
	for _, h := range headersOf(t, agent) {
		if !slices.Contains(connectionFields, strings.ToLower(h.Name)) {
			fields = append(fields, hpack.HeaderField{Name: strings.ToLower(h.Name), Value: h.Value})
		}
	}
	return fields
}

// send2 writes preface, settings, and the request on stream 1.
func send2(w io.Writer, fields []hpack.HeaderField, body []byte) error {
	var out, block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range fields {
		if err := enc.WriteField(f); err != nil {
			return err
		}
	}
	out.WriteString(http2.ClientPreface)
	framer := http2.NewFramer(&out, nil)
	err := errors.Join(
		framer.WriteSettings(
			http2.Setting{ID: http2.SettingEnablePush, Val: 0},
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: windowSize},
			http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: maxHeader},
		),
		framer.WriteWindowUpdate(0, windowSize),
		framer.WriteHeaders(http2.HeadersFrameParam{
			StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: body == nil,
		}),
	)
	if body != nil {
		err = errors.Join(err, framer.WriteData(1, true, body))
	}
	if err != nil {
		return err
	}
	_, err = w.Write(out.Bytes())
	return err
}
