package dnsserver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/steerdns/steerdns/dnsserver/wire"
)

// The errors of DNS over QUIC (RFC 9250 8.4).
const (
	doqNoError       quic.ApplicationErrorCode = 0
	doqProtocolError quic.ApplicationErrorCode = 2
	doqExcessiveLoad quic.ApplicationErrorCode = 4
	doqUnspecified   quic.StreamErrorCode      = 5
)

// doqWorkers is how many queries of one connection are worked on at once, by
// as many goroutines. Streams beyond wait in the library, which keeps no more
// than Options.DoQ.MaxStreams of them.
const doqWorkers = 4

// Bounds on what the peer may send ahead, in octets.
const (
	doqStreamWindow = 2 * maxFrame
	doqConnWindow   = 64 << 10
)

// doqGoodbye is how long replies have to leave before the connection is
// closed: closing drops what was not sent.
const doqGoodbye = 100 * time.Millisecond

// doqListener answers DNS over QUIC (RFC 9250) on one address.
type doqListener struct {
	server    *Server
	name      string // see SocketName
	conn      *net.UDPConn
	transport *quic.Transport
	conns     *connLimits
	counters  *Counters
}

// openDoQ opens a listener, on a socket of its own or one that was given.
func (s *Server) openDoQ(want netip.AddrPort, counters *Counters) (*doqListener, error) {
	conn, err := s.doqSocket(want)
	if err != nil {
		return nil, err
	}
	resets, err := s.opt.Certificates.secret("QUIC stateless resets")
	if err != nil {
		conn.Close()
		return nil, err
	}
	tokens, err := s.opt.Certificates.secret("QUIC tokens")
	if err != nil {
		conn.Close()
		return nil, err
	}
	l := &doqListener{server: s, name: SocketName(DoQ.String(), want), conn: conn, conns: s.limits[DoQ], counters: counters}
	l.transport = &quic.Transport{
		Conn:                conn,
		StatelessResetKey:   (*quic.StatelessResetKey)(&resets), // after a restart, clients learn at once that their connection is gone
		TokenGeneratorKey:   (*quic.TokenGeneratorKey)(&tokens),
		VerifySourceAddress: l.suspicious,
		ConnContext:         l.admit,
	}
	return l, nil
}

