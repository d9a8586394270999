package transfer

import (
	"net/netip"
	"sync"
	"time"

	"github.com/steerdns/steerdns/dnsserver/tsig"
	"github.com/steerdns/steerdns/dnsserver/wire"
)

// prohibited is the extended error of those who may not fetch a zone, as
// wire.OPT has it (RFC 8914 4.19).
const prohibited = 18 + 1

// table is what is served now, by zone in wire form. Immutable.
type table struct {
	rules    map[string]*Rule
	versions map[string]*version
	zones    map[string]bool // all zones, with rules or without
}

// Stream answers an AXFR or IXFR query of a stream. emit sends one message,
// which has its length in front and is valid until emit returns; its error ends
// the transfer and is returned, since the stream is then of no use.
func (s *Server) Stream(query []byte, client netip.Addr, emit func(frame []byte) error) error {
	var q wire.Query
	st := wire.Parse(query, &q)
	out := &sender{query: query, q: &q, emit: emit, until: time.Now().Add(longest), frame: s.frames.get()}
	defer s.frames.put(out)
	if q.TSIG != 0 && st != wire.FormErr {
		if out.tx = s.Keys().Verify(query, q.TSIG, time.Now()); out.tx == nil {
			st = wire.FormErr
		}
	}
	switch {
	case st != wire.OK:
		return out.refuse(st.Rcode(), 0)
	case out.tx != nil && out.tx.Fault() != 0:
		s.note(&q, refusedKey)
		return out.refuse(wire.RcodeNotAuth, 0)
	}
	v, rcode, ede := s.permitted(&q, client, out.tx.Key())
	if rcode != wire.RcodeNoError {
		return out.refuse(rcode, ede)
	}
	if !s.slots.take(client) {
		s.note(&q, busy)
		return out.refuse(wire.RcodeServFail, 0)
	}
	defer s.slots.release(client)
	return s.send(out, v, client)
}

// permitted finds the version that a client may have, or why it gets none.
func (s *Server) permitted(q *wire.Query, client netip.Addr, key *tsig.Key) (v *version, rcode, ede uint16) {
	t := s.table.Load()
	rule := t.rules[string(q.Name())]
	switch {
	case q.QClass != wire.ClassIN:
		return nil, wire.RcodeRefused, 0
	case len(t.zones) == 0:
		s.note(q, notReady)
		return nil, wire.RcodeServFail, 0
	case !t.zones[string(q.Name())]:
		s.note(q, notOurs)
		return nil, wire.RcodeNotAuth, 0 // RFC 5936 2.2.1
	case rule == nil || !rule.permits(client, key):
		s.note(q, refusedClient)
		return nil, wire.RcodeRefused, prohibited
	}
	if v = t.versions[string(q.Name())]; v == nil {
		s.note(q, notReady)
		return nil, wire.RcodeServFail, 0
	}
	return v, wire.RcodeNoError, 0
}

func (r *Rule) permits(client netip.Addr, key *tsig.Key) bool {
	for _, a := range r.Allow {
		if a.permits(client, key) {
			return true
		}
	}
	return false
}

// send sends what was asked for: the zone, or what has changed.
func (s *Server) send(out *sender, v *version, client netip.Addr) error {
	began, kind := time.Now(), sentAXFR
	var err error
	steps, how := plan(out.q, out.query, v)
	switch how {
	case asChanges:
		kind, err = sentIXFR, out.changes(v, steps)
	case asSOA:
		kind, err = sentSOA, out.changes(v, nil)
	case asFault:
		return out.refuse(wire.RcodeFormErr, 0)
	default:
		if out.q.QType == wire.TypeIXFR {
			kind = sentIXFRWhole
		}
		err = out.whole(v)
	}
	if err != nil {
		kind = broken
	}
	s.note(out.q, kind)
	if kind != sentSOA {
		args := []any{"zone", v.content.zone.String(), "serial", v.serial, "client", client, "sent", outcomeNames[kind],
			"messages", out.sent, "records", out.records, "octets", out.octets, "took", time.Since(began).Round(time.Millisecond)}
		if err != nil {
			args = append(args, "error", err)
		}
		s.opt.Log.Info("zone transfer", args...)
	}
	return err
}

// form is how a query is answered.
type form uint8

const (
	asWhole   form = iota
	asChanges      // since the client's version
	asSOA          // the client has it already (RFC 1995 2)
	asFault        // an IXFR query without the client's SOA
)

// plan decides how a version is sent. What has changed is sent whenever it is
// known: the journal's bounds keep it from being much longer than the zone.
func plan(q *wire.Query, query []byte, v *version) ([]*delta, form) {
	if q.QType == wire.TypeAXFR {
		return nil, asWhole
	}
	have, ok := q.Serial(query)
	if !ok {
		return nil, asFault
	}
	if !less(have, v.serial) {
		return nil, asSOA
	}
	if steps, ok := v.since(have); ok {
		return steps, asChanges
	}
	return nil, asWhole
}

// Datagram answers an IXFR query over UDP with at most room octets of answers,
// which may refer to the question: what has changed, or the SOA alone, which
// makes the client come back over TCP (RFC 1995 2). key is what signed the query,
// nil for none. AXFR is not for UDP (RFC 5936 4.2).
func (s *Server) Datagram(query []byte, q *wire.Query, client netip.Addr, key *tsig.Key, room int) (answer []byte, records, rcode, ede uint16) {
	if q.QType != wire.TypeIXFR {
		return nil, 0, wire.RcodeRefused, 0
	}
	v, rcode, ede := s.permitted(q, client, key)
	if rcode != wire.RcodeNoError {
		return nil, 0, rcode, ede
	}
	steps, how := plan(q, query, v)
	switch how {
	case asFault:
		return nil, 0, wire.RcodeFormErr, 0
	case asChanges:
		if sizeOf(steps)+len(v.soa) <= room {
			s.note(q, sentIXFR)
			answer, records = answerOf(v, steps, q.Name())
			return answer, records, wire.RcodeNoError, 0
		}
	}
	s.note(q, sentSOA)
	answer, records = answerOf(v, nil, q.Name())
	return answer, records, wire.RcodeNoError, 0
}

func answerOf(v *version, steps []*delta, apex []byte) (answer []byte, records uint16) {
	_ = eachRecord(v, steps, func(rr []byte) error { // the function never fails
		front, rest, whole := relative(rr, apex)
		answer = appendRecord(answer, front, rest, whole)
		records++
		return nil
	})
	return answer, records
}

// slots bounds the transfers under way.
type slots struct {
	mu        sync.Mutex
	all       int
	perClient map[netip.Addr]int
}

func (l *slots) take(client netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= maxTransfers || l.perClient[client] >= maxPerClient {
		return false
	}
	if l.perClient == nil {
		l.perClient = map[netip.Addr]int{}
	}
	l.all++
	l.perClient[client]++
	return true
}

func (l *slots) release(client netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.perClient[client]--; l.perClient[client] == 0 {
		delete(l.perClient, client)
	}
}

// frames lends the buffers that messages are made in.
type frames struct{ pool sync.Pool }

func (f *frames) get() []byte {
	if b, ok := f.pool.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, 0, softMessage+4096)
}

func (f *frames) put(s *sender) {
	if cap(s.frame) <= 2*softMessage {
		b := s.frame[:0]
		f.pool.Put(&b)
	}
}
