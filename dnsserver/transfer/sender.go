package transfer

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/steerdns/steerdns/dnsserver/tsig"
	"github.com/steerdns/steerdns/dnsserver/wire"
)

// sender writes one transfer as messages, each with its length in front.
type sender struct {
	query []byte
	q     *wire.Query
	tx    *tsig.Transaction // nil: the query was not signed
	emit  func(frame []byte) error
	until time.Time // when the transfer has taken too long

	frame   []byte // the message under way, with its length in front
	answers uint16
	sent    int // messages
	records int
	octets  int
}

// lengthLen is the length field in front of a message on a stream.
const lengthLen = 2

var errTooLong = errors.New("the secondary did not take the zone in time")

func (s *sender) begin() {
	s.frame = wire.AppendHead(append(s.frame[:0], 0, 0), s.query, s.q, wire.FlagAA, wire.RcodeNoError)
	s.answers = 0
}

// add adds a record in wire form. Its owner refers to the question where it can.
func (s *sender) add(rr []byte) error {
	front, rest, whole := relative(rr, s.q.Name())
	need := len(front) + len(rest) + 2
	if s.answers > 0 && (len(s.frame)+need > softMessage || s.answers == 1<<16-1) {
		if err := s.flush(); err != nil {
			return err
		}
		s.begin()
	}
	if len(s.frame)+need > lengthLen+hardMessage-s.reserve() {
		return errors.New("a record does not fit in a message")
	}
	s.frame = appendRecord(s.frame, front, rest, whole)
	s.answers++
	return nil
}

// reserve is what flush adds to the message under way.
func (s *sender) reserve() (octets int) {
	if s.tx != nil {
		octets = s.tx.Len()
	}
	if s.q.EDNS.Present && s.sent == 0 {
		octets += wire.OPTLen(&s.q.EDNS, &wire.OPT{})
	}
	return octets
}

func appendRecord(b, front, rest []byte, whole bool) []byte {
	b = append(b, front...)
	if !whole {
		b = append(b, 0xc0, wire.HeaderLen) // to the question's name
	}
	return append(b, rest...)
}

// flush sends the message under way. The first one has the OPT record.
func (s *sender) flush() error {
	now := time.Now()
	if now.After(s.until) {
		return errTooLong
	}
	counts := wire.Counts{Answer: s.answers}
	if s.q.EDNS.Present && s.sent == 0 {
		s.frame = wire.AppendOPT(s.frame, &s.q.EDNS, &wire.OPT{UDPSize: usualUDP})
		counts.Additional++
	}
	wire.SetCounts(s.frame[lengthLen:], s.q, counts)
	if s.tx != nil {
		s.frame = s.tx.Sign(s.frame, lengthLen, now)
	}
	binary.BigEndian.PutUint16(s.frame, uint16(len(s.frame)-lengthLen))
	s.sent, s.records, s.octets = s.sent+1, s.records+int(s.answers), s.octets+len(s.frame)
	return s.emit(s.frame)
}

// usualUDP is what we say that we accept over UDP.
const usualUDP = 1232

// whole sends a version from SOA to SOA (RFC 5936 2.2).
func (s *sender) whole(v *version) error {
	s.begin()
	err := s.add(v.soa)
	if err == nil {
		err = v.content.records(s.add)
	}
	if err == nil {
		err = s.add(v.soa)
	}
	if err != nil {
		return err
	}
	return s.flush()
}

// changes sends the steps that lead to v (RFC 1995 4).
func (s *sender) changes(v *version, steps []*delta) error {
	s.begin()
	if err := eachRecord(v, steps, s.add); err != nil {
		return err
	}
	return s.flush()
}

// eachRecord calls yield with the answer that steps make.
func eachRecord(v *version, steps []*delta, yield func([]byte) error) error {
	if err := yield(v.soa); err != nil {
		return err
	}
	for _, d := range steps {
		for _, part := range [...][][]byte{{d.from}, d.removed, {d.to}, d.added} {
			for _, rr := range part {
				if err := yield(rr); err != nil {
					return err
				}
			}
		}
	}
	if len(steps) == 0 {
		return nil
	}
	return yield(v.soa)
}

// refuse sends a reply without records.
func (s *sender) refuse(rcode uint16, ede uint16) error {
	s.frame = wire.AppendHead(append(s.frame[:0], 0, 0), s.query, s.q, 0, rcode)
	counts := wire.Counts{}
	if s.q.EDNS.Present {
		s.frame = wire.AppendOPT(s.frame, &s.q.EDNS, &wire.OPT{UDPSize: usualUDP, Rcode: rcode, EDE: ede})
		counts.Additional++
	}
	wire.SetCounts(s.frame[lengthLen:], s.q, counts)
	if s.tx != nil {
		s.frame = s.tx.Sign(s.frame, lengthLen, time.Now())
	}
	binary.BigEndian.PutUint16(s.frame, uint16(len(s.frame)-lengthLen))
	return s.emit(s.frame)
}
