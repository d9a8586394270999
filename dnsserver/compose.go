package dnsserver

import (
	"math"
	"time"

	"github.com/steerdns/steerdns/dnsserver/wire"
)

// compose appends the reply. What does not fit loses its extended error first,
// then of its additional section, and else everything but the question (see fit).
func (r *Responder) compose(dst []byte, a *asked) (reply []byte, truncated bool) {
	h, opt := a.hit.c, r.options(a)
	limit := r.limit(a)
	room := limit - wire.HeaderLen - a.q.QuestionLen()
	if a.q.EDNS.Present {
		room -= wire.OPTLen(&a.q.EDNS, &opt)
		if opt.EDE != 0 && len(h.body) > room { // RFC 8914 3: it must not be what truncates
			room += wire.EDELen(&opt)
			opt.EDE = 0
		}
	}
	n, counts, flags := len(h.body), h.counts, h.flags
	if n > room {
		n, counts, flags = h.fit(room)
		truncated = flags&wire.FlagTC != 0
	}
	at := len(dst)
	dst = wire.AppendHead(dst, a.query, &a.q, flags, h.rcode)
	body := len(dst)
	dst = h.appendTo(dst, n, len(a.q.QName))
	h.putSerial(dst[body:], a.serials)
	if a.q.EDNS.Present {
		if a.q.EDNS.Padded && a.tr.Encrypted() {
			opt.Padding = 1 + padding(len(dst)-at+wire.OPTLen(&a.q.EDNS, &opt), limit)
		}
		dst = wire.AppendOPT(dst, &a.q.EDNS, &opt)
		counts.Additional++
	}
	wire.SetCounts(dst[at:], &a.q, counts)
	if a.signed != nil {
		dst = a.signed.Sign(dst, at, time.Now())
	}
	return dst, truncated
}

// options is what the reply's OPT record says.
func (r *Responder) options(a *asked) wire.OPT {
	c := a.hit.c
	opt := wire.OPT{UDPSize: r.maxUDP, Rcode: c.rcode, NSID: r.nsid, Scope: a.scope, EDE: a.ede}
	if a.ede == 0 {
		opt.EDE, opt.EDEText = c.ede, c.text
	}
	if a.cookie != cookieNone {
		opt.HasCookie, opt.Cookie = true, a.server
	}
	if a.q.EDNS.KeepAlive && (a.tr == TCP || a.tr == DoT) { // RFC 7828 3.3.2: over UDP it is ignored
		opt.KeepAlive = r.idle
	}
	return opt
}

// padding is how many octets of padding a reply of n octets gets, so that its
// length is a multiple of wire.PadBlock (RFC 8467 4.1).
func padding(n, limit int) int {
	n += 4 // the option itself
	whole := min((n+wire.PadBlock-1)/wire.PadBlock*wire.PadBlock, limit)
	return max(whole-n, 0)
}

// limit is how long a reply may be, without its signature.
func (r *Responder) limit(a *asked) int {
	limit := wire.MaxMessage
	switch {
	case a.tr != UDP:
	case !a.q.EDNS.Present:
		limit = wire.MinUDPSize
	default:
		limit = int(min(max(a.q.EDNS.UDPSize, wire.MinUDPSize), r.maxUDP))
	}
	if a.signed != nil {
		limit -= a.signed.Len()
	}
	return limit
}

// keepAliveOf is an idle timeout as the TCP keepalive option writes it, in
// units of 100 ms (RFC 7828 3.1).
func keepAliveOf(idle time.Duration) uint16 {
	return uint16(min(max(idle/(100*time.Millisecond), 1), math.MaxUint16))
}
