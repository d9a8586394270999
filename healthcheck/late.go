package healthcheck

import "time"

// lateAlarm warns that the schedule falls behind, at most once a minute. It
// belongs to the goroutine of Run.
type lateAlarm struct {
	seen   uint64
	queued uint64
	warned time.Time
}

// lateOnBusyMachine is how many late starts are worth a word when there is
// room in flight: a few are what any busy machine does.
const lateOnBusyMachine = 100

// check looks whether starts were late since the last time, if any started.
func (a *lateAlarm) check(r *Runner, started int) {
	if started == 0 {
		return
	}
	r.mu.Lock()
	late, inFlight, queued := r.lateStarts, r.inFlight, r.queued
	r.mu.Unlock()
	now, full := time.Now(), inFlight >= r.maxInFlight
	if late == a.seen || !full && late-a.seen < lateOnBusyMachine || !a.warned.IsZero() && now.Sub(a.warned) < time.Minute {
		return
	}
	why := "the machine is too busy for the schedule"
	switch {
	case full:
		why = "too many probes are under way: raise checks.max_in_flight, lengthen intervals or shorten timeouts"
	case queued != a.queued:
		why = "too many probes are under way to one address: raise checks.max_per_address, lengthen intervals or shorten timeouts"
	}
	r.log.Warn("probes start late", "why", why, "late", late-a.seen, "in_flight", inFlight, "max_in_flight", r.maxInFlight)
	a.seen, a.queued, a.warned = late, queued, now
}
