//go:build e2e

package e2e

import (
	"strings"

	"github.com/miekg/dns"
)

// known is a difference that docs/differences.md explains. It turns the peer's
// answer into what the peer would say if it did as we do there, and reports
// whether that changed anything; what is left has to be equal.
type known struct {
	name  string
	peer  string // "": both
	apply func(*comparison) bool
}

var knownDifferences = []known{
	{"record-twice", "knot", twice},
	{"any-picks", "", anyPicks},
	{"chain-cut-short", "", resume},
	{"outer-names", "nsd", outerNames},
	{"wildcard-unseen", "nsd", unseenWildcard},
	{"apex-ns", "nsd", apexNS},
	{"svcb-without-additional", "nsd", noSVCB},
	{"svcb-repeated", "knot", repeatedSVCB},
	{"svcb-of-same-wildcard", "knot", sameWildcard},
	{"svcb-of-owner", "knot", ownerSVCB},
	{"wildcard-misnamed", "", wildcardOwner},
	{"glue-for-others", "knot", glueForOthers},
	{"own-child-for-glue", "", childForGlue},
	{"too-long-is-no-error", "knot", tooLong},
}

// explain applies what is known and names what changed the peer's answer.
func (c *comparison) explain() (names []string) {
	for _, k := range knownDifferences {
		if (k.peer == "" || k.peer == c.peer.name) && !c.same() && k.apply(c) {
			names = append(names, c.peer.name+": "+k.name)
		}
	}
	return names
}

// twice: Knot repeats a record, which RFC 2181 section 5 calls meaningless.
func twice(c *comparison) bool {
	had := c.theirs.twice != ""
	c.theirs.twice = ""
	return had
}

// anyPicks: ANY may be answered with any one RRset (RFC 8482 section 4.1). Ours
// must be what the peer answers for that type, and comes without additional data.
func anyPicks(c *comparison) bool {
	end, _ := c.ours.end(c.q.name, c.qtype)
	if c.qtype != dns.TypeANY || end == "" {
		return false
	}
	for _, rr := range c.ours.answer {
		if !sameName(rr.Header().Name, end) {
			continue
		}
		m, err := c.peer.ask(c.q.name, rr.Header().Rrtype)
		if err != nil {
			return false
		}
		c.theirs = faceOf(m)
		c.theirs.twice = ""
		c.theirs.additional = section{}
		return true
	}
	return false
}

// apexNS: NSD adds the zone's NS and their addresses to positive answers, which
// RFC 1034 section 4.3.2 does not ask for.
func apexNS(c *comparison) bool {
	if !c.theirs.aa || len(c.theirs.answer) == 0 || len(c.ours.authority) > 0 || !c.theirs.authority.all(dns.TypeNS) {
		return false
	}
	for _, rr := range c.theirs.authority {
		c.dropAddresses(rr.(*dns.NS).Ns)
	}
	c.theirs.authority = section{}
	return true
}

func (s section) all(rtype uint16) bool {
	for _, rr := range s {
		if rr.Header().Rrtype != rtype {
			return false
		}
	}
	return len(s) > 0
}

// dropAddresses removes a name's addresses that only the peer adds.
func (c *comparison) dropAddresses(name string) {
	for key, rr := range c.theirs.additional {
		if sameName(rr.Header().Name, name) && c.ours.additional[key] == nil {
			delete(c.theirs.additional, key)
		}
	}
}

func sameName(a, b string) bool { return dns.CanonicalName(a) == dns.CanonicalName(b) }

// noSVCB: NSD adds nothing for the targets of SVCB and HTTPS (RFC 9460 section 4.1
// asks for it).
func noSVCB(c *comparison) bool {
	if c.qtype != dns.TypeSVCB && c.qtype != dns.TypeHTTPS || len(c.ours.answer) == 0 {
		return false
	}
	changed := false
	for key, rr := range c.ours.additional {
		if c.theirs.additional[key] == nil && bindsTo(c.ours.answer, rr.Header().Name) {
			c.theirs.additional[key], changed = rr, true
		}
	}
	return changed
}

