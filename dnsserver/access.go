package dnsserver

import "net/netip"

// AccessOptions say who gets answers. IPv6 prefixes are at most /64 long.
type AccessOptions struct {
	Allow  []netip.Prefix // when there are any: nobody else is served
	Deny   []netip.Prefix // of two that hold for a client the longer one counts, and of equal ones this
	Silent bool           // who is denied gets no reply instead of REFUSED
	// MaxRate is how many queries a second one client, an IPv4 address or IPv6
	// /64, gets a reply to. Beyond, UDP queries are dropped and streams end.
	// 0: no limit.
	MaxRate int
}

// access is who gets answers, ready for lookups.
type access struct {
	denied  *prefixes // nil: nobody
	silent  bool
	rate    rate
	buckets *buckets // by client; nil: no limit
}

// accessBuckets is how many clients are told apart at a time.
const accessBuckets = 1 << 16

func newAccess(opt AccessOptions) *access {
	a := &access{silent: opt.Silent}
	var list []listed
	for _, p := range opt.Allow {
		list = append(list, listed{p, false})
	}
	for _, p := range opt.Deny {
		list = append(list, listed{p, true})
	}
	if len(list) > 0 {
		a.denied = newPrefixes(list, len(opt.Allow) > 0)
	}
	if opt.MaxRate > 0 {
		a.rate, a.buckets = rateOf(opt.MaxRate, 0), newBuckets(accessBuckets)
	}
	return a
}

// overRate tells whether a client asks too much. Clients whose address is
// certain are counted apart, so that nobody's queries are lost because someone
// else forges the address.
func (x *access) overRate(a *asked) bool {
	if x.buckets == nil {
		return false
	}
	kind := uint64(0)
	if a.certain() {
		kind |= 1
	}
	if a.client.Is4() {
		kind |= 2
	}
	return !x.buckets.take(x.buckets.hash(number(a.client), kind), x.rate, a.c.now())
}

// admit tells whether the client may get a reply at all, and counts it when
// not.
func (r *Responder) admit(a *asked) bool {
	a.denied = r.access.denied.says(a.client)
	switch {
	case a.denied && r.access.silent:
		a.c.dropFor(dropDenied)
		return false
	case r.access.overRate(a):
		a.c.dropFor(dropClientRate)
		return false
	}
	return true
}

// certain tells whether the client is where it says that it is: it took part
// in a handshake, returned a cookie that was sent there, or signed the query.
func (a *asked) certain() bool {
	return a.tr != UDP || a.cookie == cookieValid || a.signed != nil && a.signed.Fault() == 0
}
