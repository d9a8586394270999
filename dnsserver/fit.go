package dnsserver

import (
	"encoding/binary"

	"github.com/miekg/dns"

	"github.com/steerdns/steerdns/dnsserver/wire"
)

// cut is a place where the additional section of an answer may end: after a
// whole RRset.
type cut struct {
	end     int    // octets of the body
	records uint16 // of the additional section so far
}

// cutsOf finds the cuts in a body whose additional section begins at core and
// holds rrs.
func cutsOf(body []byte, core int, rrs []dns.RR) (cuts []cut) {
	end := core
	for i, rr := range rrs {
		end = skipRecord(body, end)
		if i+1 == len(rrs) || !alike(rr.Header(), rrs[i+1].Header()) {
			cuts = append(cuts, cut{end, uint16(i + 1)})
		}
	}
	return cuts
}

func alike(a, b *dns.RR_Header) bool { return a.Rrtype == b.Rrtype && a.Name == b.Name }

// skipRecord returns where the packed record at off ends.
func skipRecord(body []byte, off int) int {
	for body[off] != 0 {
		if body[off] >= 0xc0 {
			off++ // the second octet of the pointer ends the name
			break
		}
		off += 1 + int(body[off])
	}
	off++
	return off + 10 + int(binary.BigEndian.Uint16(body[off+8:]))
}

// fit is what of c goes into room octets: all but some RRsets of the additional
// section, with TC only when they are glue that has to be there (RFC 9471 3.1);
// or nothing, with TC, when an RRset that was asked for would be lost
// (RFC 2181 9).
func (c *compiled) fit(room int) (n int, counts wire.Counts, flags uint16) {
	if c.core > room {
		return 0, wire.Counts{}, c.flags | wire.FlagTC
	}
	n, counts, flags = c.core, c.counts, c.flags
	counts.Additional = 0
	for _, cut := range c.cuts {
		if cut.end > room {
			break
		}
		n, counts.Additional = cut.end, cut.records
	}
	if counts.Additional < c.glue {
		flags |= wire.FlagTC
	}
	return n, counts, flags
}
