package dnsserver

import (
	"encoding/binary"
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/steerdns/steerdns/dnsserver/wire"
)

// maxPending is how many octets of replies gather before they are written.
const maxPending = 16 << 10

// replyWriter is where replies go: a TCP or TLS connection or a QUIC stream.
type replyWriter interface {
	io.Writer
	SetWriteDeadline(time.Time) error
}

// replies gathers what is owed to one client, each message with its length in
// front (RFC 1035 4.2.2), and writes it. TCP, TLS and QUIC answer through it.
type replies struct {
	server    *Server
	to        replyWriter
	client    netip.Addr
	transport Transport
	counters  *Counters
	place     *openConn
	out       []byte // from server.buffers while something is owed; else nil
}

// replyBuffers lends buffers to connections that have something to say.
type replyBuffers struct{ pool sync.Pool }

func (b *replyBuffers) get() []byte {
	if buf, ok := b.pool.Get().(*[]byte); ok {
		return (*buf)[:0]
	}
	return make([]byte, 0, 2*maxPending)
}

func (b *replyBuffers) put(buf []byte) {
	if cap(buf) <= 4*maxPending { // what a huge reply took goes back to the system
		b.pool.Put(&buf)
	}
}

// answer adds the reply to one query. Not ok means that the stream cannot be
// trusted, or the client not be served, any more.
func (r *replies) answer(query []byte) (ok bool) {
	if r.server.opt.Transfers != nil && wire.AsksTransfer(query) && !r.server.responder.access.denied.says(r.client) {
		return r.flush() && r.transfer(query) == nil
	}
	if r.out == nil {
		r.out = r.server.buffers.get()
	}
	at := len(r.out)
	reply := r.server.responder.answer(append(r.out, 0, 0), query, r.client, r.transport, r.counters)
	if reply == nil {
		return false
	}
	binary.BigEndian.PutUint16(reply[at:], uint16(len(reply)-at-2))
	r.out = reply
	return len(r.out) <= maxPending || r.flush()
}

// flush writes the replies. A client that does not take them in time loses
// the connection.
func (r *replies) flush() bool {
	if len(r.out) == 0 {
		return true
	}
	err := r.write(r.out)
	r.out = r.out[:0]
	return err == nil
}

// write writes messages with their lengths in front.
func (r *replies) write(frames []byte) error {
	r.to.SetWriteDeadline(time.Now().Add(r.server.opt.stream(r.transport).WriteTimeout))
	_, err := r.to.Write(frames)
	if err == nil {
		r.place.touch()
	}
	return err
}

// rest gives the buffer back: a connection that waits holds none.
func (r *replies) rest() {
	if r.out != nil {
		r.server.buffers.put(r.out)
		r.out = nil
	}
}
