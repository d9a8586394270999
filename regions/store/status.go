package store

import (
	"sync"
	"sync/atomic"
	"time"
)

// Status is how this instance stands with the store.
type Status struct {
	Connected   bool      // a session reads: what was published is current
	Since       time.Time // when Connected last changed; the start of Run before that
	Reason      string    // why not connected, or what else is wrong; "" when all is well
	Revision    int64     // of the last picture; 0 before the first
	Cluster     uint64    // etcd's cluster id; 0 before the first contact
	Behind      bool      // that cluster's history went back: it is not read until AllowCluster
	Twin        bool      // another process writes the votes of this instance
	LastContact time.Time // the last time that etcd said anything; zero: never
}

// contactStep is the shortest time between two reports of nothing but contact.
const contactStep = time.Second

// reporter holds the status and tells of its changes, one after another.
type reporter struct {
	now  func() time.Time
	tell func(Status)

	latest atomic.Pointer[Status]

	mu      sync.Mutex
	present Status // guarded by mu
	writing string // guarded by mu; why writes fail, "" when they do not
	reading string // guarded by mu; why nothing is read
	told    Status // guarded by mu
}

func (r *reporter) start(tell func(Status)) {
	r.update(func() {
		r.tell = tell
		r.present.Since = r.now()
		r.reading = "not connected yet"
	})
}

func (r *reporter) contact() {
	r.update(func() { r.present.LastContact = r.now() })
}

func (r *reporter) connected(cluster uint64, revision int64) {
	r.update(func() {
		r.turn(true)
		r.reading, r.present.Behind = "", false
		r.present.Cluster, r.present.Revision = cluster, revision
		r.present.LastContact = r.now()
	})
}

func (r *reporter) lost(reason string, behind bool) {
	r.update(func() { r.turn(false); r.reading, r.present.Behind = reason, behind })
}

// writes notes why writes fail; "" when they work.
func (r *reporter) writes(reason string) {
	r.update(func() { r.writing = reason })
}

// twin notes whether another process has written this instance's votes since
// it did, and says whether that is news.
func (r *reporter) twin(there bool) (news bool) {
	r.update(func() {
		news = there != r.present.Twin
		r.present.Twin = there
	})
	return news
}

func (r *reporter) turn(connected bool) {
	if r.present.Connected != connected {
		r.present.Connected, r.present.Since = connected, r.now()
	}
}

func (r *reporter) update(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
	r.present.Reason = r.reading
	if r.reading == "" {
		r.present.Reason = r.writing
	}
	now := r.present
	r.latest.Store(&now)
	if r.tell != nil && worthTelling(r.told, now) {
		r.told = now
		r.tell(now)
	}
}

func worthTelling(told, now Status) bool {
	if now.LastContact.Sub(told.LastContact) >= contactStep {
		return true
	}
	told.LastContact = now.LastContact
	return told != now
}

func (r *reporter) status() Status {
	if s := r.latest.Load(); s != nil {
		return *s
	}
	return Status{Reason: "not started"}
}

// Stats counts what has happened since New.
type Stats struct {
	Writes        uint64 // of votes, instance and lease, that succeeded
	WriteFailures uint64
	Relists       uint64 // full lists, the first of each session too
	WatchRestarts uint64 // watches opened after the very first
	Pictures      uint64 // published
	Rejected      uint64 // values refused, each counted once for each revision that wrote it
}

// counters are Stats while they run.
type counters struct {
	writes, failures, relists, watches, pictures, rejected atomic.Uint64
}

func (c *counters) stats() Stats {
	watches := c.watches.Load()
	return Stats{
		Writes: c.writes.Load(), WriteFailures: c.failures.Load(), Relists: c.relists.Load(),
		WatchRestarts: watches - min(watches, 1), Pictures: c.pictures.Load(), Rejected: c.rejected.Load(),
	}
}
