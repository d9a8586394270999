package dnsserver

import (
	"net/netip"
	"sync/atomic"

	"github.com/steerdns/steerdns/dnsserver/wire"
)

// Transport is how a query came.
type Transport uint8

// The transports.
const (
	UDP Transport = iota
	TCP
	DoT // RFC 7858
	DoH // RFC 8484
	DoQ // RFC 9250
	transports
)

var transportNames = [transports]string{"udp", "tcp", "dot", "doh", "doq"}

func (t Transport) String() string { return transportNames[t] }

// Encrypted tells the transports that nobody on the way can read. Their
// replies are the ones that are padded (RFC 7830 6).
func (t Transport) Encrypted() bool { return t >= DoT }

// maxInstance is how much of an instance's name NSID carries, in octets.
const maxInstance = 63

// Responder turns queries into replies, for all transports.
type Responder struct {
	live    atomic.Pointer[live]
	labels  *labels
	chaos   map[string]*compiled // answers of class CH by name
	nsid    string
	maxUDP  uint16
	workers *workers
}

// NewResponder returns a Responder without a view: it answers SERVFAIL until
// Publish. Of opt it uses Instance, Version and MaxUDP.
func NewResponder(opt Options) *Responder {
	return &Responder{
		labels:  newLabels(),
		chaos:   chaosAnswers(opt.Instance, opt.Version),
		nsid:    opt.Instance[:min(len(opt.Instance), maxInstance)],
		maxUDP:  opt.maxUDP(),
		workers: &workers{},
	}
}

// live is a view with the counters' slots for its zones and services.
type live struct {
	view *View
	slots
}

// Publish makes v what all following queries are answered from.
func (r *Responder) Publish(v *View) {
	r.live.Store(&live{view: v, slots: r.labels.slotsFor(v)})
}

// Respond appends the reply to query to dst, or returns nil when none is
// due. It keeps neither dst nor query. c must belong to the caller's worker.
// Nothing on the way to an ordinary answer allocates or locks.
func (r *Responder) Respond(dst, query []byte, client netip.Addr, tr Transport, c *Counters) []byte {
	var q wire.Query
	st := wire.Parse(query, &q)
	if st == wire.Drop {
		c.drop(query)
		return nil
	}
	l := r.live.Load()
	h := r.find(l, &q, st, client)
	reply, truncated := r.compose(dst, query, &q, &h, tr)
	c.count(l, &q, &h, client, tr, truncated)
	return reply
}

// faults are the replies to queries that are not looked up.
var faults = [...]compiled{
	wire.FormErr:  {rcode: wire.RcodeFormErr, service: -1, region: -1},
	wire.NotImp:   {rcode: wire.RcodeNotImp, service: -1, region: -1},
	wire.BadVers:  {rcode: wire.RcodeBadVers, service: -1, region: -1},
	wire.BadClass: {rcode: wire.RcodeRefused, service: -1, region: -1},
}

func (r *Responder) find(l *live, q *wire.Query, st wire.Status, client netip.Addr) hit {
	switch {
	case st != wire.OK:
		return hit{c: &faults[st], zone: -1}
	case q.QClass == wire.ClassCH:
		return hit{c: r.findChaos(q), zone: -1}
	case isTransfer(q.QType):
		return hit{c: refused, zone: -1}
	case l == nil:
		return hit{c: servFail, zone: -1}
	}
	return l.view.find(q, client)
}

func isTransfer(qtype uint16) bool { return qtype == 251 || qtype == 252 } // IXFR (RFC 1995), AXFR (RFC 5936)

// compose appends the reply. What does not fit loses its additional section
// first, and else everything, with TC set (RFC 2181 9).
func (r *Responder) compose(dst, query []byte, q *wire.Query, h *hit, tr Transport) (reply []byte, truncated bool) {
	a := h.c
	opt := wire.OPT{UDPSize: r.maxUDP, Rcode: a.rcode, NSID: r.nsid, Scope: h.scope}
	room := r.limit(q, tr) - wire.HeaderLen - q.QuestionLen()
	if q.EDNS.Present {
		room -= wire.OPTLen(&q.EDNS, &opt)
	}
	n, counts, flags := len(a.body), a.counts, a.flags
	if n > room {
		n, counts.Additional = a.core, 0
		if n > room || a.needsGlue {
			n, counts, flags, truncated = 0, wire.Counts{}, flags|wire.FlagTC, true
		}
	}
	at := len(dst)
	dst = wire.AppendHead(dst, query, q, flags, a.rcode)
	dst = a.appendTo(dst, n, len(q.QName))
	if q.EDNS.Present {
		dst = wire.AppendOPT(dst, &q.EDNS, &opt)
		counts.Additional++
	}
	wire.SetCounts(dst[at:], q, counts)
	return dst, truncated
}

// limit is how long a reply may be.
func (r *Responder) limit(q *wire.Query, tr Transport) int {
	switch {
	case tr != UDP:
		return wire.MaxMessage
	case !q.EDNS.Present:
		return wire.MinUDPSize
	}
	return int(min(max(q.EDNS.UDPSize, wire.MinUDPSize), r.maxUDP))
}
