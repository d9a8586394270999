package healthcheck

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// windowSize is how much a server may send before we would have to allow it
// more; nothing we read is longer.
const windowSize = maxWire

// maxFrame is the largest frame that a server may send, as we allow no larger
// ones (RFC 9113, section 4.2). The framer makes room for a frame before it comes.
const maxFrame = 16 << 10

// refusal2 is why an answer over HTTP/2 counts for nothing, beside what the
// network did to it.
type refusal2 string

func (r refusal2) Error() string { return string(r) }

const (
	errHTTP1     = refusal2("the server speaks HTTP/1.1 at this port, not HTTP/2")
	errBigFrame  = refusal2("answer is not valid HTTP/2: a frame larger than 16 KiB")
	errBigAnswer = refusal2("the server sent 1 MiB, and its answer is not among it")
)

// answer2 is what comes back on stream 1, the only one of its connection.
// Reading it gives the body as it comes.
type answer2 struct {
	framer  *http2.Framer
	wire    *io.LimitedReader
	status  int
	header  http.Header // nil until it has come
	trailer http.Header // nil unless there is one, and until the body has ended
	unread  []byte      // of the body; valid until the next frame
	ended   bool
}

// call2 sends one request on a fresh connection and reads the answer's header.
func call2(conn io.ReadWriter, fields []hpack.HeaderField, body []byte) (*answer2, error) {
	if err := send2(conn, fields, body); err != nil {
		return nil, &failure{sending, err}
	}
	a := newAnswer2(conn)
	for a.header == nil {
		if err := a.next(); err != nil {
			return nil, awaited(err)
		}
	}
	return a, nil
}

func newAnswer2(conn io.ReadWriter) *answer2 {
	wire := &io.LimitedReader{R: conn, N: maxWire}
	framer := http2.NewFramer(conn, wire)
	framer.SetMaxReadFrameSize(maxFrame)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	framer.MaxHeaderListSize = maxHeader
	return &answer2{framer: framer, wire: wire}
}

// awaited words why there is no header.
func awaited(err error) error {
	if _, ok := errors.AsType[refusal2](err); ok || err == errBigHeader {
		return err
	}
	return &failure{awaiting, err}
}

// Read gives the body. At its end the trailer has come, if there is one.
func (a *answer2) Read(p []byte) (int, error) {
	for len(a.unread) == 0 {
		if a.ended {
			return 0, io.EOF
		}
		if err := a.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, a.unread)
	a.unread = a.unread[n:]
	return n, nil
}

// next takes in one frame. The error is never io.EOF, which only the server
// may say of its body.
func (a *answer2) next() error {
	f, err := readFrame(a.framer)
	var conn http2.ConnectionError
	var stream http2.StreamError
	switch {
	case err == nil:
		return a.take(f)
	case errors.As(err, &conn) || errors.As(err, &stream):
		return refusal2("answer is not valid HTTP/2: " + err.Error())
	case a.wire.N <= 0:
		return errBigAnswer
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	}
	return err
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

// take handles one frame of the server.
func (a *answer2) take(f http2.Frame) error {
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return a.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			return a.framer.WritePing(true, f.Data)
		}
	case *http2.GoAwayFrame:
		if f.ErrCode != http2.ErrCodeNo || f.LastStreamID < 1 {
			return refusal2(fmt.Sprintf("the server ends the connection: %s", f.ErrCode))
		}
	default:
		return a.takeOfStream(f)
	}
	return nil
}

// takeOfStream handles what only our stream can have (RFC 9113, section 5.1).
func (a *answer2) takeOfStream(f http2.Frame) error {
	switch f.(type) {
	case *http2.RSTStreamFrame, *http2.MetaHeadersFrame, *http2.DataFrame:
		if h := f.Header(); h.StreamID != 1 {
			return refusal2(fmt.Sprintf("answer is not valid HTTP/2: %s on stream %d, where nothing was asked", h.Type, h.StreamID))
		}
	}
	switch f := f.(type) {
	case *http2.RSTStreamFrame:
		return refusal2(fmt.Sprintf("the server resets the stream: %s", f.ErrCode))
	case *http2.MetaHeadersFrame:
		return a.takeHeader(f)
	case *http2.DataFrame:
		return a.takeData(f)
	}
	return nil
}

func (a *answer2) takeHeader(f *http2.MetaHeadersFrame) error {
	if f.Truncated {
		return errBigHeader
	}
	h := http.Header{}
	for _, field := range f.RegularFields() {
		h.Add(field.Name, field.Value)
	}
	if a.ended = f.StreamEnded(); a.header != nil {
		a.trailer = h
		return nil
	}
	status := f.PseudoValue("status")
	if strings.HasPrefix(status, "1") && !a.ended {
		return nil // informational; another header follows
	}
	n, err := strconv.Atoi(status)
	if err != nil || n < 100 || n > 999 {
		return refusal2(fmt.Sprintf("answer is not valid HTTP/2: status %q", shorten(status, 20)))
	}
	a.status, a.header = n, h
	return nil
}

func (a *answer2) takeData(f *http2.DataFrame) error {
	if a.header == nil {
		return refusal2("answer is not valid HTTP/2: a body without a header")
	}
	a.unread, a.ended = f.Data(), f.StreamEnded()
	return nil
}
