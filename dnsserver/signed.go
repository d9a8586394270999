package dnsserver

import (
	"errors"
	"time"

	"github.com/steerdns/steerdns/dnsserver/wire"
)

// notAuth is the reply to queries that are signed, but not as we can believe
// (RFC 8945 5.2).
var notAuth = &compiled{rcode: wire.RcodeNotAuth, service: -1, region: -1}

// verify checks the signature of a query that has one. Compose signs the reply.
func (r *Responder) verify(a *asked) {
	if a.q.TSIG == 0 || a.status == wire.FormErr {
		return
	}
	if a.signed = r.transfers.Keys().Verify(a.query, a.q.TSIG, time.Now()); a.signed == nil {
		a.status = wire.FormErr
	}
}

// transfer answers what asks for a whole zone and did not come over a stream,
// where transfer.Server answers.
func (r *Responder) transfer(a *asked) {
	a.hit.c = &prohibited
	if r.transfers == nil || a.tr != UDP {
		return
	}
	opt := r.options(a)
	room := r.limit(a) - wire.HeaderLen - a.q.QuestionLen() - wire.OPTLen(&a.q.EDNS, &opt)
	answer, records, rcode, ede := r.transfers.Datagram(a.query, &a.q, a.client, a.signed.Key(), room)
	c := &compiled{body: answer, core: len(answer), rcode: rcode, service: -1, region: -1}
	if records > 0 {
		c.counts.Answer, c.flags = records, wire.FlagAA
	}
	a.hit.c, a.hit.ede = c, ede
}

var errPanic = errors.New("a transfer failed inside the server")

// transfer answers what asks for a whole zone over a stream. A panic costs the
// stream, not the process.
func (r *replies) transfer(query []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.counters.panics.add(1, r.counters.shared())
			err = errPanic
		}
	}()
	emit := r.write
	if len(r.server.responder.tapes) > 0 {
		emit = r.taping(query)
	}
	return r.server.opt.Transfers.Stream(query, r.client, emit)
}

// taping puts a transfer and its first message on the tapes that want it.
func (r *replies) taping(query []byte) func(frame []byte) error {
	first := true
	return func(frame []byte) error {
		if message := frame[2:]; first {
			first = false
			a := &asked{query: query, client: r.client, tr: r.transport, c: r.counters}
			a.hit = hit{c: &compiled{rcode: uint16(message[3] & 0xf), service: -1, region: -1}, zone: -1}
			r.server.responder.tape(a, nil, message, limitNone)
		}
		return r.write(frame)
	}
}
