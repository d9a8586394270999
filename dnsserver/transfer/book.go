package transfer

import (
	"time"

	"github.com/steerdns/steerdns/regions"
)

// How long a change waits for more before it becomes a version, and how long
// instances that do not agree wait at most before they say so once more.
const (
	settle      = time.Second
	settleMost  = 5 * settle
	contestMost = 64 * settle
)

// book keeps the serial of one zone that changes by itself. A serial is bound to
// one content in the store, by compare-and-swap, before any instance serves it: so
// one serial is one content everywhere, whichever instance is asked. Every instance
// proposes what it sees; the first one wins, and the others, who see the same, take
// it over. Owned by Server.run.
type book struct {
	digest   string    // of the content now
	since    time.Time // it has been this
	pending  time.Time // since then, the store says something else; zero: it says this
	agreed   time.Time // since then, the store says this; zero: it says something else
	proposed string    // the digest of our last proposal
	patience time.Duration
}

// entry is what the store says of a zone: which content its serial stands for.
// The zero entry has no digest: nothing was said yet.
type entry struct {
	serial uint32
	digest string
}

func entryOf(w *regions.World, name string) entry {
	for _, s := range w.Serials {
		if s.Zone == name {
			return entry{s.Serial, s.Digest}
		}
	}
	return entry{}
}

// see notes what the content is now.
func (b *book) see(digest string, now time.Time) {
	if b.digest != digest {
		b.digest, b.since = digest, now
	}
}

// take says whether said, the store's word, is of our content and may be served
// after had, the version that is. A serial never goes back.
func (b *book) take(said, had entry, floor uint32) bool {
	return said.digest != "" && said.digest == b.digest && !less(said.serial, floor) &&
		(had.digest == "" || !less(said.serial, had.serial))
}

// due is when a proposal is due, now or later; zero when none is. lost: the
// store is away or says nothing that could be believed.
func (b *book) due(agreed, lost bool, now time.Time) time.Time {
	if agreed {
		if b.pending = (time.Time{}); b.agreed.IsZero() {
			b.agreed = now
		}
		return time.Time{}
	}
	if !b.agreed.IsZero() && now.Sub(b.agreed) > 2*contestMost {
		b.patience = 0
	}
	b.agreed = time.Time{}
	if b.pending.IsZero() {
		b.pending = now
		if b.proposed == b.digest && b.since.Before(now) {
			// Ours was written over although nothing changed here: others see
			// something else. Whoever is right, they need not hear it each second.
			b.patience = min(max(2*b.patience, 2*settle), contestMost)
		}
	}
	if lost {
		return time.Time{}
	}
	calm := b.since.Add(settle)
	if late := b.pending.Add(settleMost); calm.After(late) {
		calm = late
	}
	if patient := b.pending.Add(max(b.patience, settle)); patient.After(calm) {
		return patient
	}
	return calm
}

// proposal is the serial that the content should have: the time, as one reads
// it, unless that would go back. floor is what the fleet file says.
func (b *book) proposal(said, had entry, floor uint32, now time.Time) uint32 {
	if had.digest == b.digest && had.digest != "" && said.digest != b.digest && !less(had.serial, floor) &&
		(said.digest == "" || less(said.serial, had.serial)) {
		return had.serial // the store forgot: secondaries need not fetch anew
	}
	next := uint32(now.Unix())
	for _, known := range []entry{said, had} {
		if known.digest != "" && !less(known.serial, next) {
			next = known.serial + 1
		}
	}
	if less(next, floor) {
		next = floor
	}
	return next
}