func bindsTo(s section, name string) bool {
	for _, rr := range s {
		var svcb *dns.SVCB
		switch rr := rr.(type) {
		case *dns.SVCB:
			svcb = rr
		case *dns.HTTPS:
			svcb = &rr.SVCB
		default:
			continue
		}
		if sameName(svcb.Target, name) || svcb.Target == "." && sameName(svcb.Hdr.Name, name) {
			return true
		}
	}
	return false
}

// repeatedSVCB: Knot repeats the answer's own RRset in the additional section
// when the target is the owner.
func repeatedSVCB(c *comparison) bool {
	changed := false
	for key, rr := range c.theirs.additional {
		if c.theirs.answer[key] != nil && (rr.Header().Rrtype == dns.TypeSVCB || rr.Header().Rrtype == dns.TypeHTTPS) {
			delete(c.theirs.additional, key)
			c.theirs.twice, changed = "", true
		}
	}
	return changed
}

// sameWildcard: we do not add to a wildcard's SVCB what the same wildcard says of
// the target (RFC 9460 section 4.1 is a SHOULD; the client has the record).
func sameWildcard(c *comparison) bool {
	changed := false
	for key, rr := range c.theirs.additional {
		if c.ours.additional[key] != nil {
			continue
		}
		for _, a := range c.ours.answer {
			same := dns.Copy(a)
			same.Header().Name = rr.Header().Name
			if textOf(same) == key {
				delete(c.theirs.additional, key)
				changed = true
			}
		}
	}
	return changed
}

// ownerSVCB: Knot adds no addresses for the TargetName ".", which is the owner
// (RFC 9460 sections 2.5.2 and 4.1).
func ownerSVCB(c *comparison) bool {
	changed := false
	for key, rr := range c.ours.additional {
		if c.theirs.additional[key] != nil {
			continue
		}
		for _, a := range c.ours.answer {
			if (a.Header().Rrtype == dns.TypeSVCB || a.Header().Rrtype == dns.TypeHTTPS) && sameName(a.Header().Name, rr.Header().Name) {
				c.theirs.additional[key], changed = rr, true
			}
		}
	}
	return changed
}

// glueForOthers: Knot adds addresses from below a cut to MX, SRV and SVCB, while
// glue is "only used as part of a referral response" (RFC 1034 section 4.2.1).
func glueForOthers(c *comparison) bool {
	changed := false
	for key, rr := range c.theirs.additional {
		if c.ours.additional[key] != nil || c.answers(dns.TypeNS) {
			continue
		}
		if c.belowCut(dns.CanonicalName(rr.Header().Name)) {
			delete(c.theirs.additional, key)
			changed = true
		}
	}
	return changed
}

// belowCut tells whether a zone has a cut at or above the name.
func (c *comparison) belowCut(name string) bool {
	for z := c.zoneOf(name); z != nil; z = z.outer {
		if z.cut(name) != "" {
			return true
		}
	}
	return false
}

// wildcardOwner: of addresses that a wildcard gives in the additional section Knot
// keeps the wildcard's own name, and NSD all but the first label of what the
// wildcard stood for. The owner is the name that was looked for (RFC 4592 section 3.3.1).
func wildcardOwner(c *comparison) bool {
	changed := false
	for key, rr := range c.theirs.additional {
		for ours, as := range c.ours.additional {
			if c.theirs.additional[ours] != nil || !c.misnames(rr.Header().Name, as.Header().Name) {
				continue
			}
			as = dns.Copy(as)
			as.Header().Name = rr.Header().Name
			if textOf(as) == key {
				delete(c.theirs.additional, key)
				c.theirs.additional[ours], changed = as, true
			}
		}
	}
	return changed
}

// misnames tells whether the peer makes got of want, which a wildcard answers.
func (c *comparison) misnames(got, want string) bool {
	got, want = dns.CanonicalName(got), dns.CanonicalName(want)
	parent, z := above(got), c.zoneOf(want)
	if z == nil || got == want || !dns.IsSubDomain(parent, want) || !z.exists("*."+parent) {
		return false
	}
	return got == "*."+parent || strings.TrimSuffix(got, parent) == strings.TrimSuffix(want, above(want))
}

