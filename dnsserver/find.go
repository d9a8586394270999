package dnsserver

import (
	"bytes"
	"net/netip"

	"github.com/steerdns/steerdns/dnsserver/wire"
	"github.com/steerdns/steerdns/dnsserver/zone"
	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/regions/steering"
)

// hit is the answer found for one query.
type hit struct {
	c     *compiled
	zone  int    // index of the zone asked, -1 when none
	node  uint32 // of the zones that answered; 0 when none did
	scope uint8  // for the Client Subnet option of the reply

	serials []uint32 // of the zones, for a SOA in c
	ede     uint16   // extended error code plus one (RFC 8914); 0: none
}

// Answers without records.
var (
	servFail = &compiled{rcode: wire.RcodeServFail, service: -1, region: -1}
)

// find finds the answer to a well-formed query of class IN. h is a hit of no
// zone.
func (v *View) find(q *wire.Query, client netip.Addr, h *hit) {
	s := start{res: v.zones.Lookup(q.Name(), q.QType), qtype: q.QType}
	if s.res.Outcome == zone.Refused {
		h.c = &refusedZone
		return
	}
	h.zone, h.node, h.serials = s.res.Zone.Index, s.res.Node.ID, v.serials
	steered := false
	switch s.res.Outcome {
	case zone.Steered:
		steered = true
	case zone.NoData, zone.NameError:
		h.c = v.statics.negative(&s)
	case zone.Redirect: // the names below a DNAME are without bound: nothing is kept
	default:
		h.c, steered = v.statics.answer(&s)
	}
	if steered {
		h.c, h.scope = v.steer(&s, &q.EDNS.ECS, client)
	}
	if h.c == nil {
		h.c, h.scope = v.once(s, q, client)
	}
}

// clientCell is where a client is, as far as an answer may depend on it.
type clientCell struct {
	cell geo.Cell
	addr netip.Addr // its variant counts where the cell's clients get different answers
	bits uint8      // of the prefix for which cell holds, in the option's family
	per  uint8      // bits of the prefix for which the variant holds, in the option's family
}

// locate finds the client by its Client Subnet option, or by its own address
// when there is none or SOURCE is 0 (RFC 7871 7.1.2 and 7.2.1).
func (v *View) locate(ecs *wire.ECS, client netip.Addr) clientCell {
	if !ecs.Present || ecs.Source == 0 {
		cell, _ := v.atlas.Locate(client)
		return clientCell{cell: cell, addr: client}
	}
	c := clientCell{addr: ecs.Addr, per: steering.VariantBits6}
	c.cell, c.bits = v.atlas.LocatePrefix(ecs.Prefix())
	if ecs.Family == 1 {
		c.per = steering.VariantBits4
	} else if ecs.Addr.Is4In6() && ecs.Source >= 96 {
		c.bits, c.per = c.bits+96, steering.VariantBits4+96 // an IPv4 prefix written as IPv6
	}
	return c
}

// steer finds the answer of a service, and the scope for which it holds
// (RFC 7871 7.2.1): the cell's prefix, or the variant's where the cell's
// clients get different answers; never longer than SOURCE. A negative answer
// has scope 0 (RFC 7871 7.4).
func (v *View) steer(s *start, ecs *wire.ECS, client netip.Addr) (*compiled, uint8) {
	at := v.locate(ecs, client)
	c, varies := v.rows.find(s, &at)
	if c == nil {
		return nil, 0
	}
	return c, at.scope(c, varies, ecs)
}

func (at clientCell) scope(c *compiled, varies bool, ecs *wire.ECS) uint8 {
	if !c.tailored {
		return 0
	}
	scope := at.bits
	if varies {
		scope = max(scope, at.per)
	}
	return min(scope, ecs.Source)
}

// once makes an answer that is not kept, because names or types like this
// are without bound. The work is bounded by maxHops.
func (v *View) once(s start, q *wire.Query, client netip.Addr) (*compiled, uint8) {
	at := v.locate(&q.EDNS.ECS, client)
	owner := bytes.Clone(q.Name())
	c, err := compile(s.qtype, [][]byte{owner}, func(owner []byte) *plan {
		return v.rows.plan(owner, s, v.atlas.Place(at.cell), steering.VariantOf(at.addr))
	})
	if err != nil {
		return servFail, 0
	}
	return c, at.scope(c, true, &q.EDNS.ECS)
}
