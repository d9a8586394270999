package dnstap

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// contentType is what the frames hold.
const contentType = "protobuf:dnstap.Dnstap"

// The control frames of Frame Streams, and their one field.
const (
	controlAccept = 1
	controlStart  = 2
	controlStop   = 3
	controlReady  = 4
	controlFinish = 5

	fieldContentType = 1
)

// maxControl is the longest control frame that is read.
const maxControl = 512

// Writer writes frames to a stream.
type Writer struct {
	out     *bufio.Writer
	in      io.Reader // nil: nobody answers
	written int64
}

// NewWriter begins a stream. When in is not nil, there is a reader that
// agrees on the content first, and at the end says that it has all.
func NewWriter(out io.Writer, in io.Reader) (*Writer, error) {
	w := &Writer{out: bufio.NewWriterSize(out, 64<<10), in: in}
	if in != nil {
		w.control(controlReady, true)
		if err := w.expect(controlAccept); err != nil {
			return nil, err
		}
	}
	w.control(controlStart, true)
	return w, w.out.Flush()
}

// Frame writes one frame. Errors show at Flush, at the latest.
func (w *Writer) Frame(data []byte) error {
	w.number(uint32(len(data)))
	n, err := w.out.Write(data)
	w.written += int64(n)
	return err
}

// Flush has everything written.
func (w *Writer) Flush() error { return w.out.Flush() }

// Written is how many octets the frames have that were written.
func (w *Writer) Written() int64 { return w.written }

// Close ends the stream; the caller closes what it is written to.
func (w *Writer) Close() error {
	w.control(controlStop, false)
	if w.in == nil {
		return w.out.Flush()
	}
	return w.expect(controlFinish)
}

// number writes a number in network order. bufio remembers errors for Flush.
func (w *Writer) number(n uint32) {
	n4, _ := w.out.Write(binary.BigEndian.AppendUint32(w.out.AvailableBuffer(), n))
	w.written += int64(n4)
}

// control writes a control frame: an escape, the length, the type, and the
// content type where it belongs.
func (w *Writer) control(kind uint32, content bool) {
	w.number(0)
	if !content {
		w.number(4)
		w.number(kind)
		return
	}
	w.number(uint32(4 + 8 + len(contentType)))
	w.number(kind)
	w.number(fieldContentType)
	w.number(uint32(len(contentType)))
	_, _ = w.out.WriteString(contentType) // Flush has the error
}

// expect reads one control frame.
func (w *Writer) expect(kind uint32) error {
	if err := w.out.Flush(); err != nil {
		return err
	}
	var head [12]byte
	if _, err := io.ReadFull(w.in, head[:]); err != nil {
		return err
	}
	length, got := binary.BigEndian.Uint32(head[4:]), binary.BigEndian.Uint32(head[8:])
	if binary.BigEndian.Uint32(head[:]) != 0 || length < 4 || length > maxControl {
		return errors.New("the reader does not speak Frame Streams")
	}
	rest := make([]byte, length-4)
	if _, err := io.ReadFull(w.in, rest); err != nil {
		return err
	}
	if got != kind {
		return fmt.Errorf("the reader sends control frame %d instead of %d", got, kind)
	}
	if kind == controlAccept && !accepts(rest) {
		return errors.New("the reader does not accept " + contentType)
	}
	return nil
}

// accepts reports whether one of the fields is our content type.
func accepts(fields []byte) bool {
	for len(fields) >= 8 {
		kind, n := binary.BigEndian.Uint32(fields), binary.BigEndian.Uint32(fields[4:])
		fields = fields[8:]
		if uint64(n) > uint64(len(fields)) {
			return false
		}
		if kind == fieldContentType && string(fields[:n]) == contentType {
			return true
		}
		fields = fields[n:]
	}
	return false
}
