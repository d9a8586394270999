package dnsserver

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/miekg/dns"

	"github.com/steerdns/steerdns/dnsserver/wire"
	"github.com/steerdns/steerdns/dnsserver/zone"
)

// compiled is one answer as octets: everything after the question. It is
// immutable, and is copied into every reply that it answers.
//
// Compression pointers refer to the question. In an answer for many names (a
// wildcard's, a delegation's, a negative one) the names asked for end alike,
// so with a name that is d octets longer every pointer grows by d, except
// those to the whole name, which begins at octet 12 whatever its length.
type compiled struct {
	body    []byte
	fixups  []uint16 // offsets in body of the pointers to shift
	nameLen int      // of the name that fixups were compiled for
	core    int      // length of body without the additional section
	counts  wire.Counts
	rcode   uint16
	flags   uint16

	serialAt   uint16 // offset in body of a SOA's serial, which is the view's; 0: there is none
	serialZone uint32 // Zone.Index of that SOA

	cuts     []cut  // of the additional section, ascending
	glue     uint16 // how many of its records have to be there, or TC is set
	tailored bool   // a decision: the scope is not 0
	failOpen bool
	service  int32 // index in the world of the view, -1 when no service answered
	region   int32 // of the first address

	reason string // of the decision; "" when no service had a say
	ede    uint16 // extended error plus one (RFC 8914); 0: none
	text   string // and its extra text
}

// start is where an answer begins: what the zones said of a name and a type.
type start struct {
	res   zone.Result
	qtype uint16
}

// tail is the end that all names with this answer share when the answer is
// for many names, nil when it is for the node's name only.
func (s start) tail() []byte {
	switch n := s.res.Node.Name; {
	case s.res.Outcome == zone.NoData, s.res.Outcome == zone.NameError:
		return s.res.Zone.Name
	case s.res.Outcome == zone.Delegation:
		return n
	case len(n) > 2 && n[0] == 1 && n[1] == '*':
		return n[2:]
	}
	return nil
}

// owners are the names to compile s for: one for a single name, two of
// different length for many names, so that comparing both compilations shows
// where the pointers are. None when the tail leaves no room for two.
func (s start) owners() [][]byte {
	tail := s.tail()
	if tail == nil {
		return [][]byte{s.res.Node.Name}
	}
	long := standIn(tail, wire.MaxName)
	short := standIn(tail, wire.MaxName-1)
	if short == nil {
		return nil
	}
	return [][]byte{long, short}
}

// standIn is a name of n octets that ends in tail and in front of it has
// labels that occur nowhere else; nil when there is no room for that.
func standIn(tail []byte, n int) []byte {
	front := n - len(tail)
	if front < 3 {
		return nil
	}
	var rest []byte // full labels right before the tail
	for front > 1+wire.MaxLabel+2 {
		rest = appendFiller(rest, wire.MaxLabel)
		front -= 1 + wire.MaxLabel
	}
	if front > 1+wire.MaxLabel { // two labels share what is left
		rest = appendFiller(rest, wire.MaxLabel/2)
		front -= 1 + wire.MaxLabel/2
	}
	return append(append(appendFiller(nil, front-1), rest...), tail...)
}

func appendFiller(b []byte, n int) []byte {
	b = append(b, byte(n))
	for range n {
		b = append(b, 1)
	}
	return b
}

// compile packs the answer that makePlan gives for each of owners. It fails
// for records that cannot be packed or whose pointers cannot be told.
func compile(qtype uint16, owners [][]byte, makePlan func(owner []byte) *plan) (*compiled, error) {
	if len(owners) == 0 {
		return nil, errNoOwner
	}
	p := makePlan(owners[0])
	c, err := pack(owners[0], qtype, p)
	if err != nil || len(owners) == 1 {
		return c, err
	}
	other, err := pack(owners[1], qtype, makePlan(owners[1]))
	if err != nil {
		return nil, err
	}
	c.fixups, err = pointers(c.body, other.body)
	return c, err
}

