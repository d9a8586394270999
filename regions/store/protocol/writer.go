package protocol

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/steerdns/steerdns/regions"
)

// Writer keeps this instance's votes and entry in the store, under a lease
// that it renews, and makes again when it was lost. A failure is tried again;
// it never ends a session, for reading may well go on. It outlives sessions.
// It belongs to one goroutine at a time, but for Permit.
//
// Whoever carries its requests calls Begin for each session, and permits it to
// write; once Due has come, he sends what Next gives, and hands each reply to
// Done, until Next has nothing left: that is one round.
type Writer struct {
	keys      Keys
	timing    Timing
	box       *Outbox
	permitted atomic.Bool

	lease   Lease  // 0: none
	seq     uint64 // of the last ballot that was tried
	written int64  // the revision of the last ballot written under lease; 0: none, or not known
	left    bool   // goodbye was said: nothing is written any more

	// Of the present session.
	pace     pace
	retry    Backoff
	fresh    bool      // everything is to be written: nothing was in this session, or the last attempt failed
	put      uint64    // the outbox's changes that are written
	beat     time.Time // when the next write is due without any change
	alive    time.Time // when the lease was last kept alive
	held     time.Time // not before then, after a failure
	instance *regions.Instance

	round round
}

// round is one attempt to write all there is.
type round struct {
	began    time.Time // zero: no round is under way
	values   []Op
	voted    bool
	changes  uint64
	instance *regions.Instance
	asked    Kind // of the request that is under way
	renewed  bool // the lease was made or kept alive in this round
	again    bool // the lease was found gone once in this round
}

// NewWriter makes a Writer of what is in box.
func NewWriter(k Keys, t Timing, box *Outbox) *Writer {
	w := &Writer{keys: k, timing: t, box: box}
	w.Begin()
	return w
}

// Begin starts a session: everything is to be written anew.
func (w *Writer) Begin() {
	if !w.round.began.IsZero() && w.round.asked == Commit {
		w.written = 0 // it may have been written all the same
	}
	w.pace, w.retry, w.fresh, w.put = pace{gap: w.timing.Coalesce}, NewBackoff(w.timing), true, 0
	w.beat, w.alive, w.held, w.instance, w.round = time.Time{}, time.Time{}, time.Time{}, nil, round{}
}

// Permit says whether this is known to be the fleet's store, in its present
// history: what was listed in this session is believed. Until then no round
// begins. Votes in another fleet's store would count there, and the revisions
// of new writes hide that a store was restored from a backup.
func (w *Writer) Permit(yes bool) {
	if w.permitted.Swap(yes) != yes {
		w.box.ring(yes)
	}
}

// unpermitted is the pause of a Writer that nothing but Permit ends.
const unpermitted = time.Hour

// Due is when the next round begins, unless one is under way.
func (w *Writer) Due(now time.Time) time.Time {
	if !w.permitted.Load() {
		return now.Add(unpermitted)
	}
	due := w.beat
	if _, _, changes := w.box.content(); w.fresh || changes != w.put {
		due = w.pace.earliest()
	}
	if w.held.After(due) {
		due = w.held
	}
	return due
}

// Next is the next request of the round that is under way, or of the one that
// is due; false: there is none, and the round, if any, has ended well. An
// error ends the round as a failed request does.
func (w *Writer) Next(now time.Time) (Request, bool, error) {
	if w.round.began.IsZero() {
		if w.Due(now).After(now) {
			return Request{}, false, nil
		}
		if more, err := w.start(now); !more || err != nil {
			return Request{}, false, err
		}
	}
	r := &w.round
	switch {
	case !r.renewed && w.lease == 0:
		return w.ask(Request{Kind: Grant, TTL: w.timing.LeaseTTL}), true, nil
	case !r.renewed && r.began.Sub(w.alive) >= w.timing.Beat/2:
		return w.ask(Request{Kind: KeepAlive, Lease: w.lease}), true, nil
	case len(r.values) > 0:
		return w.ask(Request{Kind: Commit, Txn: w.txn()}), true, nil
	}
	w.finish()
	return Request{}, false, nil
}

