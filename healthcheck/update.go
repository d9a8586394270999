package healthcheck

import (
	"container/heap"
	"time"
)

// Update replaces the set of targets; the caller must not change their
// checks afterwards. A target that is equal to one in the old set keeps its
// vote and its rhythm. One whose address or check changed begins anew as
// unknown, like a new one. What is missing ends, vote and all. Of several
// with one ID the first counts. Update may be called at any time, also
// before Run.
func (r *Runner) Update(targets []Target) {
	changed, twice := r.replace(targets, time.Now())
	for _, id := range twice {
		r.log.Warn("target named twice, the first counts", "endpoint", id)
	}
	if changed {
		r.onChange()
	}
}

func (r *Runner) replace(targets []Target, now time.Time) (changed bool, twice []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := make(map[string]*entry, len(targets))
	for _, t := range targets {
		if _, ok := next[t.ID]; ok {
			twice = append(twice, t.ID)
			continue
		}
		e := r.entries[t.ID]
		if e == nil || !e.target.Equal(t) {
			e, changed = r.enter(t, now), true
		}
		next[t.ID] = e
	}
	changed = r.dropMissing(next) || changed
	r.entries = next
	r.poke(changed)
	return changed, twice
}

func (r *Runner) enter(t Target, now time.Time) *entry {
	e := &entry{target: t, hash: hashID(r.seed, t.ID), h: NewHysteresis(now)}
	e.due = now.Add(firstDelay(e.hash, t.Check.interval()))
	heap.Push(&r.queue, e)
	return e
}

// dropMissing ends the entries that are not in next.
func (r *Runner) dropMissing(next map[string]*entry) (dropped bool) {
	for id, e := range r.entries {
		if next[id] != e {
			e.gone, dropped = true, true
			r.queue.remove(e)
		}
	}
	return dropped
}
