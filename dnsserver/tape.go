package dnsserver

import (
	"context"
	"math"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"
)

// tapeLength is how many records may wait for their reader.
const tapeLength = 1024

// maxTaped is how much of a message a record keeps room for once it was
// larger.
const maxTaped = 4096

// taped is one query and what became of it.
type taped struct {
	asked   time.Time
	done    time.Time
	client  netip.Addr
	tr      Transport
	query   []byte
	reply   []byte // empty: none was sent
	live    *live  // nil: there was no view
	answer  *compiled
	zone    int
	scope   uint8
	cookie  cookieState
	limited limitAction
}

// tape takes a sample of what a Responder does to one reader. Writers are
// never held up: when the reader is slow, records are lost, and counted.
type tape struct {
	name    string
	chance  uint32
	free    chan *taped
	full    chan *taped
	dropped atomic.Uint64
	read    atomic.Uint64 // that the reader is done with
}

// newTape makes a tape that takes a share of all records, above 0 and up to 1.
func newTape(name string, share float64) *tape {
	t := &tape{name: name, chance: uint32(math.MaxUint32 * min(share, 1)), free: make(chan *taped, tapeLength), full: make(chan *taped, tapeLength)}
	for range tapeLength {
		t.free <- new(taped)
	}
	return t
}

// tape puts a on the tapes that want it; reply is what is sent.
func (r *Responder) tape(a *asked, l *live, reply []byte, limited limitAction) {
	for _, t := range r.tapes {
		if rand.Uint32() <= t.chance {
			t.put(a, l, reply, limited)
		}
	}
}

func (t *tape) put(a *asked, l *live, reply []byte, limited limitAction) {
	var rec *taped
	select {
	case rec = <-t.free:
	default:
		t.dropped.Add(1)
		return
	}
	*rec = taped{
		asked: time.Unix(0, a.c.now()), done: time.Now(), client: a.client, tr: a.tr,
		query: append(rec.query[:0], a.query...), reply: append(rec.reply[:0], reply...),
		live: l, answer: a.hit.c, zone: a.zone, scope: a.scope, cookie: a.cookie, limited: limited,
	}
	t.full <- rec // has room for all records there are
}

// done gives a record back for another one.
func (t *tape) done(rec *taped) {
	rec.live, rec.answer = nil, nil // frees the view
	if cap(rec.query)+cap(rec.reply) > 2*maxTaped {
		rec.query, rec.reply = nil, nil
	}
	t.read.Add(1)
	t.free <- rec
}

// newTapes makes the tapes that are configured and what reads them.
func newTapes(opt *Options) (tapes []*tape, readers []tapeReader) {
	if opt.Dnstap.Socket+opt.Dnstap.File != "" {
		t := newTap(opt.Dnstap)
		tapes, readers = append(tapes, t.tape), append(readers, t)
	}
	if opt.QueryLog.Share > 0 {
		l := &queryLog{tape: newTape("log", opt.QueryLog.Share), log: opt.QueryLog.Log}
		tapes, readers = append(tapes, l.tape), append(readers, l)
	}
	return tapes, readers
}

// tapeReader does something with what is on a tape until ctx is done.
type tapeReader interface {
	run(ctx context.Context) error
}

// next waits for a record; ok is false when ctx is done and nothing is left.
func (t *tape) next(ctx context.Context) (rec *taped, ok bool) {
	select {
	case rec = <-t.full:
		return rec, true
	default:
	}
	select {
	case rec = <-t.full:
		return rec, true
	case <-ctx.Done():
		return nil, false
	}
}
