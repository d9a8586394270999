package dnsserver

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"time"
)

// maxFrame is the longest query that is read from a stream, in octets. No
// query that gets an answer comes near it.
const maxFrame = 4096

// usualFrame is as much as a connection keeps for reading while it waits.
const usualFrame = 512

// stream is one TCP or TLS connection being served (RFC 7766, RFC 7858). It
// is answered in order by one goroutine.
type stream struct {
	replies
	conn  net.Conn
	in    []byte // what is read into: usual, or larger while a query needs it
	have  int    // octets of in that are filled
	usual [2 + usualFrame]byte
}

// serve answers queries until the client is done, is too slow, or sends what
// is no query; or until cut is done. When ctx is done, it does not wait for
// the next query as long as before.
func (s *stream) serve(ctx, cut context.Context) {
	defer context.AfterFunc(ctx, func() { s.conn.SetReadDeadline(time.Now().Add(drainIdle)) })()
	defer context.AfterFunc(cut, func() { s.conn.SetReadDeadline(time.Unix(1, 0)) })()
	defer s.rest()
	s.in = s.usual[:]
	for cut.Err() == nil {
		// The deadline covers the whole next query: sending it octet by
		// octet does not extend it.
		s.conn.SetReadDeadline(time.Now().Add(s.patience(ctx)))
		if cut.Err() != nil {
			return // its deadline may have been overwritten just now
		}
		if !s.readQuery() || !s.answerAll() {
			return
		}
	}
}

// drainIdle is how long a connection may be idle once another process serves
// the listeners.
const drainIdle = time.Second

func (s *stream) patience(ctx context.Context) time.Duration {
	idle := s.server.opt.stream(s.transport).IdleTimeout
	if ctx.Err() != nil {
		return min(idle, drainIdle)
	}
	return idle
}

// readQuery reads until at least one whole query is there.
func (s *stream) readQuery() bool {
	for {
		n, ok := s.frame(0)
		switch {
		case !ok:
			s.counters.dropFor(dropOversize)
			return false
		case bytes.HasPrefix(s.in[:s.have], proxySignature):
			s.counters.dropFor(dropProxy) // not from a load balancer of ours
			return false
		}
		if n > 0 {
			return true
		}
		got, err := s.conn.Read(s.in[s.have:])
		s.have += got
		if err != nil {
			return false
		}
	}
}

// frame returns the length of the frame at off with its length field, 0 when
// it is not all there; not ok means that it is longer than we read.
func (s *stream) frame(off int) (n int, ok bool) {
	if s.have < off+2 {
		return 0, true
	}
	n = 2 + int(binary.BigEndian.Uint16(s.in[off:]))
	switch {
	case n > 2+maxFrame:
		return 0, false
	case s.have < off+n:
		s.makeRoom(n)
		return 0, true
	}
	return n, true
}

// makeRoom makes in long enough for a frame of n octets.
func (s *stream) makeRoom(n int) {
	if n > len(s.in) {
		larger := make([]byte, 2+maxFrame)
		copy(larger, s.in[:s.have])
		s.in = larger
	}
}

// answerAll answers every whole query that was read and keeps the rest. It
// reports whether the connection may go on.
func (s *stream) answerAll() bool {
	began, queries, off := time.Now(), 0, 0
	for {
		n, ok := s.frame(off)
		if n == 0 {
			s.keep(off)
			ok = s.flush() && ok
			s.rest()
			s.counters.observe(s.transport, queries, time.Since(began))
			return ok
		}
		if !s.answer(s.in[off+2 : off+n]) {
			s.flush()
			return false
		}
		queries++
		off += n
	}
}

// keep moves what was not answered to the front.
func (s *stream) keep(off int) {
	rest := s.in[off:s.have]
	if len(rest) == 0 {
		s.in = s.usual[:]
	}
	s.have = copy(s.in, rest)
}