// childForGlue: for a server inside a zone of ours below the cut we give what that
// zone says, not the glue beside the cut: it is the authority (RFC 2181 section 5.4.1).
func childForGlue(c *comparison) bool {
	changed := false
	for _, only := range []struct{ from, other section }{{c.theirs.additional, c.ours.additional}, {c.ours.additional, c.theirs.additional}} {
		for key, rr := range only.from {
			z := c.zoneOf(rr.Header().Name)
			if only.other[key] == nil && z != nil && z.outer != nil && c.refersInto(z) {
				delete(only.from, key)
				changed = true
			}
		}
	}
	return changed
}

// refersInto tells whether our answer names servers inside z and is not itself z's.
func (c *comparison) refersInto(z *drawn) bool {
	for _, s := range []section{c.ours.answer, c.ours.authority} {
		for _, rr := range s {
			if ns, ok := rr.(*dns.NS); ok && dns.IsSubDomain(z.apex, ns.Ns) && !dns.IsSubDomain(z.apex, rr.Header().Name) {
				return true
			}
		}
	}
	return false
}

func (c *comparison) answers(rtype uint16) bool {
	for _, rr := range c.ours.answer {
		if rr.Header().Rrtype == rtype {
			return true
		}
	}
	return len(c.ours.authority) > 0
}

// tooLong: where a DNAME makes a name too long, Knot goes on with what it has of the
// name, to NXDOMAIN or a referral. RFC 6672 section 2.2 has YXDOMAIN, and no more.
func tooLong(c *comparison) bool {
	if c.ours.rcode != dns.RcodeYXDomain || c.theirs.rcode != dns.RcodeNameError && c.theirs.rcode != dns.RcodeYXDomain {
		return false
	}
	c.theirs.rcode, c.theirs.authority, c.theirs.additional = dns.RcodeYXDomain, section{}, section{}
	return true
}

// zoneOf is the innermost drawn zone around a name.
func (c *comparison) zoneOf(name string) (found *drawn) {
	for _, z := range c.zones {
		if dns.IsSubDomain(z.apex, name) && (found == nil || len(z.apex) > len(found.apex)) {
			found = z
		}
	}
	return found
}

// outerNames: NSD keeps nested zones in one tree, so that a name that only the
// outer zone holds, below the cut, exists in the inner zone, too. The cut ends
// what the outer zone may say (RFC 1034 section 4.2.1, RFC 4592 section 2.2.2).
func outerNames(c *comparison) bool {
	end, _ := c.theirs.end(c.q.name, c.qtype)
	if c.theirs.authority.all(dns.TypeSOA) && c.confused(end) {
		c.theirs = c.ours
		return true
	}
	changed := false
	for key, rr := range c.ours.additional {
		if c.theirs.additional[key] == nil && c.confused(dns.CanonicalName(rr.Header().Name)) {
			c.theirs.additional[key], changed = rr, true
		}
	}
	return changed
}

func (c *comparison) confused(name string) bool {
	inner := c.zoneOf(name)
	return inner != nil && inner.outer != nil && inner.outer.confuses(inner, name)
}

// confuses reports whether z holds the name, one above it or a wildcard for it
// inside the inner zone, which does not.
func (z *drawn) confuses(inner *drawn, name string) bool {
	for at := name; at != inner.apex && at != ""; at = above(at) {
		wild := "*." + above(at)
		if z.exists(at) && !inner.exists(at) || z.exists(wild) && !inner.exists(wild) {
			return true
		}
	}
	return false
}

// unseenWildcard: NSD does not find a wildcard beside labels that sort before
// "*", now and then.
func unseenWildcard(c *comparison) bool {
	end, _ := c.theirs.end(c.q.name, c.qtype)
	z := c.zoneOf(end)
	if z == nil || !c.theirs.authority.all(dns.TypeSOA) {
		return false
	}
	for at := above(end); ; at = above(at) {
		if z.exists(at) {
			if !z.exists("*."+at) || !z.exists(`\000x.`+at) {
				return false
			}
			c.theirs = c.ours
			return true
		}
		if at == z.apex {
			return false
		}
	}
}

func (z *drawn) exists(name string) bool { return len(z.types[name]) > 0 || z.kids[name] }
