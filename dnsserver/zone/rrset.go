package zone

import (
	"encoding/binary"
	"encoding/hex"
	"iter"
	"slices"

	"github.com/miekg/dns"
)

// rrset is the records of one name and type. Their data, uncompressed as in a
// message (RFC 1035 section 3.2.1: length and data), lies one after the other in
// the zone's blob: a record costs its octets and no pointer.
type rrset struct {
	rtype uint16
	count uint16
	ttl   uint32
	off   uint32 // in Zone.blob
}

// unpack makes the records of s anew, with owner as their name.
func (z *Zone) unpack(s *rrset, owner string) []dns.RR {
	out := make([]dns.RR, s.count)
	off := int(s.off)
	for i := range out {
		n := int(binary.BigEndian.Uint16(z.blob[off:]))
		out[i] = unpack(owner, s.rtype, s.ttl, z.blob[off+2:off+2+n])
		off += 2 + n
	}
	return out
}

// unpack makes a record of packed data, which it does not keep.
func unpack(owner string, rtype uint16, ttl uint32, data []byte) dns.RR {
	h := dns.RR_Header{Name: owner, Rrtype: rtype, Class: dns.ClassINET, Ttl: ttl, Rdlength: uint16(len(data))}
	switch {
	case rtype == dns.TypeA && len(data) == 4:
		return &dns.A{Hdr: h, A: slices.Clone(data)}
	case rtype == dns.TypeAAAA && len(data) == 16:
		return &dns.AAAA{Hdr: h, AAAA: slices.Clone(data)}
	}
	if rr, off, err := dns.UnpackRRWithHeader(h, data, 0); err == nil && off == len(data) {
		return rr
	}
	return &dns.RFC3597{Hdr: h, Rdata: hex.EncodeToString(data)}
}

// RRset makes the static records of one type, or none, anew for the caller.
func (n *Node) RRset(rtype uint16) []dns.RR {
	if s := n.set(rtype); s != nil {
		return n.Zone.unpack(s, n.String())
	}
	return nil
}

// Packed is one static record of a node as it is kept.
type Packed struct {
	Type uint16
	TTL  uint32
	Data []byte // uncompressed; shared, not to be changed
}

// Packed yields the node's static records, types ascending, without making
// records of them: for those who need all of a large zone.
func (n *Node) Packed() iter.Seq[Packed] {
	return func(yield func(Packed) bool) {
		for _, s := range n.sets() {
			off := int(s.off)
			for range s.count {
				end := off + 2 + int(binary.BigEndian.Uint16(n.Zone.blob[off:]))
				if !yield(Packed{s.rtype, s.ttl, n.Zone.blob[off+2 : end : end]}) {
					return
				}
				off = end
			}
		}
	}
}

// set finds the RRset of a type, or nil.
func (n *Node) set(rtype uint16) *rrset {
	for i := range n.sets() {
		if s := &n.sets()[i]; s.rtype == rtype {
			return s
		}
	}
	return nil
}

// sets are the node's RRsets by type, ascending.
func (n *Node) sets() []rrset { return n.Zone.sets[n.first : n.first+uint32(n.count)] }

// Types lists the types of the node's static records, ascending, in a new slice.
func (n *Node) Types() []uint16 {
	types := make([]uint16, n.count)
	for i := range types {
		types[i] = n.sets()[i].rtype
	}
	return types
}
