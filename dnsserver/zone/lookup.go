package zone

import (
	"github.com/miekg/dns"
)

// Lookup follows RFC 1034 section 4.3.2 for one name and type. name is an
// uncompressed wire name in lower case with its root label; the class is the
// caller's matter. It does not follow aliases. It allocates nothing, and its cost
// grows with the labels of name, up to those of the deepest node.
func (s *Set) Lookup(name []byte, qtype uint16) Result {
	n, exact := s.enclosing(name)
	if n == nil {
		return Result{Outcome: Refused, Service: -1}
	}
	if exact && qtype == dns.TypeDS && n.Zone.outer != nil && n.Apex() {
		n = n.Zone.outer // DS belongs to the parent's side
	}
	switch {
	case n.Cut != nil && !(exact && n.Cut == n && qtype == dns.TypeDS):
		return n.Cut.result(Delegation, n.Cut.set(dns.TypeNS))
	case exact:
		return n.answer(qtype)
	case n.dname:
		return n.result(Redirect, n.set(dns.TypeDNAME))
	case n.wild != nil:
		r := n.wild.answer(qtype)
		r.Wildcard = true
		return r
	}
	return n.result(NameError, nil)
}

// enclosing finds the node of name, or else its closest encloser.
func (s *Set) enclosing(name []byte) (n *Node, exact bool) {
	if n := s.Node(name); n != nil {
		return n, true
	}
	labels := 0
	for off := 0; off < len(name) && name[off] != 0; off += 1 + int(name[off]) {
		labels++
	}
	off := 0
	for ; labels > 0; labels-- {
		off += 1 + int(name[off])
		if labels > s.maxLabels+1 {
			continue // deeper than any node
		}
		if off > len(name) {
			break // not a wire name
		}
		if n := s.Node(name[off:]); n != nil {
			return n, false
		}
	}
	return nil, false
}

// answer is what a node outside any cut says about a type.
func (n *Node) answer(qtype uint16) Result {
	if n.Service >= 0 && n.steers(qtype) {
		r := n.result(Steered, nil)
		r.Service = n.Service
		return r
	}
	if set := n.set(qtype); set != nil {
		return n.result(Found, set)
	}
	if qtype == dns.TypeANY && n.count > 0 {
		return n.result(Found, &n.sets()[0])
	}
	if cname := n.set(dns.TypeCNAME); cname != nil {
		return n.result(Alias, cname)
	}
	return n.result(NoData, nil)
}

// steers reports whether the node's service answers for the type.
func (n *Node) steers(qtype uint16) bool {
	switch qtype {
	case dns.TypeA, dns.TypeAAAA:
		return true
	case dns.TypeHTTPS:
		return n.HTTPS || n.Alias
	case dns.TypeSVCB:
		return n.SVCB || n.Alias
	case dns.TypeANY:
		return n.Alias || n.count == 0
	}
	return n.Alias
}

func (n *Node) result(o Outcome, set *rrset) Result {
	return Result{Outcome: o, Zone: n.Zone, Node: n, Service: -1, set: set}
}

// ZoneOf returns the innermost zone that name, an uncompressed lower-case wire
// name, lies in; nil when there is none.
func (s *Set) ZoneOf(name []byte) *Zone {
	if n, _ := s.enclosing(name); n != nil {
		return n.Zone
	}
	return nil
}

// Node returns the node of exactly this lower-case wire name, occluded ones
// included, or nil.
func (s *Set) Node(name []byte) *Node {
	if slot := *s.index.find(s.nodes, name); slot != 0 {
		return &s.nodes[slot-1]
	}
	return nil
}

// Glue makes, anew for the caller, the static records of a type (A or AAAA) at exactly target, a
// lower-case wire name, also when a cut occludes it: what may be added to a
// referral or to the additional section. Steered addresses and wildcards are not
// among them.
func (s *Set) Glue(target []byte, rtype uint16) []dns.RR {
	if n := s.Node(target); n != nil {
		return n.RRset(rtype)
	}
	return nil
}
