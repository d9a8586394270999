package dnsserver

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// connLimits bounds the open connections of one transport over all its
// listeners. When all places are taken, the connection that has been of no use
// for the longest makes room, so that connections that only wait lock nobody
// out (RFC 7766 6.2.3). A client that has all its own places gets no more.
type connLimits struct {
	max, per int
	began    time.Time

	mu        sync.Mutex
	all       int // also those that are being closed
	perClient map[netip.Addr]int
	open      []*openConn // those that can make room

	accepted, refused, evicted atomic.Uint64
}

// openConn is one connection's place.
type openConn struct {
	limits *connLimits
	close  func()       // ends the connection; may be called from any goroutine
	last   atomic.Int64 // when it was of use, in nanoseconds since limits.began
	index  int          // in limits.open; -1: not there any more
}

// evictSlack is how many connections may be closing while others have their
// places already.
const evictSlack = 16

// evictSample is how many connections are compared to find the idlest.
const evictSample = 32

func newConnLimits(opt StreamOptions) *connLimits {
	return &connLimits{max: opt.MaxConns, per: opt.MaxPerClient, began: time.Now(), perClient: make(map[netip.Addr]int)}
}

// clientKey is what counts as one client: an IPv4 address, or an IPv6 /64. An
// invalid address is nobody yet, see connLimits.take.
func clientKey(a netip.Addr) netip.Addr {
	if !a.IsValid() || a.Is4() {
		return a
	}
	return netip.PrefixFrom(a, 64).Masked().Addr()
}

// take counts a connection of client, and makes room for it. It reports
// whether there is room; then release has to follow. A connection of an
// invalid address counts for nobody, until rekey.
func (l *connLimits) take(client netip.Addr) bool {
	key := clientKey(client)
	l.mu.Lock()
	full := l.crowded(key) || l.all >= l.max+evictSlack
	var victim *openConn
	if !full && l.all >= l.max {
		victim = l.idlest()
		full = victim == nil
	}
	if !full {
		l.all++
		l.perClient[key]++
	}
	l.mu.Unlock()
	switch {
	case full:
		l.refused.Add(1)
		return false
	case victim != nil:
		l.evicted.Add(1)
		victim.close()
	}
	l.accepted.Add(1)
	return true
}

// crowded tells whether a client has all its places. It needs mu.
func (l *connLimits) crowded(key netip.Addr) bool { return key.IsValid() && l.perClient[key] >= l.per }

// scarce tells whether half of all places, or of client's, are taken.
func (l *connLimits) scarce(client netip.Addr) bool {
	key := clientKey(client)
	l.mu.Lock()
	defer l.mu.Unlock()
	return 2*l.all >= l.max || 2*l.perClient[key] >= l.per
}

func (l *connLimits) release(client netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	l.forget(clientKey(client))
}

func (l *connLimits) forget(key netip.Addr) {
	if l.perClient[key]--; l.perClient[key] == 0 {
		delete(l.perClient, key)
	}
}

// rekey counts a connection that was taken as one of from as one of to. It
// reports whether to has room; if not, it stays with from.
func (l *connLimits) rekey(from, to netip.Addr) bool {
	was, is := clientKey(from), clientKey(to)
	l.mu.Lock()
	defer l.mu.Unlock()
	if was != is && l.crowded(is) {
		return false
	}
	l.forget(was)
	l.perClient[is]++
	return true
}

// enter makes a counted connection one that can make room, by close.
func (l *connLimits) enter(close func()) *openConn {
	c := &openConn{limits: l, close: close}
	c.touch()
	l.mu.Lock()
	defer l.mu.Unlock()
	c.index = len(l.open)
	l.open = append(l.open, c)
	return c
}

// leave ends what enter began; it may be called again.
func (c *openConn) leave() {
	c.limits.mu.Lock()
	defer c.limits.mu.Unlock()
	c.limits.drop(c)
}

// drop takes c off the list. It needs mu.
func (l *connLimits) drop(c *openConn) {
	if c.index < 0 {
		return
	}
	last := l.open[len(l.open)-1]
	l.open[c.index], last.index = last, c.index
	l.open[len(l.open)-1] = nil
	l.open = l.open[:len(l.open)-1]
	c.index = -1
}

// touch notes that c was of use just now.
func (c *openConn) touch() { c.last.Store(int64(time.Since(c.limits.began))) }

// idlest takes the connection off the list that has been of no use for the
// longest, of a few picked at random when there are many; nil: none is there.
// It needs mu.
func (l *connLimits) idlest() (found *openConn) {
	few := len(l.open) <= evictSample
	for i := range min(len(l.open), evictSample) {
		if !few {
			i = rand.IntN(len(l.open))
		}
		if c := l.open[i]; found == nil || c.last.Load() < found.last.Load() {
			found = c
		}
	}
	if found != nil {
		l.drop(found)
	}
	return found
}

// count is how many connections are open.
func (l *connLimits) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all
}
