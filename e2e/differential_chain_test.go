//go:build e2e

package e2e

import (
	"slices"

	"github.com/miekg/dns"
)

// resume: a server may stop following aliases where it likes (RFC 1034 section
// 4.3.2 step 3a restarts "if appropriate"; resolvers go on by themselves). The
// rest, asked of the same server, has to fit.
func resume(c *comparison) bool {
	ours, theirs := c.ours.path(c.q.name), c.theirs.path(c.q.name)
	changed := c.resume(c.us, c.ours)
	changed = c.resume(c.peer, c.theirs) || changed
	if n := min(len(ours), len(theirs)); c.ours.grows() && n > 1 && slices.Equal(ours[:n], theirs[:n]) {
		c.theirs, changed = c.ours, true
	}
	return changed
}

// grows tells whether a DNAME leads below itself, so that names become longer until
// they are too long, and servers stop somewhere on the way.
func (f *face) grows() bool {
	for _, rr := range f.answer {
		if d, ok := rr.(*dns.DNAME); ok && dns.IsSubDomain(d.Hdr.Name, d.Target) && !sameName(d.Hdr.Name, d.Target) {
			return true
		}
	}
	return false
}

// path lists the names that aliases lead through.
func (f *face) path(name string) (names []string) {
	for name = dns.CanonicalName(name); !slices.Contains(names, name); {
		names = append(names, name)
		for _, rr := range f.answer {
			if cname, ok := rr.(*dns.CNAME); ok && sameName(cname.Hdr.Name, name) {
				name = dns.CanonicalName(cname.Target)
				break
			}
		}
	}
	return names
}

func (c *comparison) resume(from *asker, f *face) (changed bool) {
	for range transitiveAliasesMost {
		end, open := f.end(c.q.name, c.qtype)
		if !open && !c.leaves(f, end) {
			return changed
		}
		m, err := from.ask(end, c.qtype)
		if err != nil || m.Rcode == dns.RcodeRefused {
			return changed
		}
		next := faceOf(m)
		for key, rr := range next.answer {
			f.answer[key] = rr
		}
		f.rcode, f.authority, f.additional = next.rcode, next.authority, next.additional
		changed = true
	}
	return changed
}

// leaves tells whether a peer's answer ends where another zone that it serves goes
// on: with a referral into an inner zone, or, for DS, at the inner apex.
func (c *comparison) leaves(f *face, end string) bool {
	z := c.zoneOf(end)
	if f != c.theirs || c.peer.name != "knot" || z == nil || z.outer == nil || sameName(end, c.q.name) {
		return false
	}
	for _, rr := range f.authority {
		_, referral := rr.(*dns.NS)
		if referral && sameName(rr.Header().Name, z.apex) || !referral && c.qtype == dns.TypeDS && sameName(end, z.apex) && sameName(rr.Header().Name, z.apex) {
			return true
		}
	}
	return false
}

// end follows the aliases of an answer from a name, and reports whether nothing
// is said of where they lead.
func (f *face) end(name string, qtype uint16) (end string, open bool) {
	aliases, seen := map[string]string{}, map[string]bool{}
	for _, rr := range f.answer {
		if cname, ok := rr.(*dns.CNAME); ok && f.follows(cname, qtype) {
			aliases[dns.CanonicalName(rr.Header().Name)] = dns.CanonicalName(cname.Target)
		}
	}
	end = dns.CanonicalName(name)
	for aliases[end] != "" && !seen[end] {
		seen[end] = true
		end = aliases[end]
	}
	if len(seen) == 0 || seen[end] || f.rcode != dns.RcodeSuccess || len(f.authority) > 0 {
		return end, false
	}
	for _, rr := range f.answer {
		if sameName(rr.Header().Name, end) && (rr.Header().Rrtype == qtype || qtype == dns.TypeANY) {
			return end, false
		}
	}
	return end, true
}

// follows tells whether a query of the type goes on at the CNAME's target: ANY and
// CNAME go on only where a DNAME made it.
func (f *face) follows(cname *dns.CNAME, qtype uint16) bool {
	if qtype != dns.TypeCNAME && qtype != dns.TypeANY {
		return true
	}
	for _, rr := range f.answer {
		if d, ok := rr.(*dns.DNAME); ok && dns.IsSubDomain(d.Hdr.Name, cname.Hdr.Name) && !sameName(d.Hdr.Name, cname.Hdr.Name) {
			return qtype == dns.TypeANY
		}
	}
	return false
}
