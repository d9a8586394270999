package healthcheck

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
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
	status, err := answer.status()
	if err != nil {
		return "", err
	}
	return t.Check.judge(response{status, answer.header, bytes.NewReader(answer.body)})
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

// answer2 is what came back on the one stream of a connection. Its body ends
// after maxBody+1 bytes, without trailers then.
type answer2 struct {
	header  http.Header // nil until it has come
	body    []byte
	trailer http.Header
	done    bool
}

func (a *answer2) status() (int, error) {
	n, err := strconv.Atoi(a.header.Get(":status"))
	if err != nil || n < 100 || n > 999 {
		return 0, fmt.Errorf("answer is not valid HTTP/2: status %q", shorten(a.header.Get(":status"), 20))
	}
	return n, nil
}

// windowSize is how much a server may send before we would have to allow it
// more; nothing we read is longer.
const windowSize = maxWire

// maxFrame is the largest frame that a server may send, as we allow no larger
// ones (RFC 9113, section 4.2). The framer makes room for a frame before it comes.
const maxFrame = 16 << 10

var (
	errHTTP1    = errors.New("the server speaks HTTP/1.1 at this port, not HTTP/2")
	errBigFrame = errors.New("answer is not valid HTTP/2: a frame larger than 16 KiB")
)

// call2 sends one request on a fresh connection and reads its answer.
func call2(conn io.ReadWriter, fields []hpack.HeaderField, body []byte) (*answer2, error) {
	if err := send2(conn, fields, body); err != nil {
		return nil, &failure{sending, err}
	}
	framer := http2.NewFramer(conn, &io.LimitedReader{R: conn, N: maxWire})
	framer.SetMaxReadFrameSize(maxFrame)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	framer.MaxHeaderListSize = maxHeader
	var a answer2
	for !a.done {
		f, err := readFrame(framer)
		if err == nil {
			err = a.take(framer, f)
		}
		if err != nil {
			return nil, a.broken(err)
		}
	}
	return &a, nil
}

func readFrame(framer *http2.Framer) (http2.Frame, error) {
	head, err := framer.ReadFrameHeader()
	switch {
	case isHTTP1(head):
		return nil, errHTTP1
	case errors.Is(err, http2.ErrFrameTooLarge):
		return nil, errBigFrame
	case err != nil:
		return nil, err
	}
	return framer.ReadFrameForHeader(head)
}

// isHTTP1 says whether a frame's head is the beginning of "HTTP/1.1 400".
func isHTTP1(head http2.FrameHeader) bool {
	return head.Length == 'H'<<16|'T'<<8|'T' && head.Type == 'P' && head.Flags == '/'
}

// broken words what went wrong on the way.
func (a *answer2) broken(err error) error {
	var conn http2.ConnectionError
	var stream http2.StreamError
	switch {
	case err == errHTTP1 || err == errBigFrame:
		return err
	case errors.As(err, &conn) || errors.As(err, &stream):
		return fmt.Errorf("answer is not valid HTTP/2: %w", err)
	case a.header == nil:
		return &failure{awaiting, err}
	default:
		return &failure{reading, err}
	}
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

// take handles one frame of the server.
func (a *answer2) take(framer *http2.Framer, f http2.Frame) error {
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			return framer.WritePing(true, f.Data)
		}
	case *http2.GoAwayFrame:
		if f.ErrCode != http2.ErrCodeNo || f.LastStreamID < 1 {
			return fmt.Errorf("the server ends the connection: %s", f.ErrCode)
		}
	case *http2.RSTStreamFrame:
		return fmt.Errorf("the server resets the stream: %s", f.ErrCode)
	case *http2.MetaHeadersFrame:
		return a.takeHeaders(f)
	case *http2.DataFrame:
		return a.takeData(f)
	}
	return nil
}

func (a *answer2) takeHeaders(f *http2.MetaHeadersFrame) error {
	h := http.Header{}
	for _, field := range f.Fields {
		if strings.HasPrefix(field.Name, ":") {
			h[":status"] = []string{field.Value}
			continue
		}
		h.Add(field.Name, field.Value)
	}
	switch {
	case f.Truncated:
		return errBigHeader
	case a.header != nil:
		a.trailer = h
	case strings.HasPrefix(f.PseudoValue("status"), "1") && !f.StreamEnded():
		return nil // informational; another header follows
	default:
		a.header = h
	}
	a.done = f.StreamEnded()
	return nil
}

func (a *answer2) takeData(f *http2.DataFrame) error {
	if a.header == nil {
		return errors.New("answer is not valid HTTP/2: a body without a header")
	}
	a.body = append(a.body, f.Data()...)
	a.done = f.StreamEnded() || len(a.body) > maxBody
	return nil
}
