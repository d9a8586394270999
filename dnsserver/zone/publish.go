package zone

import (
	"encoding/binary"
	"slices"

	"github.com/miekg/dns"
)

// publish makes the set of what was read and found right.
func (b *builder) publish() *Set {
	total := 0
	for _, a := range b.assemblies {
		total += len(a.order)
	}
	s := &Set{nodes: make([]Node, total), index: newIndex(total)}
	next := 0
	for i, a := range b.assemblies {
		nodes := s.nodes[next : next+len(a.order) : next+len(a.order)]
		a.publish(i, nodes, uint32(next))
		s.zones = append(s.zones, a.built)
		next += len(a.order)
	}
	for _, a := range b.assemblies {
		if a.outer != nil {
			a.built.outer = a.outer.drafts[a.name].node
		}
		for _, d := range a.order {
			if b.hiding(a, d.name) == nil {
				*s.index.find(s.nodes, d.node.Name) = d.node.ID + 1
				s.maxLabels = max(s.maxLabels, countLabels(d.name))
			}
		}
	}
	return s
}

// publish fills the zone's nodes, whose IDs count from first, in canonical order.
func (a *assembly) publish(index int, nodes []Node, first uint32) {
	slices.SortFunc(a.order, compareDrafts)
	sets, octets := a.extent()
	z := &Zone{Index: index, Counted: a.src.Counted, name: a.String(),
		nodes: nodes, sets: make([]rrset, 0, sets), blob: make([]byte, 0, octets)}
	for i, d := range a.order {
		d.node = &nodes[i]
		z.fill(d)
		d.node.ID = first + uint32(i)
	}
	for _, d := range a.order {
		if d.cut != nil {
			d.node.Cut = d.cut.node
		}
		if d.wild != nil {
			d.node.wild = d.wild.node
		}
	}
	z.apex = a.apex.node
	z.Name = z.apex.Name
	z.soa = z.apex.RRset(dns.TypeSOA)[0].(*dns.SOA)
	a.built = z
}

// extent counts the zone's RRsets, and the octets of its names and data.
func (a *assembly) extent() (sets, octets int) {
	for _, d := range a.order {
		octets += len(d.name)
		for set := range d.sets() {
			sets++
			for i := range set {
				octets += 2 + len(set[i].data)
			}
		}
	}
	return sets, octets
}

// fill publishes one draft. The blob has room, so that slices of it stay.
func (z *Zone) fill(d *draft) {
	n, at := d.node, len(z.blob)
	z.blob = append(z.blob, d.name...)
	n.Name, n.Zone, n.Service = z.blob[at:len(z.blob):len(z.blob)], z, -1
	if s := d.steered; s != nil {
		n.Service, n.Alias, n.HTTPS, n.SVCB = s.Service, s.Alias, s.HTTPS, s.SVCB
	}
	n.first, n.dname = uint32(len(z.sets)), d.has(dns.TypeDNAME)
	for set := range d.sets() {
		z.sets = append(z.sets, rrset{rtype: set[0].rtype, count: uint16(len(set)), ttl: set[0].ttl, off: uint32(len(z.blob))})
		for i := range set {
			z.blob = binary.BigEndian.AppendUint16(z.blob, uint16(len(set[i].data)))
			z.blob = append(z.blob, set[i].data...)
		}
		n.count++
	}
}
