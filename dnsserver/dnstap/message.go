// Package dnstap writes what a DNS server did in the format of dnstap.info:
// protocol buffers in Frame Streams.
package dnstap

import (
	"net/netip"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Type is what a message tells of.
type Type uint8

// The types that an authoritative server has.
const (
	AuthQuery    Type = 1 // a query as it came
	AuthResponse Type = 2 // the reply to it
)

// Protocol is how a query came.
type Protocol uint8

// The protocols.
const (
	UDP Protocol = 1
	TCP Protocol = 2
	DoT Protocol = 3
	DoH Protocol = 4
	DoQ Protocol = 7
)

// Message is one query or one reply.
type Message struct {
	Type     Type
	Protocol Protocol
	Client   netip.Addr
	Asked    time.Time
	Answered time.Time // of a reply
	Packet   []byte    // in wire format
}

// Source says who writes messages.
type Source struct {
	Identity string
	Version  string
}

// Numbers of the fields in dnstap.proto.
const (
	fieldIdentity = 1
	fieldVersion  = 2
	fieldMessage  = 14
	fieldKind     = 15

	fieldType               = 1
	fieldFamily             = 2
	fieldProtocol           = 3
	fieldQueryAddress       = 4
	fieldQuerySeconds       = 8
	fieldQueryNanos         = 9
	fieldQueryMessage       = 10
	fieldResponseSeconds    = 12
	fieldResponseNanos      = 13
	fieldResponseMessage    = 14
	kindMessage             = 1
	familyINET, familyINET6 = 1, 2
)

// Append appends m as a frame's data. scratch is what it may use for a while;
// it returns both, possibly grown.
func (s *Source) Append(dst, scratch []byte, m *Message) (frame, grown []byte) {
	scratch = m.append(scratch[:0])
	if s.Identity != "" {
		dst = appendBytes(dst, fieldIdentity, []byte(s.Identity))
	}
	if s.Version != "" {
		dst = appendBytes(dst, fieldVersion, []byte(s.Version))
	}
	dst = appendBytes(dst, fieldMessage, scratch)
	return appendNumber(dst, fieldKind, kindMessage), scratch
}

func (m *Message) append(b []byte) []byte {
	b = appendNumber(b, fieldType, uint64(m.Type))
	family, addr := uint64(familyINET6), m.Client.AsSlice()
	if m.Client.Is4() {
		family = familyINET
	}
	b = appendNumber(b, fieldFamily, family)
	b = appendNumber(b, fieldProtocol, uint64(m.Protocol))
	b = appendBytes(b, fieldQueryAddress, addr)
	b = appendTime(b, fieldQuerySeconds, fieldQueryNanos, m.Asked)
	if m.Type == AuthQuery {
		return appendBytes(b, fieldQueryMessage, m.Packet)
	}
	b = appendTime(b, fieldResponseSeconds, fieldResponseNanos, m.Answered)
	return appendBytes(b, fieldResponseMessage, m.Packet)
}

func appendNumber(b []byte, field protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), n)
}

func appendBytes(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

func appendTime(b []byte, seconds, nanos protowire.Number, t time.Time) []byte {
	b = appendNumber(b, seconds, uint64(t.Unix()))
	return protowire.AppendFixed32(protowire.AppendTag(b, nanos, protowire.Fixed32Type), uint32(t.Nanosecond()))
}
