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
	next := make(map[string]*record, len(targets))
	for _, t := range targets {
		if _, ok := next[t.ID]; ok {
			twice = append(twice, t.ID)
			continue
		}
		rec := r.records[t.ID]
		if rec == nil || !rec.target.Equal(t) {
			rec, changed = newRecord(t, r.seed, now), true
			r.enter(rec, now)
		}
		next[t.ID] = rec
	}
	changed = r.dropMissing(next) || changed
	r.records = next
	r.poke(changed)
	return changed, twice
}

// enter puts a record's checks on the schedule. One that waits for reports
// has nothing to wait for until the first.
func (r *Runner) enter(rec *record, now time.Time) {
	at := placeOf(rec.target)
	l := r.lanes[at]
	if l == nil {
		l = &lane{}
		r.lanes[at] = l
	}
	for _, e := range rec.entries {
		e.lane = l
		l.entries++
		if !e.reports() {
			e.due = now.Add(firstDelay(e.hash, e.target.Check.interval()))
			heap.Push(&r.queue, e)
		}
	}
}

// dropMissing ends the records that are not in next.
func (r *Runner) dropMissing(next map[string]*record) (dropped bool) {
	for id, rec := range r.records {
		if next[id] != rec {
			dropped = true
			r.drop(rec)
		}
	}
	return dropped
}

func (r *Runner) drop(rec *record) {
	rec.end()
	for _, e := range rec.entries {
		r.queue.remove(e)
		e.lane.remove(e)
		if e.lane.entries == 0 {
			delete(r.lanes, placeOf(e.target))
		}
	}
}
