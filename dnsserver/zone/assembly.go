package zone

import (
	"bytes"
	"hash/maphash"
	"iter"
	"slices"

	"github.com/miekg/dns"
)

// maxRRset bounds an RRset, in octets with compressed owners: what fits in one
// message of 65535 beside header, question and OPT.
const maxRRset = 65000

// record is one resource record with its place. Its data is packed without
// compression.
type record struct {
	data  []byte
	at    pos
	ttl   uint32
	rtype uint16
}

// assembly is a zone while it is made.
type assembly struct {
	src    *Source
	rep    *report
	name   string // wire form
	at     pos    // for problems of the zone as a whole
	apex   *draft
	drafts map[string]*draft
	order  []*draft // parents before children
	room   []draft  // for the next drafts
	octets []byte   // for the data of the next records
	outer  *assembly
	inner  []*assembly
	lost   lost
	built  *Zone
}

// draft is a node while it is made.
type draft struct {
	name     string // wire form
	parent   *draft
	records  []record
	steered  *SteeredName
	redirect *draft // the nearest DNAME owner strictly above
	cut      *draft // the highest zone cut at or above
	wild     *draft // the child "*"
	node     *Node  // once published
}

// String gives the name in presentation form.
func (d *draft) String() string { return NameString([]byte(d.name)) }

func newAssembly(src *Source, name string, rep *report, at pos) *assembly {
	a := &assembly{src: src, rep: rep, name: name, at: at, drafts: map[string]*draft{}}
	a.apex = a.ensure(name)
	return a
}

// String gives the zone's name in presentation form.
func (a *assembly) String() string { return a.apex.String() }

// ensure returns the draft of a name within the zone; it makes it, and those
// between it and the apex, if need be.
func (a *assembly) ensure(name string) *draft {
	if d := a.drafts[name]; d != nil {
		return d
	}
	var parent *draft
	if name != a.name {
		up, _ := parentName(name)
		parent = a.ensure(up)
	}
	if len(a.room) == 0 {
		a.room = make([]draft, min(max(16, len(a.order)), 4096))
	}
	d := &a.room[0]
	a.room = a.room[1:]
	d.name, d.parent = name, parent
	a.drafts[name] = d
	a.order = append(a.order, d)
	return d
}

// add takes a record of owner, and copies its data.
func (a *assembly) add(owner string, r record) {
	if len(a.octets) < len(r.data) {
		a.octets = make([]byte, max(64<<10, len(r.data)))
	}
	n := copy(a.octets, r.data)
	r.data, a.octets = a.octets[:n:n], a.octets[n:]
	d := a.ensure(owner)
	d.records = append(d.records, r)
}

// first returns the first record of a type, or nil.
func (d *draft) first(rtype uint16) *record {
	for i := range d.records {
		if d.records[i].rtype == rtype {
			return &d.records[i]
		}
	}
	return nil
}

func (d *draft) has(rtype uint16) bool { return d.first(rtype) != nil }

// complete sorts records into RRsets and links the drafts.
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
			a.steeredProblem(s, "keep one of them", "%s is already steered in %s line %d", d, other.File, other.Line)
			continue
		}
		d.steered = s
	}
}

func (a *assembly) steeredProblem(s *SteeredName, fix, format string, args ...any) {
	a.rep.addIn(s.File, pos{int32(s.Line), int32(s.Col)}, fix, format, args...)
}

// collect sorts a draft's records by type and drops duplicates.
func (a *assembly) collect(d *draft) {
	if len(d.records) < 2 {
		return
	}
	slices.SortStableFunc(d.records, func(x, y record) int { return int(x.rtype) - int(y.rtype) })
	kept := d.records[:0]
	for set := range d.sets() {
		kept = append(kept, a.distinct(d, set)...)
	}
	d.records = kept
}

// sets yields the runs of records of one type.
func (d *draft) sets() iter.Seq[[]record] {
	return func(yield func([]record) bool) {
		for rest := d.records; len(rest) > 0; {
			n := 1
			for n < len(rest) && rest[n].rtype == rest[0].rtype {
				n++
			}
			set := rest[:n]
			if rest = rest[n:]; !yield(set) {
				return
			}
		}
	}
}

// distinct gives the records of one RRset without duplicates (RFC 2181 section 5),
// and reports what cannot be one RRset.
func (a *assembly) distinct(d *draft, set []record) []record {
	kept, size := make([]record, 0, len(set)), 0
	seen := newDuplicates(len(set))
	head, rtype := set[0], dns.Type(set[0].rtype)
	for i := range set {
		r := &set[i]
		twice := seen.add(r)
		if i > 0 && single(r.rtype) && !twice {
			a.rep.add(r.at, "keep one of them", "%s has several %s records; the first is on line %d", d, rtype, head.at.line)
		} else if r.ttl != head.ttl {
			a.rep.add(r.at, "give all records of one name and type the same TTL, RFC 2181 section 5.2",
				"%s %s has TTL %d here and %d on line %d", d, rtype, r.ttl, head.ttl, head.at.line)
		}
		if twice {
			continue
		}
		const fixed = 12 // compressed owner, type, class, TTL, length
		size += fixed + len(r.data)
		kept = append(kept, *r)
	}
	if size > maxRRset {
		a.rep.add(head.at, "use fewer or shorter records", "the %s records of %s take %d octets and do not fit in one message", rtype, d, size)
	}
	return kept
}

// single reports whether a name can have only one record of the type
// (RFC 1034 section 3.6.2, RFC 1035 section 5.2, RFC 6672 section 2).
func single(rtype uint16) bool {
	return rtype == dns.TypeSOA || rtype == dns.TypeCNAME || rtype == dns.TypeDNAME
}

// duplicates finds records that say the same, in time linear in their number.
type duplicates struct {
	buckets map[uint64][]*record // nil for a single record
	seed    maphash.Seed
}

func newDuplicates(records int) duplicates {
	if records < 2 {
		return duplicates{}
	}
	return duplicates{buckets: map[uint64][]*record{}, seed: maphash.MakeSeed()}
}

// add reports whether an equal record of the same type was added before. Names in
// data are compared without regard to case, text is not.
func (d *duplicates) add(r *record) bool {
	if d.buckets == nil {
		return false
	}
	key := maphash.Bytes(d.seed, bytes.ToLower(r.data))
	for _, other := range d.buckets[key] {
		if bytes.Equal(r.data, other.data) || dns.IsDuplicate(unpack(".", r.rtype, 0, r.data), unpack(".", r.rtype, 0, other.data)) {
			return true
		}
	}
	d.buckets[key] = append(d.buckets[key], r)
	return false
}

// link sets what depends on the names above; the parent is linked already.
func (d *draft) link() {
	if d.parent == nil {
		return
	}
	if isWildcard(d.name) {
		d.parent.wild = d
	}
	d.redirect = d.parent.redirect
	if d.parent.has(dns.TypeDNAME) {
		d.redirect = d.parent
	}
	d.cut = d.parent.cut
	if d.cut == nil && d.has(dns.TypeNS) {
		d.cut = d
	}
}
