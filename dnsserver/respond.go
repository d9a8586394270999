package dnsserver

import (
	"net/netip"
	"sync/atomic"

	"github.com/steerdns/steerdns/dnsserver/transfer"
	"github.com/steerdns/steerdns/dnsserver/tsig"
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
	idle    uint16 // how long TCP connections may be idle, in units of 100 ms
	workers *workers

	cookies        atomic.Pointer[CookieSecrets]
	requireCookies bool

	balancers loadBalancers    // whose packets say for whom they come
	transfers *transfer.Server // nil: no keys, and nobody may fetch a zone
	access    *access
	rrl       *rrl // nil: off
	tapes     []*tape
	readers   []tapeReader // of the tapes
}

// NewResponder returns a Responder without a view: it answers SERVFAIL until
// Publish. Of opt it uses what is about replies, not what is about sockets.
func NewResponder(opt Options) *Responder {
	opt = opt.withDefaults()
	r := &Responder{
		labels:         newLabels(),
		chaos:          chaosAnswers(opt.Instance, opt.Version),
		nsid:           opt.Instance[:min(len(opt.Instance), maxInstance)],
		maxUDP:         opt.maxUDP(),
		idle:           keepAliveOf(opt.TCP.IdleTimeout),
		workers:        &workers{},
		requireCookies: opt.Cookies.Require,
		balancers:      opt.LoadBalancers,
		transfers:      opt.Transfers,
		access:         newAccess(opt.Access),
		rrl:            newRRL(opt.RRL),
	}
	r.SetCookieSecrets(opt.Cookies.Secrets)
	r.tapes, r.readers = newTapes(&opt)
	return r
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

// asked is one query on its way to a reply.
type asked struct {
	query  []byte // as it came
	q      wire.Query
	status wire.Status
	client netip.Addr
	tr     Transport
	c      *Counters

	cookie cookieState
	server serverCookie      // for the reply
	signed *tsig.Transaction // nil: the query is not
	denied bool
	hit
}

// Respond appends the reply to query to dst, or returns nil when none is
// due. It keeps neither dst nor query. c must belong to the caller's worker.
// Nothing on the way to an ordinary answer allocates or locks.
func (r *Responder) Respond(dst, query []byte, client netip.Addr, tr Transport, c *Counters) []byte {
	a := asked{query: query, client: client, tr: tr, c: c}
	a.status = wire.Parse(query, &a.q)
	if !a.deserves() {
		return nil
	}
	r.readCookie(&a)
	if !r.admit(&a) {
		return nil
	}
	r.verify(&a)
	l := r.live.Load()
	r.find(l, &a)
	limited := r.rrl.judge(&a)
	if limited == limitDrop {
		r.tape(&a, l, nil, limited)
		return nil
	}
	if limited == limitSlip {
		a.slip()
	}
	reply, truncated := r.compose(dst, &a)
	c.count(l, &a.q, &a.hit, client, tr, truncated)
	r.tape(&a, l, reply[len(dst):], limited)
	return reply
}

// deserves tells whether a reply is due at all, and counts it when not.
func (a *asked) deserves() bool {
	switch {
	case a.status == wire.Drop:
		a.c.drop(a.query)
		return false
	case a.q.EDNS.KeepAlive && a.tr == DoQ: // RFC 9250 5.5.2: an error of the protocol
		a.c.dropFor(dropKeepAlive)
		return false
	}
	return true
}

// find finds the answer, in place: copying hits costs more than finding them.
func (r *Responder) find(l *live, a *asked) {
	q := &a.q
	a.zone = -1
	switch {
	case a.denied:
		a.hit.c = &prohibited
	case r.wantsBetterCookie(a):
		a.hit.c = &badCookie
	case a.status != wire.OK:
		a.hit.c = &faults[a.status]
	case a.signed != nil && a.signed.Fault() != 0:
		a.hit.c = notAuth
	case q.QClass == wire.ClassCH:
		a.hit.c = r.findChaos(q)
	case q.QType == wire.TypeIXFR, q.QType == wire.TypeAXFR:
		r.transfer(a)
	case l == nil:
		a.hit.c = &notReady
	default:
		l.view.find(q, a.client, &a.hit)
	}
}
