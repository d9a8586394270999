package transfer

import (
	"encoding/binary"
	"fmt"

	"github.com/miekg/dns"

	"github.com/steerdns/steerdns/dnsserver/zone"
)

// packer turns records into uncompressed wire form.
type packer struct{ buf []byte }

// The longest record, owner, fixed fields and data, and what nearly all fit in.
const (
	maxRecord   = 255 + 10 + 65535
	usualRecord = 4096
)

// pack returns rr in wire form, valid until the next call.
func (p *packer) pack(rr dns.RR) ([]byte, error) {
	if cap(p.buf) < usualRecord {
		p.buf = make([]byte, usualRecord)
	}
	p.buf = p.buf[:cap(p.buf)]
	n, err := dns.PackRR(rr, p.buf, 0, nil, false)
	if err != nil && len(p.buf) < maxRecord {
		p.buf = make([]byte, maxRecord)
		n, err = dns.PackRR(rr, p.buf, 0, nil, false)
	}
	if err != nil {
		return nil, fmt.Errorf("packing %s: %w", rr.Header().Name, err)
	}
	return p.buf[:n], nil
}

// soa is the zone's SOA with another serial, in wire form.
func (p *packer) soa(z *zone.Zone, serial uint32) ([]byte, error) {
	rr := *z.SOA()
	rr.Serial = serial
	return p.pack(&rr)
}

// serialOf reads the serial out of a SOA in wire form: the first of the five
// numbers that end it (RFC 1035 3.3.13).
func serialOf(soa []byte) uint32 { return binary.BigEndian.Uint32(soa[len(soa)-20:]) }

// less is the order of serials (RFC 1982 3.2).
func less(a, b uint32) bool { return a != b && int32(b-a) > 0 }

// statics calls yield with what a node holds itself and its services do not
// answer, in wire form that is valid until yield returns. The apex's SOA is not
// among it.
func (p *packer) statics(n *zone.Node, yield func([]byte) error) error {
	for r := range n.Packed() {
		if r.Type == dns.TypeSOA && n.Apex() || answered(n, r.Type) {
			continue
		}
		p.buf = append(p.buf[:0], n.Name...)
		p.buf = binary.BigEndian.AppendUint16(p.buf, r.Type)
		p.buf = binary.BigEndian.AppendUint16(p.buf, dns.ClassINET)
		p.buf = binary.BigEndian.AppendUint32(p.buf, r.TTL)
		p.buf = binary.BigEndian.AppendUint16(p.buf, uint16(len(r.Data)))
		p.buf = append(p.buf, r.Data...)
		if err := yield(p.buf); err != nil {
			return err
		}
	}
	return nil
}

// answered: the node's service answers for this type.
func answered(n *zone.Node, rtype uint16) bool {
	if n.Service < 0 {
		return false
	}
	switch rtype {
	case dns.TypeA, dns.TypeAAAA:
		return true
	case dns.TypeHTTPS:
		return n.HTTPS || n.Alias
	case dns.TypeSVCB:
		return n.SVCB || n.Alias
	}
	return n.Alias
}