var errNoOwner = fmt.Errorf("no room in front of the name")

// pack packs p as the answer to owner and keeps what follows the question.
func pack(owner []byte, qtype uint16, p *plan) (*compiled, error) {
	m := dns.Msg{Compress: true, Answer: p.answer, Ns: p.authority}
	m.Question = []dns.Question{{Name: zone.NameString(owner), Qtype: qtype, Qclass: dns.ClassINET}}
	head := wire.HeaderLen + len(owner) + 4
	core, err := m.Pack()
	if err != nil {
		return nil, err
	}
	whole := core
	if len(p.additional) > 0 {
		m.Extra = p.additional
		if whole, err = m.Pack(); err != nil {
			return nil, err
		}
	}
	c := &compiled{
		body:     append([]byte(nil), whole[head:]...),
		nameLen:  len(owner),
		core:     len(core) - head,
		rcode:    p.rcode,
		glue:     uint16(p.glue),
		tailored: p.tailored,
		failOpen: p.failOpen,
		reason:   p.reason,
		ede:      p.ede,
		text:     p.text,
		service:  int32(p.service),
		region:   int32(p.region),
		counts: wire.Counts{Answer: uint16(len(p.answer)), Authority: uint16(len(p.authority)),
			Additional: uint16(len(p.additional))},
	}
	c.cuts = cutsOf(c.body, c.core, p.additional)
	if p.soa != nil && c.core <= math.MaxUint16 {
		// The SOA is the last record before the additional section, and its
		// serial the first of the five numbers that end it (RFC 1035 3.3.13).
		c.serialAt, c.serialZone = uint16(c.core-20), uint32(p.soa.Index)
	}
	if p.rcode != wire.RcodeServFail && (p.referral == nil || len(p.answer) > 0) {
		c.flags = wire.FlagAA
	}
	return c, nil
}

// pointers finds the compression pointers that depend on the length of the
// name asked for: a was packed for a name one octet longer than b was, so
// exactly these are one more in a than in b.
func pointers(a, b []byte) ([]uint16, error) {
	if len(a) != len(b) {
		return nil, fmt.Errorf("answers of %d and %d octets differ in more than pointers", len(a), len(b))
	}
	var at []uint16
	for i := 0; i < len(a); i++ {
		if a[i] == b[i] {
			continue
		}
		first := i - 1
		if i+1 < len(a) && a[i] == b[i]+1 && a[i+1] == 0 && b[i+1] == 0xff {
			first = i // the lower octet carried
			i++
		}
		if first < 0 || !shifted(a[first:], b[first:]) {
			return nil, fmt.Errorf("octet %d differs and is no pointer", i)
		}
		at = append(at, uint16(first))
	}
	return at, nil
}

func shifted(a, b []byte) bool {
	if len(a) < 2 {
		return false
	}
	pa, pb := binary.BigEndian.Uint16(a), binary.BigEndian.Uint16(b)
	return pa == pb+1 && pb >= 0xc000
}

// appendTo appends the first n octets of the answer to dst, for a name of
// nameLen octets.
func (c *compiled) appendTo(dst []byte, n, nameLen int) []byte {
	at := len(dst)
	dst = append(dst, c.body[:n]...)
	if len(c.fixups) > 0 && nameLen != c.nameLen {
		c.shift(dst[at:], uint16(nameLen-c.nameLen))
	}
	return dst
}

// putSerial writes the serial of the SOA, if there is one in body.
func (c *compiled) putSerial(body []byte, serials []uint32) {
	if c.serialAt > 0 && len(body) > int(c.serialAt) {
		binary.BigEndian.PutUint32(body[c.serialAt:], serials[c.serialZone])
	}
}

func (c *compiled) shift(body []byte, delta uint16) {
	for _, off := range c.fixups {
		if int(off)+2 > len(body) {
			return // ascending: the rest was left out
		}
		p := binary.BigEndian.Uint16(body[off:])
		binary.BigEndian.PutUint16(body[off:], p+delta)
	}
}
