package healthcheck

import (
	"container/heap"
	"errors"
	"time"
)

// Report is what an endpoint says of itself.
type Report struct {
	Up     bool
	Reason string // for a person; may be empty
	Load   uint8  // percent of its capacity; 0: idle, or not said
}

// ErrNoReport refuses a report on what is no endpoint, or on one whose check
// does not wait for reports.
var ErrNoReport = errors.New("no endpoint of that name waits for reports")

// Report takes in what the endpoint named id says of itself, and returns how
// long that holds. Up or down, it counts at once; when its time is over and no
// other report has come, the endpoint is down. The error is ErrNoReport.
func (r *Runner) Report(id string, rep Report) (time.Duration, error) {
	e, c, err := r.report(id, rep, time.Now())
	if err != nil {
		return 0, err
	}
	r.tell(e, c)
	return e.target.Check.TTL, nil
}

func (r *Runner) report(id string, rep Report, now time.Time) (last *entry, c change, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec := r.records[id]
	if rec == nil {
		return nil, c, ErrNoReport
	}
	for _, e := range rec.entries {
		if e.reports() {
			one := r.hear(e, rep, now)
			if last == nil {
				c.before = one.before
			}
			c.after, c.changed = one.after, c.changed || one.changed
			last = e
		}
	}
	if last == nil {
		return nil, c, ErrNoReport
	}
	r.poke(true)
	return last, c, nil
}

func (r *Runner) hear(e *entry, rep Report, now time.Time) change {
	e.due = now.Add(max(e.target.Check.TTL, minInterval))
	if e.index >= 0 {
		heap.Fix(&r.queue, e.index)
	} else {
		heap.Push(&r.queue, e)
	}
	o := Observation{OK: rep.Up, Reason: rep.words(), Load: min(rep.Load, 100), At: now}
	r.tallies.add(Push, o)
	return r.take(e, o, 1, 1)
}

func (rep Report) words() string {
	words := "reports down"
	if rep.Up {
		words = "reports up"
	}
	if rep.Reason != "" {
		words += ": " + rep.Reason
	}
	return words
}

// expire judges an entry whose report has ended, unless another came meanwhile.
func (r *Runner) expire(e *entry, now time.Time) {
	c, ok := r.expired(e, now)
	if ok {
		r.tell(e, c)
	}
}

func (r *Runner) expired(e *entry, now time.Time) (change, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.record.gone || e.index >= 0 || e.due.After(now) {
		return change{}, false
	}
	o := Observation{Reason: "no report for " + e.target.Check.TTL.String(), At: now}
	r.tallies.add(Push, o)
	return r.take(e, o, 1, 1), true
}
