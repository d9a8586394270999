package protocol

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/steerdns/steerdns/regions"
)

// relistPause is the time between a doubt and the list that settles it.
const relistPause = 100 * time.Millisecond

// Step is what a Reader wants done next.
type Step uint8

// The steps.
const (
	Wait  Step = iota // for the next word of the watch, or until Due
	List              // send ListRequest, and hand its reply to Listed
	Watch             // end the watch there is, open one From a revision, and say so to Opened
	Ask               // ask the watch for a sign of progress
)

// Reader follows the store: it lists, watches from there, asks for signs of
// life, lists again on its beat and on any doubt, and gives a session up when
// the watch is silent. It outlives sessions, so that a list that lags behind
// is recognised. All methods but Allow belong to one goroutine.
//
// Whoever carries its requests calls Begin for each session, then, until an
// error ends the session, does what Next says. Words of the watch are handed
// to Heard in their order, all that have come before Next is asked, and none
// while a list is under way.
type Reader struct {
	keys    Keys
	timing  Timing
	mirror  *mirror
	allowed atomic.Uint64 // a cluster that an operator believes although its history went back; 0: none

	listed  bool // this session has listed
	watched bool // a watch is open
	list    time.Time
	ask     time.Time
	silent  time.Time
}

// NewReader makes a Reader that knows nothing.
func NewReader(k Keys, t Timing) *Reader {
	return &Reader{keys: k, timing: t, mirror: newMirror(k)}
}

// Share lets several Readers that are handed the very same values judge each
// of them once.
func (r *Reader) Share(m *Memo) { r.mirror.memo = m }

// Allow is the operator's word that this cluster's next list is to be
// believed although its history went back. It serves once.
func (r *Reader) Allow(cluster uint64) { r.allowed.Store(cluster) }

// Begin starts a session: nothing of the one before counts, but what is known.
func (r *Reader) Begin(now time.Time) {
	r.listed, r.watched, r.list = false, false, now
}

// Next is what to do now. An error ends the session.
func (r *Reader) Next(now time.Time) (Step, error) {
	switch {
	case r.watched && !now.Before(r.silent):
		return Wait, fmt.Errorf("the watch is silent for %v", r.timing.Silence)
	case !now.Before(r.list):
		return List, nil
	case !r.listed:
		return Wait, nil
	case !r.watched:
		return Watch, nil
	case !now.Before(r.ask):
		r.ask = now.Add(r.askAfter())
		return Ask, nil
	}
	return Wait, nil
}

// askAfter is how long a watch may be quiet before it is asked.
func (r *Reader) askAfter() time.Duration { return max(r.timing.Silence/4, time.Millisecond) }

// Due is when Next has something to say if nothing is heard before.
func (r *Reader) Due() time.Time {
	due := r.list
	if r.watched {
		for _, t := range []time.Time{r.ask, r.silent} {
			if t.Before(due) {
				due = t
			}
		}
	}
	return due
}

// ListRequest reads all but the history in one transaction: at one revision.
func (r *Reader) ListRequest() Request {
	folder := func(name string, most int64) Op {
		key, end := Folder(string(r.keys) + name)
		return Op{Kind: Get, Key: key, End: end, Limit: most + 1}
	}
	return Request{Kind: Commit, Txn: Txn{Then: []Op{
		{Kind: Get, Key: r.keys.Current()},
		folder(votesFolder, maxBallots), folder(instancesFolder, maxInstances), folder(overridesFolder, maxOverrides),
		folder(serialsFolder, maxSerials),
	}}}
}

// Listed takes the reply to ListRequest, and says whether the picture has
// changed. An error ends the session.
func (r *Reader) Listed(now time.Time, reply Reply) (changed bool, err error) {
	if r.mirror.behind && r.allowed.CompareAndSwap(reply.Cluster, 0) {
		memo := r.mirror.memo
		r.mirror = newMirror(r.keys)
		r.mirror.memo = memo
	}
	var all []Entry
	for _, part := range reply.Parts {
		all = append(all, part...)
	}
	changed, err = r.mirror.replace(reply.Cluster, reply.Revision, all)
	if err != nil {
		return false, err
	}
	r.listed, r.list = true, now.Add(r.timing.vary(r.timing.Relist))
	return changed, nil
}

// From is the revision that a watch is to begin at: the last one that is known,
// of which it tells nothing new. From the one after it etcd would give no sign
// of life until somebody writes.
func (r *Reader) From() int64 { return r.mirror.revision }

// Opened notes that a watch is open, or on its way.
func (r *Reader) Opened(now time.Time) {
	r.watched, r.silent, r.ask = true, now.Add(r.timing.Silence), now
}

// Heard takes one word of the watch, and says whether the picture has
// changed. ErrRelist: this watch is not believed any further, Next wants
// another list. Any other error ends the session.
func (r *Reader) Heard(now time.Time, w Word) (changed bool, err error) {
	switch {
	case errors.Is(w.Err, ErrCompacted):
		err = fmt.Errorf("%w: compacted up to revision %d", ErrRelist, w.Compacted)
	case w.Err != nil:
		return false, w.Err
	case len(w.Events) > 0: // otherwise progress: a sign of life, and nothing more
		changed, err = r.mirror.apply(w.Cluster, w.Events)
	}
	r.silent, r.ask = now.Add(r.timing.Silence), now.Add(r.askAfter())
	if err != nil {
		r.listed, r.watched, r.list = false, false, now.Add(relistPause)
	}
	return changed, err
}

// Watching says whether the words of the present watch are wanted.
func (r *Reader) Watching() bool { return r.watched }

// HasListed says whether this session has listed.
func (r *Reader) HasListed() bool { return r.listed }

// Refuses says whether lists are refused because the cluster's history went
// back, until the operator's word.
func (r *Reader) Refuses() bool { return r.mirror.behind }

// Picture is all that is known. It shares nothing that changes.
func (r *Reader) Picture() *regions.Picture { return r.mirror.picture() }

// Cluster and Revision are those of the picture.
func (r *Reader) Cluster() uint64 { return r.mirror.cluster }

// Revision is the highest one that the store has told of.
func (r *Reader) Revision() int64 { return r.mirror.revision }

// Refused calls f for every key of which something was refused, with the
// revision that wrote it.
func (r *Reader) Refused(f func(key string, mod int64, why []regions.Rejected)) {
	for key, h := range r.mirror.held {
		if len(h.value.rejected) > 0 {
			f(key, h.mod, h.value.rejected)
		}
	}
}
