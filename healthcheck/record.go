package healthcheck

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// record is one target with all that is known of it. Owned by the runner's
// lock.
type record struct {
	target  Target
	entries []*entry // the checks that probe, each once
	counted []*entry // the same in the order of the check's tree, each as often as it stands there
	gone    bool     // no longer a target; results that still come in are dropped
	vote    Vote
}

// newRecord makes the record of a target that nobody has probed yet.
func newRecord(t Target, seed uint64, now time.Time) *record {
	rec := &record{target: t}
	rec.add(t, seed, now)
	rec.vote = Vote{Reason: "not yet probed", Since: wall(now)}
	rec.judge(now)
	return rec
}

// add takes in a check and all below it.
func (r *record) add(t Target, seed uint64, now time.Time) {
	if t.Check.Kind == Combined {
		for _, c := range t.Check.Of {
			part := t
			part.Check = c
			r.add(part, seed, now)
		}
		return
	}
	e := r.entryOf(t.Check)
	if e == nil {
		e = r.newEntry(t, seed, now)
		r.entries = append(r.entries, e)
	}
	r.counted = append(r.counted, e)
}

// entryOf is the entry that probes c, if there is one.
func (r *record) entryOf(c Check) *entry {
	for _, e := range r.entries {
		if e.target.Check.Name == c.Name && e.target.Check.Equal(c) {
			return e
		}
	}
	return nil
}

func (r *record) newEntry(t Target, seed uint64, now time.Time) *entry {
	id := t.ID
	if n := len(r.entries); n > 0 {
		id = fmt.Sprint(id, " ", n)
	}
	e := &entry{record: r, target: t, hash: hashID(seed, id), index: -1, h: NewHysteresis(now)}
	if e.reports() {
		e.h.reason = "has not reported yet"
	}
	return e
}

// judge makes the vote anew. at is the moment of what may have changed it.
func (r *record) judge(at time.Time) (before, after Vote) {
	before = r.vote
	if r.target.Check.Kind != Combined {
		r.vote = r.entries[0].h.Vote()
		return before, r.vote
	}
	rest := r.counted
	o := combine(r.target.Check, func() opinion {
		o := opinionOf(rest[0].h)
		rest = rest[1:]
		return o
	})
	r.vote = Vote{State: o.state, Suspect: o.suspect(), Reason: clean(o.reason), Since: before.Since}
	if o.state != before.State {
		r.vote.Since = wall(at)
	}
	return before, r.vote
}

// end makes the record end, and the probes under way with it.
func (r *record) end() {
	r.gone = true
	for _, e := range r.entries {
		if e.cancel != nil {
			e.cancel()
		}
	}
}

// opinion is what a check says so far: low if all that is in doubt fails, high
// if all that is in doubt passes.
type opinion struct {
	state, low, high State
	reason           string
	warning          string // of what passes
}

func (o opinion) suspect() bool {
	return o.state == Up && o.low != Up || o.state == Down && o.high != Down
}

func opinionOf(h Hysteresis) opinion {
	v := h.Vote()
	o := opinion{v.State, v.State, v.State, v.Reason, h.warning}
	switch {
	case v.Suspect && v.State == Up:
		o.low = Down
	case v.Suspect && v.State == Down:
		o.high = Up
	}
	return o
}

// combine counts what the checks of c say; next gives the opinions of those
// that probe, in order. Unknown is neither: with it, only what it cannot change
// is certain.
func combine(c Check, next func() opinion) opinion {
	if c.Kind != Combined {
		return next()
	}
	var state, low, high count
	said := []string{""}
	var warnings []string
	for _, part := range c.Of {
		o := combine(part, next)
		state.add(o.state)
		low.add(o.low)
		high.add(o.high)
		switch {
		case o.state != Up:
			said = append(said, part.Name+": "+o.reason)
		case o.warning != "":
			warnings = append(warnings, part.Name+": "+o.warning)
		}
	}
	said[0] = fmt.Sprintf("%d of %d pass, want %d", state.up, len(c.Of), c.Need)
	return opinion{
		state: state.of(c), low: low.of(c), high: high.of(c),
		reason: strings.Join(append(said, warnings...), "; "), warning: strings.Join(warnings, "; "),
	}
}

// count is how many checks are up and down.
type count struct{ up, down int }

func (n *count) add(s State) {
	switch s {
	case Up:
		n.up++
	case Down:
		n.down++
	}
}

func (n count) of(c Check) State {
	switch {
	case n.up >= c.Need:
		return Up
	case len(c.Of)-n.down < c.Need:
		return Down
	default:
		return Unknown
	}
}

// probing notes a probe that begins; its context ends with the record.
func (e *entry) probing(ctx context.Context) context.Context {
	ctx, e.cancel = context.WithCancel(ctx)
	return ctx
}
