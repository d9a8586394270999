package dnsserver

import (
	"encoding/binary"

	"github.com/steerdns/steerdns/dnsserver/wire"
)

// freshness is how long a reply of ours may be kept, in seconds: the smallest
// TTL of its answer section, and without answers what the SOA of its zone says
// of negative ones (RFC 8484 5.1, RFC 2308 5). Not ok: not at all.
func freshness(reply []byte) (seconds uint32, ok bool) {
	if rcode := uint16(reply[3] & 0xf); rcode != wire.RcodeNoError && rcode != wire.RcodeNXDomain {
		return 0, false
	}
	at := wire.HeaderLen
	for range binary.BigEndian.Uint16(reply[4:]) {
		at = skipName(reply, at) + 4
	}
	answers, authority := binary.BigEndian.Uint16(reply[6:]), binary.BigEndian.Uint16(reply[8:])
	for i := range answers {
		var r record
		r, at = nextRecord(reply, at)
		if i == 0 || r.ttl < seconds {
			seconds, ok = r.ttl, true
		}
	}
	for i := uint16(0); i < authority && answers == 0; i++ {
		var r record
		if r, at = nextRecord(reply, at); r.rrtype == typeSOA {
			return min(r.ttl, r.last32), true
		}
	}
	return seconds, ok
}

const typeSOA = 6

// record is what matters here of a record.
type record struct {
	rrtype uint16
	ttl    uint32
	last32 uint32 // the last four octets of the data: of an SOA, MINIMUM
}

// nextRecord reads the record at at of a well-formed message, and where the
// next one begins.
func nextRecord(msg []byte, at int) (record, int) {
	const fixed = 10 // type, class, TTL, length
	at = skipName(msg, at)
	r := record{rrtype: binary.BigEndian.Uint16(msg[at:]), ttl: binary.BigEndian.Uint32(msg[at+4:])}
	length := int(binary.BigEndian.Uint16(msg[at+8:]))
	at += fixed + length
	if length >= 4 {
		r.last32 = binary.BigEndian.Uint32(msg[at-4:])
	}
	return r, at
}

// skipName returns where the name at at ends.
func skipName(msg []byte, at int) int {
	for {
		switch n := int(msg[at]); {
		case n == 0:
			return at + 1
		case n >= 0xc0:
			return at + 2
		default:
			at += 1 + n
		}
	}
}
