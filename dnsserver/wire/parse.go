package wire

import (
	"encoding/binary"
)

// Parse reads the query in pkt into q, which it resets. For every status but
// Drop, q.ID and q.Flags hold; q.QName is set whenever a question could be
// read, and q.EDNS.Present whenever there was an OPT record, so that the reply
// has one too (RFC 6891 7).
func Parse(pkt []byte, q *Query) Status {
	q.QName, q.nameLen, q.EDNS, q.TSIG = nil, 0, EDNS{}, 0
	if len(pkt) < HeaderLen {
		return Drop
	}
	q.ID = binary.BigEndian.Uint16(pkt)
	q.Flags = binary.BigEndian.Uint16(pkt[2:])
	if q.Flags&FlagQR != 0 {
		return Drop
	}
	st := q.readSections(pkt)
	switch {
	case q.Flags&maskOpcode != 0:
		return NotImp // whatever else such a message holds
	case st != OK:
		return st
	case q.QClass != ClassIN && q.QClass != ClassCH:
		return BadClass
	}
	return OK
}

func (q *Query) readSections(pkt []byte) Status {
	switch binary.BigEndian.Uint16(pkt[4:]) {
	case 0:
		st := q.readRecords(pkt, HeaderLen)
		switch {
		case st == OK && q.EDNS.Cookie.Present:
			return CookieOnly
		case st == OK:
			return FormErr
		}
		return st
	case 1:
	default:
		return FormErr
	}
	end := q.readQuestion(pkt)
	if end == 0 {
		return FormErr
	}
	return q.readRecords(pkt, end)
}

// readQuestion reads the only question and returns where it ends, 0 when it
// is malformed. A compression pointer has nothing to point to here.
func (q *Query) readQuestion(pkt []byte) int {
	off := HeaderLen
	for {
		if off >= len(pkt) {
			return 0
		}
		n := int(pkt[off])
		off++
		if n == 0 {
			break
		}
		if n > MaxLabel {
			return 0
		}
		off += n
	}
	if off-HeaderLen > MaxName || off+4 > len(pkt) {
		return 0
	}
	q.QName = pkt[HeaderLen:off:off]
	q.QType = binary.BigEndian.Uint16(pkt[off:])
	q.QClass = binary.BigEndian.Uint16(pkt[off+2:])
	q.nameLen = len(q.QName)
	lower(&q.name, q.QName)
	return off + 4
}

// lower writes name in lower case, eight octets at a time. Length octets are
// at most 63 and so never look like a capital letter.
func lower(dst *[MaxName + 1]byte, name []byte) {
	const ones = 0x0101010101010101
	i := 0
	for ; i+8 <= len(name); i += 8 {
		w := binary.LittleEndian.Uint64(name[i:])
		low := w & (0x7f * ones)
		upper := (low + (0x80-'A')*ones) &^ (low + (0x7f-'Z')*ones) &^ w & (0x80 * ones)
		binary.LittleEndian.PutUint64(dst[i:], w|upper>>2)
	}
	for ; i < len(name); i++ {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		dst[i] = c
	}
}

// readRecords walks everything after the question. Answer and authority
// records have no meaning in a query and are only skipped; octets after the
// last record are ignored.
func (q *Query) readRecords(pkt []byte, off int) Status {
	counts := binary.BigEndian.Uint64(pkt[4:])
	skip := int(counts>>32&0xffff) + int(counts>>16&0xffff)
	extra := int(counts & 0xffff)
	for i := range skip + extra {
		rr, next := readRecord(pkt, off)
		if next == 0 {
			return FormErr
		}
		if rr.typ == typeOPT {
			// RFC 6891 6.1.1: one OPT, in the additional section, owned by the root.
			if i < skip || q.EDNS.Present || !rr.rootOwner {
				return FormErr
			}
			if !q.EDNS.read(rr) {
				return FormErr
			}
		} else if rr.typ == typeTSIG {
			if i != skip+extra-1 || extra == 0 { // RFC 8945 5.1: the last record, and additional
				return FormErr
			}
			q.TSIG = off
		}
		off = next
	}
	if q.EDNS.Version != 0 {
		return BadVers
	}
	return OK
}

// record is the structure of one resource record.
type record struct {
	rootOwner bool
	typ       uint16
	class     uint16
	ttl       uint32
	data      []byte
}

// readRecord reads the record at off and returns where it ends, 0 when it
// does not fit.
func readRecord(pkt []byte, off int) (record, int) {
	owner := off
	off = skipName(pkt, off)
	if off == 0 || off+10 > len(pkt) {
		return record{}, 0
	}
	fixed := pkt[off : off+10]
	end := off + 10 + int(binary.BigEndian.Uint16(fixed[8:]))
	if end > len(pkt) {
		return record{}, 0
	}
	return record{
		rootOwner: pkt[owner] == 0,
		typ:       binary.BigEndian.Uint16(fixed),
		class:     binary.BigEndian.Uint16(fixed[2:]),
		ttl:       binary.BigEndian.Uint32(fixed[4:]),
		data:      pkt[off+10 : end],
	}, end
}

// skipName returns the offset after the name at off, 0 when it does not fit.
// It does not follow pointers.
func skipName(pkt []byte, off int) int {
	for off < len(pkt) {
		switch n := int(pkt[off]); {
		case n == 0:
			return off + 1
		case n >= 0xc0:
			if off+2 > len(pkt) {
				return 0
			}
			return off + 2
		case n > MaxLabel:
			return 0
		default:
			off += 1 + n
		}
	}
	return 0
}
