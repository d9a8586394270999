package dnsserver

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// tcpListener accepts the connections of one transport on one address. Each
// has a goroutine of its own.
type tcpListener struct {
	listener  *net.TCPListener
	name      string // see SocketName
	server    *Server
	transport Transport
	tls       *tls.Config // nil: none
	conns     *connLimits
	counters  *Counters // shared by all connections
	// serve answers on a connection that is admitted, and closes it. When ctx
	// is done it should end soon, when cut is done at once.
	serve func(ctx, cut context.Context, c *clientConn, conn net.Conn)
}

func openTCP(at netip.AddrPort) (*net.TCPListener, error) {
	network := "tcp6"
	if at.Addr().Is4() {
		network = "tcp4"
	}
	l, err := net.ListenTCP(network, net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, advise(err)
	}
	return l, nil
}

func (l *tcpListener) port() uint16 { return l.listener.Addr().(*net.TCPAddr).AddrPort().Port() }

func (l *tcpListener) close() { l.listener.Close() }

func (l *tcpListener) sockets() ([]Socket, error) {
	s, err := copySocket(l.name, l.listener)
	return []Socket{s}, err
}

// run accepts connections until ctx is done, and then waits for them to
// write what they owe.
func (l *tcpListener) run(ctx, cut context.Context) error {
	stop := context.AfterFunc(ctx, l.close)
	defer stop()
	defer l.close()
	var open sync.WaitGroup
	defer open.Wait()
	for {
		conn, err := l.listener.AcceptTCP()
		if err == nil {
			l.admit(ctx, cut, conn, &open)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			pause(ctx) // out of file descriptors or memory: others will end
		}
	}
}

// acceptPause is how long a listener rests when it cannot accept.
const acceptPause = 20 * time.Millisecond

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(acceptPause):
	}
}

// admit serves conn unless there are too many already.
func (l *tcpListener) admit(ctx, cut context.Context, conn *net.TCPConn, open *sync.WaitGroup) {
	remote := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	client := remote.Addr().Unmap().WithZone("")
	balanced := loadBalancers(l.server.opt.LoadBalancers).contain(client)
	if balanced {
		client = netip.Addr{} // its header will tell for whom it comes
	}
	if !l.conns.take(client) {
		l.counters.dropFor(dropConnLimit)
		conn.SetLinger(0)
		conn.Close()
		return
	}
	boundSendBuffer(conn)
	c := &clientConn{TCPConn: conn, limits: l.conns, counted: client, client: netip.AddrPortFrom(client, remote.Port())}
	c.place = l.conns.enter(c.evict)
	open.Go(func() {
		secure, ok := l.begin(cut, c, balanced, remote)
		if !ok {
			c.Close()
			return
		}
		l.serve(ctx, cut, c, secure)
	})
}

// begin does what comes before the first query: the PROXY header of a load
// balancer, and the TLS handshake.
func (l *tcpListener) begin(cut context.Context, c *clientConn, balanced bool, peer netip.AddrPort) (net.Conn, bool) {
	ctx, cancel := context.WithTimeout(cut, l.server.opt.stream(l.transport).BeginTimeout)
	defer cancel()
	if balanced && !l.unwrap(ctx, c, peer) {
		l.counters.dropFor(dropProxy)
		return nil, false
	}
	if l.tls == nil {
		return c, true
	}
	conn := tls.Server(c, l.tls)
	if err := conn.HandshakeContext(ctx); err != nil {
		l.counters.dropFor(dropHandshake)
		return nil, false
	}
	return conn, true
}

// unwrap reads the header that a load balancer begins with, and counts the
// connection as one of the client that it names.
func (l *tcpListener) unwrap(ctx context.Context, c *clientConn, peer netip.AddrPort) bool {
	defer context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })()
	h, err := readProxy(c)
	if err != nil || ctx.Err() != nil {
		return false
	}
	if !h.source.IsValid() { // it speaks for itself
		c.client = netip.AddrPortFrom(peer.Addr().Unmap().WithZone(""), peer.Port())
		return true
	}
	if !l.conns.rekey(netip.Addr{}, h.source.Addr()) {
		return false
	}
	c.client, c.counted = h.source, h.source.Addr()
	return true
}

// serveStream answers framed queries (RFC 7766, RFC 7858).
func (l *tcpListener) serveStream(ctx, cut context.Context, c *clientConn, conn net.Conn) {
	defer conn.Close()
	s := stream{conn: conn, replies: replies{
		server: l.server, to: conn, client: c.client.Addr(), transport: l.transport, counters: l.counters, place: c.place,
	}}
	s.serve(ctx, cut)
}

// clientConn is an admitted connection. It keeps its place until it is closed.
type clientConn struct {
	*net.TCPConn
	limits  *connLimits
	client  netip.AddrPort // who asks
	counted netip.Addr     // as whose it is counted
	place   *openConn
	writing atomic.Bool
	closed  atomic.Bool
}

// RemoteAddr is the client's address.
func (c *clientConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.client) }

// Write writes; what a client does not take is dropped with the connection,
// not kept by the kernel.
func (c *clientConn) Write(p []byte) (int, error) {
	c.writing.Store(true)
	n, err := c.TCPConn.Write(p)
	if err != nil {
		c.TCPConn.SetLinger(0)
	}
	c.writing.Store(false)
	return n, err
}

// evict ends the connection, to make room for another.
func (c *clientConn) evict() {
	if c.writing.Load() {
		c.TCPConn.SetLinger(0)
	}
	c.TCPConn.Close()
}

// Close closes the connection and gives its place back, once.
func (c *clientConn) Close() error {
	err := c.TCPConn.Close()
	if !c.closed.Swap(true) {
		c.place.leave()
		c.limits.release(c.counted)
	}
	return err
}
