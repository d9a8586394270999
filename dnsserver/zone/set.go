// Package zone keeps zones as data: names, cuts, wildcards, static records and
// the names that are steered. Build makes an immutable Set out of master-file
// text (RFC 1035 section 5) and reports every problem at once; Lookup finds, for
// a name and a type, one of a closed set of outcomes (RFC 1034 section 4.3.2 with
// RFC 2308, RFC 4592 and RFC 6672). What a steered name answers is decided
// elsewhere; this package only says which service it is.
package zone

import (
	"github.com/miekg/dns"
)

// Outcome says how a question is to be answered.
type Outcome uint8

const (
	// Refused: the name lies in no zone of the set.
	Refused Outcome = iota
	// Found: Result.RRset gives the records of the type asked for. For ANY it
	// gives one RRset of the node (RFC 8482 section 4.1); Node.Types lists all.
	Found
	// Steered: the answer is a decision about Result.Service. At an address
	// service this is A and AAAA, HTTPS and SVCB if it publishes them, and ANY when
	// the node has no static records;
	// at a service of alias targets it is every type, CNAME and ANY included.
	Steered
	// Alias: the node has a static CNAME and another type was asked for.
	Alias
	// Redirect: a DNAME strictly above the name (RFC 6672).
	Redirect
	// Delegation: the name is at or below a zone cut, whether it exists there or not.
	// DS at the cut itself is answered by the parent's side instead (RFC 4035 section 3.1.4.1).
	Delegation
	// NoData: the name exists, the type does not (RFC 2308 section 2.2).
	NoData
	// NameError: the name does not exist and no wildcard stands in for it (RFC 2308 section 2.1).
	NameError
)

// String gives the outcome's name as in the constants.
func (o Outcome) String() string {
	names := [...]string{"Refused", "Found", "Steered", "Alias", "Redirect", "Delegation", "NoData", "NameError"}
	if int(o) < len(names) {
		return names[o]
	}
	return "Outcome?"
}

// Result is what Lookup found. Everything it points to is shared and immutable.
type Result struct {
	Outcome Outcome
	Zone    *Zone // nil when Refused
	// Node answers: the exact node, the wildcard, the cut, or the DNAME's owner.
	// For NameError it is the closest encloser. Nil when Refused.
	Node *Node
	// Wildcard: Node is a wildcard that stands in for the name asked for, so the
	// owner of what is answered is that name (RFC 4592 section 3.3.1).
	Wildcard bool
	Service  int // Steered: the service; otherwise -1

	set *rrset
}

// RRset makes the records of the outcome anew for the caller: the answer (Found),
// the CNAME (Alias), the DNAME (Redirect) or the cut's NS (Delegation); nil
// otherwise. Their owner is the node's name.
func (r Result) RRset() []dns.RR {
	if r.set == nil {
		return nil
	}
	return r.Zone.unpack(r.set, r.Node.String())
}

// Set is all zones of an instance, immutable after Build.
type Set struct {
	zones []*Zone
	nodes []Node // of all zones, by ID
	// index finds every node by its wire name. Where one of our zones lies
	// inside another, names at and below the inner apex are the inner zone's.
	index     index
	maxLabels int // labels of the deepest node
}

// Zone is one zone of the set.
type Zone struct {
	Name  []byte // apex, lower-case wire form; shared
	Index int    // position in Set.Zones
	// Counted: the SOA's serial is only where the fleet begins to count, since the
	// zone changes by itself.
	Counted bool

	apex  *Node
	soa   *dns.SOA
	name  string
	nodes []Node  // all of the zone, in canonical order; a part of Set.nodes
	sets  []rrset // of all nodes, in their order
	blob  []byte  // names of the nodes, and data of the sets
	// outer is set when the zone lies inside another one of the set: the outer
	// zone's node of the same name, which answers for DS.
	outer *Node
}

// String gives the zone's name in presentation form.
func (z *Zone) String() string { return z.name }

// SOA returns the zone's start of authority; shared, not to be changed.
func (z *Zone) SOA() *dns.SOA { return z.soa }

// NS makes the apex NS RRset anew for the caller.
func (z *Zone) NS() []dns.RR { return z.apex.RRset(dns.TypeNS) }

// Apex returns the node of the zone's own name.
func (z *Zone) Apex() *Node { return z.apex }

// NegativeTTL is the TTL of negative answers in seconds: the smaller of the SOA's
// TTL and its MINIMUM field (RFC 2308 section 3).
func (z *Zone) NegativeTTL() uint32 { return min(z.soa.Hdr.Ttl, z.soa.Minttl) }

// Node is one existing name of a zone; empty non-terminals are nodes too.
type Node struct {
	Name    []byte // lower-case wire form; shared
	Zone    *Zone
	Cut     *Node  // the highest zone cut at or above this name, or nil; glue has one
	Service int    // service steered at this name, or -1
	ID      uint32 // dense: 0 … Set.Nodes()-1 over all zones
	Alias   bool   // the service is one of alias targets
	HTTPS   bool   // the service answers HTTPS
	SVCB    bool   // the service answers SVCB

	dname bool   // has a DNAME
	count uint16 // of its RRsets
	first uint32 // of its RRsets, in Zone.sets
	// wild is the child node "*", which stands in for names that do not exist
	// below this one (RFC 4592 section 3.3.1: this node is the closest encloser).
	wild *Node
}

// String gives the node's name in presentation form.
func (n *Node) String() string { return NameString(n.Name) }

// HasCNAME reports whether the node has a static CNAME.
func (n *Node) HasCNAME() bool { return n.set(dns.TypeCNAME) != nil }

// Apex reports whether the node is its zone's apex.
func (n *Node) Apex() bool { return n.Zone.apex == n }

// Empty reports whether the node is an empty non-terminal.
func (n *Node) Empty() bool { return n.count == 0 && n.Service < 0 }

// Nodes is the number of nodes; each ID is below it.
func (s *Set) Nodes() int { return len(s.nodes) }

// Zones lists the zones by Index; shared, not to be changed.
func (s *Set) Zones() []*Zone { return s.zones }
