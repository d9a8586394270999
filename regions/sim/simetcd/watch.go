package simetcd

import (
	"slices"
	"sort"
	"time"

	"github.com/steerdns/steerdns/regions/store/protocol"
)

// Watch follows the keys of a prefix from a revision on.
type Watch struct {
	// LoseDeletes leaves deletions out (etcd issues 17529, 18089 and 19179).
	LoseDeletes bool
	// Repeat tells the event that came so many before what is new again, after
	// it, without what has followed since; Backwards gives what is new in the
	// wrong order, a response for each event (etcd before 3.5.8).
	Repeat    int
	Backwards bool

	prefix string
	from   int64
	next   int64
}

// NewWatch makes a watch on all keys with prefix, from revision from on.
func NewWatch(prefix string, from int64) *Watch {
	return &Watch{prefix: prefix, from: from, next: from}
}

// Poll is what there is to say since the last Poll; nothing when there is
// nothing new. A word with an Err is the last one.
func (c *Cluster) Poll(w *Watch) []protocol.Word { return c.PollTo(w, c.revision) }

// PollTo is Poll at a member that has got no further than revision to.
func (c *Cluster) PollTo(w *Watch, to int64) []protocol.Word {
	if w.next <= c.compacted {
		return []protocol.Word{{Cluster: c.id, Err: protocol.ErrCompacted, Compacted: c.compacted + 1}}
	}
	if w.next > to {
		return nil
	}
	first := sort.Search(len(c.history), func(i int) bool { return c.history[i].Mod >= w.next })
	end := sort.Search(len(c.history), func(i int) bool { return c.history[i].Mod > to })
	fresh := first < end
	w.next = to + 1
	events := w.choose(c.history[first:end])
	if !fresh || len(events) == 0 {
		return nil
	}
	words := []protocol.Word{{Cluster: c.id, Events: events}}
	if w.Backwards {
		words = backwards(c.id, events)
	}
	if old := first - w.Repeat; w.Repeat > 0 && old >= 0 {
		words = append(words, backwards(c.id, w.choose(c.history[old:old+1]))...)
	}
	return words
}

// choose is the events that this watch tells of.
func (w *Watch) choose(list []protocol.Event) []protocol.Event {
	var events []protocol.Event
	for _, e := range list {
		if len(e.Key) >= len(w.prefix) && e.Key[:len(w.prefix)] == w.prefix && !(w.LoseDeletes && e.Gone) {
			events = append(events, e)
		}
	}
	return events
}

func backwards(id uint64, events []protocol.Event) []protocol.Word {
	var words []protocol.Word
	for _, e := range slices.Backward(events) {
		words = append(words, protocol.Word{Cluster: id, Events: []protocol.Event{e}})
	}
	return words
}

// Progress is the sign of life that a watch gives when it is asked; false: a
// watch from a revision that has not been reached gives none (etcd pull
// request 20229).
func (c *Cluster) Progress(w *Watch) (protocol.Word, bool) {
	return protocol.Word{Cluster: c.id}, w.from <= c.revision
}

// Compact forgets what was before revision: watches cannot begin there.
func (c *Cluster) Compact(revision int64) {
	c.compacted = max(c.compacted, min(revision, c.revision)-1)
}

// Entries is what is stored under a prefix at this moment, by key.
func (c *Cluster) Entries(prefix string) []protocol.Entry {
	key, end := protocol.Folder(prefix)
	return c.read(protocol.Op{Key: key, End: end})
}

// At is what was stored under a prefix at a revision, by key: the truth that
// watches are held to, compacted or not.
func (c *Cluster) At(prefix string, revision int64) map[string]protocol.Entry {
	state := map[string]protocol.Entry{}
	for _, e := range c.history {
		switch {
		case e.Mod > revision:
			return state
		case len(e.Key) < len(prefix) || e.Key[:len(prefix)] != prefix:
		case e.Gone:
			delete(state, e.Key)
		default:
			state[e.Key] = e.Entry
		}
	}
	return state
}

// Backup is a copy of the cluster as a member's database has it. Restored
// under id, all leases start anew at now, and no watch goes on.
func (c *Cluster) Backup() *Cluster {
	b := &Cluster{id: c.id, revision: c.revision, compacted: c.revision, granted: c.granted, keys: map[string]protocol.Entry{}, leases: map[protocol.Lease]*lease{}}
	for key, e := range c.keys {
		b.keys[key] = e
	}
	b.names = slices.Clone(c.names)
	for id, l := range c.leases {
		keys := map[string]bool{}
		for key := range l.keys {
			keys[key] = true
		}
		b.leases[id] = &lease{ttl: l.ttl, keys: keys}
	}
	for _, name := range b.names {
		b.history = append(b.history, protocol.Event{Entry: b.keys[name]})
	}
	sort.SliceStable(b.history, func(i, j int) bool { return b.history[i].Mod < b.history[j].Mod })
	return b
}

// Restored puts a backup into service under id.
func (c *Cluster) Restored(id uint64, now time.Time) *Cluster {
	again := c.Backup()
	again.id = id
	again.granted = protocol.Lease(now.UnixNano())
	again.LeaderChanged(now)
	return again
}
