package dnsserver

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// maxFrame is the longest query that is read over TCP, in octets. No query
// that gets an answer comes near it.
const maxFrame = 4096

// maxPending is how many octets of replies gather before they are written.
const maxPending = 16 << 10

// tcpListener serves DNS over TCP on one address (RFC 7766). Each connection
// is answered in order by one goroutine.
type tcpListener struct {
	listener *net.TCPListener
	server   *Server
	conns    *connLimits
	counters *Counters // shared by all connections
	buffers  sync.Pool
}

// tcpBuffers are what a connection needs while it is open.
type tcpBuffers struct {
	in  [2 + maxFrame]byte
	out []byte
}

func listenTCP(at netip.AddrPort) (*tcpListener, error) {
	network := "tcp6"
	if at.Addr().Is4() {
		network = "tcp4"
	}
	l, err := net.ListenTCP(network, net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	return &tcpListener{
		listener: l,
		buffers:  sync.Pool{New: func() any { return &tcpBuffers{out: make([]byte, 0, 2*maxPending)} }},
	}, nil
}

func (l *tcpListener) port() uint16 { return l.listener.Addr().(*net.TCPAddr).AddrPort().Port() }

func (l *tcpListener) close() { l.listener.Close() }

// run accepts connections until ctx is done, and then waits for them to
// write what they owe.
func (l *tcpListener) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, l.close)
	defer stop()
	defer l.close()
	var open sync.WaitGroup
	defer open.Wait()
	for {
		conn, err := l.listener.AcceptTCP()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			pause(ctx) // out of file descriptors or memory: others will end
			continue
		}
		l.admit(ctx, conn, &open)
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
func (l *tcpListener) admit(ctx context.Context, conn *net.TCPConn, open *sync.WaitGroup) {
	client := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap().WithZone("")
	if !l.conns.take(client) {
		l.counters.dropFor(dropConnLimit)
		conn.SetLinger(0)
		conn.Close()
		return
	}
	open.Go(func() {
		defer l.conns.release(client)
		defer conn.Close()
		buf := l.buffers.Get().(*tcpBuffers)
		defer l.buffers.Put(buf)
		c := tcpConn{tcpListener: l, conn: conn, client: client, tcpBuffers: buf}
		c.serve(ctx)
	})
}

// tcpConn is one connection being served.
type tcpConn struct {
	*tcpListener
	*tcpBuffers
	conn   *net.TCPConn
	client netip.Addr
	have   int // octets of in that are filled
}

// serve answers queries until the client is done, is too slow, sends what is
// no query, or ctx is done.
func (c *tcpConn) serve(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { c.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	c.have = 0
	for ctx.Err() == nil {
		// The deadline covers the whole next query: sending it octet by
		// octet does not extend it.
		c.conn.SetReadDeadline(time.Now().Add(c.server.opt.TCP.IdleTimeout))
		if ctx.Err() != nil {
			return // its deadline may have been overwritten just now
		}
		if !c.readQuery() || !c.answerAll() {
			return
		}
	}
}

// readQuery reads until at least one whole query is there.
func (c *tcpConn) readQuery() bool {
	for {
		n, ok := c.frame(0)
		if !ok {
			c.counters.dropFor(dropOversize)
			return false
		}
		if n > 0 {
			return true
		}
		got, err := c.conn.Read(c.in[c.have:])
		c.have += got
		if err != nil {
			return false
		}
	}
}

// frame returns the length of the frame at off with its length field, 0 when
// it is not all there; not ok means that it is longer than we read.
func (c *tcpConn) frame(off int) (n int, ok bool) {
	if c.have < off+2 {
		return 0, true
	}
	n = 2 + int(binary.BigEndian.Uint16(c.in[off:]))
	if n > len(c.in) {
		return 0, false
	}
	if c.have < off+n {
		return 0, true
	}
	return n, true
}

// answerAll answers every whole query that was read and keeps the rest. It
// reports whether the connection may go on.
func (c *tcpConn) answerAll() bool {
	began, queries, off := time.Now(), 0, 0
	c.out = c.out[:0]
	for {
		n, ok := c.frame(off)
		if n == 0 {
			c.have = copy(c.in[:], c.in[off:c.have])
			ok = c.flush() && ok
			c.counters.observe(TCP, queries, time.Since(began))
			return ok
		}
		if !c.answerOne(c.in[off+2 : off+n]) {
			c.flush()
			return false
		}
		queries++
		off += n
		if len(c.out) > maxPending && !c.flush() {
			return false
		}
	}
}

// answerOne adds the reply to one query, with its length in front.
func (c *tcpConn) answerOne(query []byte) bool {
	at := len(c.out)
	reply := c.server.responder.answer(append(c.out, 0, 0), query, c.client, TCP, c.counters)
	if reply == nil {
		return false // not a query: the stream cannot be trusted any more
	}
	binary.BigEndian.PutUint16(reply[at:], uint16(len(reply)-at-2))
	c.out = reply
	return true
}

// flush writes the replies. A client that does not take them in time loses
// the connection.
func (c *tcpConn) flush() bool {
	if len(c.out) == 0 {
		return true
	}
	c.conn.SetWriteDeadline(time.Now().Add(c.server.opt.TCP.WriteTimeout))
	_, err := c.conn.Write(c.out)
	if cap(c.out) > 4*maxPending {
		c.out = make([]byte, 0, 2*maxPending) // give back what a huge reply took
	}
	c.out = c.out[:0]
	if err != nil {
		c.conn.SetLinger(0) // what it did not take is dropped, not kept by the kernel
	}
	return err == nil
}

// connLimits counts open connections over all listeners.
type connLimits struct {
	mu        sync.Mutex
	max, per  int
	all       int
	perClient map[netip.Addr]int
}

func newConnLimits(opt TCPOptions) *connLimits {
	return &connLimits{max: opt.MaxConns, per: opt.MaxPerClient, perClient: make(map[netip.Addr]int)}
}

// clientKey is what counts as one client: an IPv4 address, or an IPv6 /64.
func clientKey(a netip.Addr) netip.Addr {
	if a.Is4() {
		return a
	}
	return netip.PrefixFrom(a, 64).Masked().Addr()
}

func (l *connLimits) take(client netip.Addr) bool {
	key := clientKey(client)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= l.max || l.perClient[key] >= l.per {
		return false
	}
	l.all++
	l.perClient[key]++
	return true
}

func (l *connLimits) release(client netip.Addr) {
	key := clientKey(client)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.perClient[key]--; l.perClient[key] == 0 {
		delete(l.perClient, key)
	}
}
