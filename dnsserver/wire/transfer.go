package wire

import "encoding/binary"

// The query types that ask for whole zones.
const (
	TypeIXFR uint16 = 251 // RFC 1995
	TypeAXFR uint16 = 252 // RFC 5936
)

// AsksTransfer tells a query for a whole zone by its question, without reading
// the rest.
func AsksTransfer(pkt []byte) bool {
	if len(pkt) < HeaderLen || binary.BigEndian.Uint16(pkt[2:])&(FlagQR|maskOpcode) != 0 {
		return false
	}
	off := skipName(pkt, HeaderLen)
	if off == 0 || off+4 > len(pkt) {
		return false
	}
	qtype := binary.BigEndian.Uint16(pkt[off:])
	return qtype == TypeIXFR || qtype == TypeAXFR
}

// Serial is the serial of the SOA record in the authority section of the IXFR
// query that q was parsed from (RFC 1995 3); false when there is not exactly one.
func (q *Query) Serial(pkt []byte) (serial uint32, ok bool) {
	const numbers = 20 // the five that end a SOA, the serial first
	if binary.BigEndian.Uint32(pkt[6:]) != 1 {
		return 0, false // answers, or another number of authorities
	}
	rr, next := readRecord(pkt, HeaderLen+q.QuestionLen())
	if next == 0 || rr.typ != typeSOA || len(rr.data) < numbers+2 {
		return 0, false
	}
	return binary.BigEndian.Uint32(rr.data[len(rr.data)-numbers:]), true
}

// TSIGOf is where the TSIG record that ends a message begins, 0 when there is
// none. It reads replies too.
func TSIGOf(pkt []byte) int {
	if len(pkt) < HeaderLen {
		return 0
	}
	off := HeaderLen
	for range binary.BigEndian.Uint16(pkt[4:]) {
		if off = skipName(pkt, off) + 4; off == 4 || off > len(pkt) {
			return 0
		}
	}
	counts := binary.BigEndian.Uint64(pkt[4:])
	at, last := 0, record{}
	for range int(counts>>32&0xffff) + int(counts>>16&0xffff) + int(counts&0xffff) {
		rr, next := readRecord(pkt, off)
		if next == 0 {
			return 0
		}
		at, last, off = off, rr, next
	}
	if last.typ != typeTSIG {
		return 0
	}
	return at
}
