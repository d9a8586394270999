package admin

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// Bounds on the open connections of the listener for reports. Many endpoints
// may share an address, behind NAT.
const (
	maxReporters   = 1024
	maxPerReporter = 128 // of one IPv4 address or IPv6 /64
)

// reporters accepts connections as long as the listener does. When all places
// are taken, or all that one client may have, the connection there that was idle
// for the longest makes room, so that connections that only wait lock out nobody.
type reporters struct {
	net.Listener
	max, per int

	mu      sync.Mutex
	all     list.List                 // of *reporterConn, the longest idle first
	clients map[netip.Addr]*list.List // the same by client; no empty list
}

// reporterConn is a connection that holds a place until it is closed.
type reporterConn struct {
	net.Conn
	owner  *reporters
	client netip.Addr
	among  *list.Element // of owner.all; nil: it holds no place any more
	own    *list.Element // of its client's list
}

func boundReporters(ln net.Listener, limit, perClient int) *reporters {
	return &reporters{Listener: ln, max: limit, per: perClient, clients: map[netip.Addr]*list.List{}}
}

// Accept makes room for the next connection.
func (l *reporters) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &reporterConn{Conn: conn, owner: l, client: reporterOf(conn.RemoteAddr())}
	if idlest := l.enter(c); idlest != nil {
		_ = idlest.Conn.Close() // it has no place any more, whatever becomes of it
	}
	return c, nil
}

// reporterOf is what counts as one client; the zero address for all that have none.
func reporterOf(at net.Addr) netip.Addr {
	peer, err := netip.ParseAddrPort(at.String())
	if err != nil {
		return netip.Addr{}
	}
	a := peer.Addr().Unmap().WithZone("")
	if a.Is4() {
		return a
	}
	return netip.PrefixFrom(a, 64).Masked().Addr()
}

// enter gives c a place, and returns who had to leave for it.
func (l *reporters) enter(c *reporterConn) (idlest *reporterConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if own := l.clients[c.client]; own != nil && own.Len() >= l.per {
		idlest = own.Front().Value.(*reporterConn)
	} else if l.all.Len() >= l.max {
		idlest = l.all.Front().Value.(*reporterConn)
	}
	if idlest != nil {
		l.leave(idlest)
	}
	if l.clients[c.client] == nil {
		l.clients[c.client] = list.New()
	}
	c.among, c.own = l.all.PushBack(c), l.clients[c.client].PushBack(c)
	return idlest
}

// leave takes c's place away; it may be called again. It needs mu.
func (l *reporters) leave(c *reporterConn) {
	if c.among == nil {
		return
	}
	own := l.clients[c.client]
	l.all.Remove(c.among)
	own.Remove(c.own)
	c.among, c.own = nil, nil
	if own.Len() == 0 {
		delete(l.clients, c.client)
	}
}

// Close closes the connection and gives its place back.
func (c *reporterConn) Close() error {
	c.owner.mu.Lock()
	c.owner.leave(c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}

// touch notes that c is not idle.
func (c *reporterConn) touch() {
	c.owner.mu.Lock()
	defer c.owner.mu.Unlock()
	if c.among != nil {
		c.owner.all.MoveToBack(c.among)
		c.owner.clients[c.client].MoveToBack(c.own)
	}
}

// noteRequest is told by http.Server when a request begins on conn and when it
// has ended. What trickles in between does not count.
func noteRequest(conn net.Conn, state http.ConnState) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if c, ok := conn.(*reporterConn); ok && (state == http.StateActive || state == http.StateIdle) {
		c.touch()
	}
}
