package dnsserver

import (
	"net/netip"
	"time"

	"github.com/steerdns/steerdns/dnsserver/wire"
)

// RRLOptions limit how many alike UDP replies a client's network gets, as BIND
// and Knot do: somebody may be forging its address. The rates are in replies a
// second for each network and kind of reply; 0 limits nothing. Clients with a
// valid cookie and those of other transports are exempt.
type RRLOptions struct {
	Answers   int // for each name and type; below a wildcard all names count as one
	Referrals int // for each delegation
	NoData    int // for each name
	NXDomain  int // for each zone
	Errors    int
	All       int // of all UDP replies together

	Window     time.Duration  // how long a network that asked too much may stay limited; default 15 s
	Slip       int            // every Slip-th reply too many is sent truncated, or is BADCOOKIE; 0: none
	IPv4Prefix int            // what counts as one network, 1 to 32; default 24
	IPv6Prefix int            // 1 to 64; default 56
	TableSize  int            // how many networks and kinds are told apart at a time; default 262144, 8 octets each
	Exempt     []netip.Prefix // who is never limited; IPv6 at most /64
	LogOnly    bool           // count only
}

// replyKind is what kinds of replies are limited apart.
type replyKind uint8

const (
	replyAnswer replyKind = iota
	replyReferral
	replyNoData
	replyNXDomain
	replyError
	replyAny // all together
	replyKinds
)

var replyKindNames = [replyKinds]string{"answer", "referral", "nodata", "nxdomain", "error", "all"}

// kind is what c is to a client.
func (c *compiled) kind() replyKind {
	switch {
	case c.rcode == wire.RcodeNXDomain || c.rcode == wire.RcodeYXDomain:
		return replyNXDomain
	case c.rcode != wire.RcodeNoError:
		return replyError
	case c.counts.Answer > 0:
		return replyAnswer
	case c.flags&wire.FlagAA == 0 && c.counts.Authority > 0:
		return replyReferral
	}
	return replyNoData
}

// rrl is response rate limiting.
type rrl struct {
	rates   [replyKinds]rate
	slip    uint64
	mask4   uint64
	mask6   uint64
	exempt  *prefixes
	logOnly bool
	buckets *buckets
}

// newRRL returns nil when nothing is limited.
func newRRL(opt RRLOptions) *rrl {
	setDefault(&opt.Window, 15*time.Second)
	setDefault(&opt.IPv4Prefix, 24)
	setDefault(&opt.IPv6Prefix, 56)
	setDefault(&opt.TableSize, 1<<18)
	per := [replyKinds]int{opt.Answers, opt.Referrals, opt.NoData, opt.NXDomain, opt.Errors, opt.All}
	l := &rrl{
		slip:    uint64(max(opt.Slip, 0)),
		mask4:   ^uint64(0) << (64 - min(opt.IPv4Prefix, 32)),
		mask6:   ^uint64(0) << (64 - min(opt.IPv6Prefix, 64)),
		logOnly: opt.LogOnly,
	}
	any := false
	for kind, n := range per {
		l.rates[kind] = rateOf(n, opt.Window)
		any = any || n > 0
	}
	if !any {
		return nil
	}
	l.buckets = newBuckets(opt.TableSize)
	var exempt []listed
	for _, p := range opt.Exempt {
		exempt = append(exempt, listed{p, true})
	}
	if len(exempt) > 0 {
		l.exempt = newPrefixes(exempt, false)
	}
	return l
}

// limitAction is what becomes of a reply that is one too many.
type limitAction uint8

const (
	limitNone limitAction = iota // it is not
	limitDrop
	limitSlip
	limitLog // it is sent: log-only
	limitActions
)

var limitActionNames = [limitActions]string{"none", "drop", "slip", "log"}

// judge counts the reply found for a and says what becomes of it.
func (l *rrl) judge(a *asked) limitAction {
	if l == nil || a.certain() || l.exempt.says(a.client) {
		return limitNone
	}
	kind := a.hit.c.kind()
	overAll := l.over(a, replyAny, 0)
	switch {
	case l.over(a, kind, a.sameness(kind)):
		return l.action(kind, a.c)
	case overAll:
		return l.action(replyAny, a.c)
	}
	return limitNone
}

// over draws from the bucket of the client's network, a kind of reply, and what
// these replies have in common.
func (l *rrl) over(a *asked, kind replyKind, what uint64) bool {
	r := l.rates[kind]
	if r.unlimited() {
		return false
	}
	network, family := number(a.client)&l.mask6, uint64(0)
	if a.client.Is4() {
		network, family = number(a.client)&l.mask4, 1
	}
	return !l.buckets.take(l.buckets.hash(network, what<<8|uint64(kind)<<1|family), r, a.c.now())
}

// sameness is what replies of a kind have to have in common to count as alike.
func (a *asked) sameness(kind replyKind) uint64 {
	switch kind {
	case replyAnswer:
		return uint64(a.node)<<16 | uint64(a.q.QType) // 48 bits
	case replyReferral, replyNoData:
		return uint64(a.node)
	case replyNXDomain:
		return uint64(uint32(a.zone))
	}
	return 0
}

func (l *rrl) action(kind replyKind, c *Counters) limitAction {
	action := limitDrop
	if l.logOnly {
		action = limitLog
	} else if l.slip > 0 && c.overLimit.next(c.shared())%l.slip == 0 {
		action = limitSlip
	}
	c.limited[kind][action].add(1, c.shared())
	return action
}

// slipped is what a client gets instead of a reply that is one too many: it
// may ask again over TCP.
var slipped = compiled{flags: wire.FlagTC, service: -1, region: -1}

// slip puts the short reply in place: BADCOOKIE with a valid cookie for those
// that speak cookies, since it lets them ask again over UDP, TC for others.
func (a *asked) slip() {
	a.hit.c, a.scope, a.ede = &slipped, 0, 0
	if a.cookie != cookieNone {
		a.hit.c = &badCookie
	}
	a.q.EDNS.NSID = false // no longer than it must be
}