func (w *Writer) ask(r Request) Request {
	w.round.asked = r.Kind
	return r
}

// start begins a round, unless there is nothing to write. Packing comes
// first: it may take a while, and a lease does not wait.
func (w *Writer) start(now time.Time) (more bool, err error) {
	w.pace.wrote(now)
	w.beat = now.Add(w.timing.Beat * 9 / 10).Add(-w.timing.vary(w.timing.Beat / 10))
	ballot, instance, changes := w.box.content()
	if w.left || w.box.instance == "" || ballot == nil && instance == nil {
		w.fresh, w.put = false, changes
		return false, nil
	}
	w.round = round{began: now, changes: changes, instance: instance}
	if err = w.fill(ballot, instance); err != nil {
		w.fail(now)
	}
	return err == nil, err
}

// fill packs what is to be written.
func (w *Writer) fill(b *regions.Ballot, i *regions.Instance) error {
	r := &w.round
	r.values, r.voted = nil, b != nil
	if b != nil {
		w.seq++
		stamped := *b
		stamped.Seq = w.seq
		if err := w.pack(w.keys.Votes(b.Instance), stamped); err != nil {
			return err
		}
	}
	if i != nil && (i != w.instance || w.fresh || w.lease == 0) {
		return w.pack(w.keys.Instance(i.Name), i)
	}
	return nil
}

func (w *Writer) pack(key string, value any) error {
	data, err := Pack(value)
	if err == nil && len(data) > MaxRequest/2 {
		err = fmt.Errorf("%s: %d bytes packed are too many for etcd", w.keys.Relative(key), len(data))
	}
	w.round.values = append(w.round.values, Op{Kind: Put, Key: key, Value: data})
	return err
}

// txn writes in any case, and notices when somebody else has written our
// ballot since we did: two processes of one name.
func (w *Writer) txn() Txn {
	for i := range w.round.values {
		w.round.values[i].Lease = w.lease
	}
	ours := Condition{Key: w.keys.Votes(w.box.instance), Mod: w.written}
	return Txn{If: []Condition{ours}, Then: w.round.values, Else: w.round.values}
}

// Done takes the reply to the request under way, or its failure. It returns
// the failure unless the Writer knows what to do about it; twin says that
// another process writes the votes of this instance.
func (w *Writer) Done(now time.Time, reply Reply, failure error) (twin bool, err error) {
	r := &w.round
	switch {
	case errors.Is(failure, ErrLeaseNotFound) && !r.again:
		w.lease, r.renewed, r.again = 0, false, true
		ballot, instance, _ := w.box.content()
		if err := w.fill(ballot, instance); err != nil {
			w.fail(now)
			return false, err
		}
		return false, nil
	case failure != nil:
		if r.asked == Commit {
			w.written = 0 // it may have been written all the same
		}
		w.fail(now)
		return false, failure
	}
	switch r.asked {
	case Grant:
		w.lease, w.written, w.alive, r.renewed = reply.Lease, 0, r.began, true
	case KeepAlive:
		w.alive, r.renewed = r.began, true
	case Commit:
		twin = !reply.Succeeded && w.written != 0
		if r.voted {
			w.written = reply.Revision
		}
		w.finish()
	}
	return twin, nil
}

// finish ends a round that did all it wanted.
func (w *Writer) finish() {
	w.fresh, w.put, w.instance = false, w.round.changes, w.round.instance
	w.retry.Reset()
	w.round = round{}
}

// fail ends a round; the next one writes everything.
func (w *Writer) fail(now time.Time) {
	w.held = now.Add(min(w.retry.Next(), w.timing.Beat))
	w.fresh = true
	w.round = round{}
}

// Leave says goodbye: nothing is written afterwards. It returns the lease to
// revoke, 0 when there is none.
func (w *Writer) Leave() Lease {
	w.left = true
	return w.lease
}

// Left notes that the lease is revoked.
func (w *Writer) Left() { w.lease = 0 }
