package zone

import (
	"bytes"
	"hash/maphash"
	"slices"

	"github.com/miekg/dns"
)

// maxRRset bounds an RRset, in octets with compressed owners: what fits in one
// message of 65535 beside header, question and OPT.
const maxRRset = 65000

// assembly is a zone while it is made.
type assembly struct {
	src    *Source
	rep    *report
	name   string // wire form
	at     pos    // for problems of the zone as a whole
	built  *Zone
	apex   *draft
	drafts map[string]*draft
	order  []*draft // parents before children
	outer  *assembly
	inner  []*assembly
	lost   lost
}

// draft is a node while it is made.
type draft struct {
	name    string
	node    *Node
	parent  *draft
	records []record
	steered *SteeredName
	// redirect is the nearest DNAME owner strictly above.
	redirect *draft
}

func newAssembly(src *Source, name string, rep *report, at pos) *assembly {
	wire := []byte(name)
	a := &assembly{src: src, rep: rep, name: name, at: at, drafts: map[string]*draft{}}
	a.built = &Zone{Name: wire, name: NameString(wire), Counted: src.Counted}
	a.apex = a.ensure(name)
	a.built.apex = a.apex.node
	return a
}

// ensure returns the draft of a name within the zone; it makes it, and those
// between it and the apex, if need be.
func (a *assembly) ensure(name string) *draft {
	if d := a.drafts[name]; d != nil {
		return d
	}
	d := &draft{name: name, node: &Node{Name: []byte(name), Service: -1, Zone: a.built}}
	if name != a.name {
		up, _ := parentName(name)
		d.parent = a.ensure(up)
		d.node.parent = d.parent.node
	}
	a.drafts[name] = d
	a.order = append(a.order, d)
	return d
}

func (a *assembly) add(r record) {
	d := a.ensure(r.owner)
	d.records = append(d.records, r)
}

// first returns the first record of a type, or nil.
func (d *draft) first(rtype uint16) *record {
	for i := range d.records {
		if d.records[i].rr.Header().Rrtype == rtype {
			return &d.records[i]
		}
	}
	return nil
}

// complete turns records into RRsets and links the nodes.
func (a *assembly) complete() {
	a.addSteered()
	for _, d := range a.order {
		a.collect(d)
	}
	for _, d := range a.order {
		d.link()
	}
}

// addSteered marks the names that services answer.
func (a *assembly) addSteered() {
	for i := range a.src.Steered {
		s := &a.src.Steered[i]
		wire, err := PackName(s.Name)
		if err != nil {
			a.steeredProblem(s, "correct the name", "steered name %q: %v", clip(s.Name), err)
			continue
		}
		if !within(string(wire), a.name) {
			a.steeredProblem(s, "give the service a name of this zone, or define its zone", "steered name %s lies outside the zone", NameString(wire))
			continue
		}
		d := a.ensure(string(wire))
		if other := d.steered; other != nil {
			a.steeredProblem(s, "keep one of them", "%s is already steered in %s line %d", d.node, other.File, other.Line)
			continue
		}
		d.steered, d.node.Service, d.node.Alias = s, s.Service, s.Alias
		d.node.HTTPS, d.node.SVCB = s.HTTPS, s.SVCB
	}
}

func (a *assembly) steeredProblem(s *SteeredName, fix, format string, args ...any) {
	a.rep.addIn(s.File, pos{int32(s.Line), int32(s.Col)}, fix, format, args...)
}

// collect sorts a draft's records into RRsets and drops duplicates.
func (a *assembly) collect(d *draft) {
	slices.SortStableFunc(d.records, func(x, y record) int {
		return int(x.rr.Header().Rrtype) - int(y.rr.Header().Rrtype)
	})
	for from := 0; from < len(d.records); {
		to, rtype := from+1, d.records[from].rr.Header().Rrtype
		for to < len(d.records) && d.records[to].rr.Header().Rrtype == rtype {
			to++
		}
		rrs := a.distinct(d, d.records[from:to])
		d.node.sets = append(d.node.sets, rrset{rtype, rrs})
		d.node.dname = d.node.dname || rtype == dns.TypeDNAME
		from = to
	}
	d.node.sets = slices.Clip(d.node.sets)
}

// distinct gives the records of one RRset without duplicates (RFC 2181 section 5),
// and reports what cannot be one RRset.
func (a *assembly) distinct(d *draft, records []record) []dns.RR {
	rrs, size := make([]dns.RR, 0, len(records)), 0
	seen := newDuplicates(len(records))
	head, rtype := records[0], records[0].rr.Header().Rrtype
	for i, r := range records {
		if seen.add(r.rr) {
			continue
		}
		if ttl := head.rr.Header().Ttl; i > 0 && single(rtype) {
			a.rep.add(r.at, "keep one of them", "%s has several %s records; the first is on line %d", d.node, dns.Type(rtype), head.at.line)
		} else if r.rr.Header().Ttl != ttl {
			a.rep.add(r.at, "give all records of one name and type the same TTL, RFC 2181 section 5.2",
				"%s %s has TTL %d here and %d on line %d", d.node, dns.Type(rtype), r.rr.Header().Ttl, ttl, head.at.line)
		}
		size += r.size
		rrs = append(rrs, r.rr)
	}
	if size > maxRRset {
		a.rep.add(head.at, "use fewer or shorter records", "the %s records of %s take %d octets and do not fit in one message", dns.Type(rtype), d.node, size)
	}
	return slices.Clip(rrs)
}

// single reports whether a name can have only one record of the type
// (RFC 1034 section 3.6.2, RFC 1035 section 5.2, RFC 6672 section 2).
func single(rtype uint16) bool {
	return rtype == dns.TypeSOA || rtype == dns.TypeCNAME || rtype == dns.TypeDNAME
}

// duplicates finds records that say the same, in time linear in their number.
type duplicates struct {
	buckets map[uint64][]dns.RR // nil for a single record
	seed    maphash.Seed
	wire    []byte
}

func newDuplicates(records int) duplicates {
	if records < 2 {
		return duplicates{}
	}
	return duplicates{buckets: map[uint64][]dns.RR{}, seed: maphash.MakeSeed()}
}

// add reports whether an equal record was added before.
func (d *duplicates) add(rr dns.RR) bool {
	if d.buckets == nil {
		return false
	}
	if need := dns.Len(rr) + 1; len(d.wire) < need {
		d.wire = make([]byte, 2*need)
	}
	n, err := dns.PackRR(rr, d.wire, 0, nil, false)
	if err != nil {
		return false // it was packed before; nothing to compare
	}
	key := maphash.Bytes(d.seed, bytes.ToLower(d.wire[:n]))
	for _, other := range d.buckets[key] {
		if dns.IsDuplicate(rr, other) {
			return true
		}
	}
	d.buckets[key] = append(d.buckets[key], rr)
	return false
}

// link sets what depends on the nodes above; the parent is linked already.
func (d *draft) link() {
	if d.parent == nil {
		return
	}
	if isWildcard(d.name) {
		d.parent.node.wild = d.node
	}
	d.redirect = d.parent.redirect
	if d.parent.node.dname {
		d.redirect = d.parent
	}
	d.node.Cut = d.parent.node.Cut
	if d.node.Cut == nil && d.node.RRset(dns.TypeNS) != nil {
		d.node.Cut = d.node
	}
}