func (s *Server) doqSocket(want netip.AddrPort) (*net.UDPConn, error) {
	given := s.opt.Sockets.packets(DoQ.String(), want)
	if len(given) == 0 {
		return openUDPConn(want)
	}
	defer closeFiles(given)
	conn, err := net.FilePacketConn(given[0])
	if err != nil {
		return nil, fmt.Errorf("the socket that was passed in: %w", err)
	}
	return conn.(*net.UDPConn), nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

func openUDPConn(at netip.AddrPort) (*net.UDPConn, error) {
	network := "udp6"
	if at.Addr().Is4() {
		network = "udp4"
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, advise(err)
	}
	return conn, nil
}

func (l *doqListener) sockets() ([]Socket, error) {
	s, err := copySocket(l.name, l.conn)
	return []Socket{s}, err
}

func (l *doqListener) config() *quic.Config {
	opt := l.server.opt.DoQ
	return &quic.Config{
		HandshakeIdleTimeout:           opt.BeginTimeout,
		MaxIdleTimeout:                 opt.IdleTimeout,
		InitialStreamReceiveWindow:     doqStreamWindow,
		MaxStreamReceiveWindow:         doqStreamWindow,
		InitialConnectionReceiveWindow: doqConnWindow,
		MaxConnectionReceiveWindow:     doqConnWindow,
		MaxIncomingStreams:             int64(opt.MaxStreams),
		MaxIncomingUniStreams:          -1,    // RFC 9250 4.2: queries come on bidirectional streams only
		Allow0RTT:                      false, // a replayed query is no harm, but early data comes from addresses nobody has verified
	}
}

func (l *doqListener) close() { l.conn.Close() }

// suspicious tells whether a client has to prove its address before it gets a
// connection: when places become few.
func (l *doqListener) suspicious(from net.Addr) bool { return l.conns.scarce(addrOf(from)) }

// admit counts a new connection, or refuses it.
func (l *doqListener) admit(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
	client := addrOf(info.RemoteAddr)
	if !l.conns.take(client) {
		l.counters.dropFor(dropConnLimit)
		return nil, errTooMany
	}
	context.AfterFunc(ctx, func() { l.conns.release(client) })
	return ctx, nil
}

var errTooMany = errors.New("too many connections")

func addrOf(a net.Addr) netip.Addr {
	return a.(*net.UDPAddr).AddrPort().Addr().Unmap().WithZone("")
}

// run accepts connections until ctx is done, and then lets them finish the
// queries that have come.
func (l *doqListener) run(ctx, cut context.Context) error {
	defer l.conn.Close()
	defer l.transport.Close()
	listener, err := l.transport.Listen(l.server.opt.Certificates.config("doq"), l.config())
	if err != nil {
		return fmt.Errorf("QUIC: %w", err)
	}
	var open sync.WaitGroup
	defer open.Wait()
	for {
		conn, err := listener.Accept(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("QUIC: %w", err)
		}
		open.Go(func() { l.serveConn(ctx, cut, conn) })
	}
}

// serveConn answers the queries of one connection, each on a stream of its
// own.
func (l *doqListener) serveConn(ctx, cut context.Context, conn *quic.Conn) {
	place := l.conns.enter(func() { go conn.CloseWithError(doqExcessiveLoad, "") })
	defer place.leave()
	var work sync.WaitGroup
	free := make(chan struct{}, doqWorkers)
	for {
		free <- struct{}{}
		stream, err := conn.AcceptStream(ctx)
		if err != nil {
			break // the connection ended, or we do
		}
		work.Go(func() {
			l.serveStream(conn, stream, place)
			<-free
		})
	}
	work.Wait()
	pauseUntil(conn.Context(), doqGoodbye)
	conn.CloseWithError(doqNoError, "")
}

// pauseUntil waits, or until ctx is done.
func pauseUntil(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// serveStream answers the one query of a stream.
func (l *doqListener) serveStream(conn *quic.Conn, stream *quic.Stream, place *openConn) {
	var buf [2 + maxFrame + 1]byte
	stream.SetReadDeadline(time.Now().Add(l.server.opt.DoQ.BeginTimeout))
	n, err := io.ReadFull(stream, buf[:])
	switch {
	case err == nil:
		l.counters.dropFor(dropOversize)
		stream.CancelRead(doqUnspecified)
		stream.CancelWrite(doqUnspecified)
		return
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // the client's FIN, RFC 9250 4.2
	default: // too slow, or given up by the client
		stream.CancelRead(doqUnspecified)
		stream.CancelWrite(doqUnspecified)
		return
	}
	began := time.Now()
	r := replies{server: l.server, to: stream, client: addrOf(conn.RemoteAddr()), transport: DoQ, counters: l.counters, place: place}
	defer r.rest()
	query, ok := doqQuery(buf[:n])
	if !ok || !r.answer(query) {
		conn.CloseWithError(doqProtocolError, "")
		return
	}
	if !r.flush() {
		stream.CancelWrite(doqUnspecified)
		return
	}
	stream.Close()
	l.counters.observe(DoQ, 1, time.Since(began))
}

// doqQuery takes the query from a stream's octets. It must be the only one
// and have the id 0 (RFC 9250 4.2, 4.2.1).
func doqQuery(framed []byte) (query []byte, ok bool) {
	if len(framed) < 2+wire.HeaderLen || int(binary.BigEndian.Uint16(framed)) != len(framed)-2 {
		return nil, false
	}
	query = framed[2:]
	return query, binary.BigEndian.Uint16(query) == 0
}
