package healthcheck

import "time"

// lateAlarm warns that the schedule falls behind, at most once a minute. It
// belongs to the goroutine of Run.
type lateAlarm struct {
	seen   uint64
	warned time.Time
}

// check looks whether starts were late since the last time, if any started.
func (a *lateAlarm) check(r *Runner, started int) {
	if started == 0 {
		return
	}
	r.mu.Lock()
	late, inFlight := r.lateStarts, r.inFlight
	r.mu.Unlock()
	now := time.Now()
	if late == a.seen || !a.warned.IsZero() && now.Sub(a.warned) < time.Minute {
		return
	}
	r.log.Warn("probes start late (allow more probes in flight, or lengthen intervals)",
		"late", late-a.seen, "in_flight", inFlight, "max_in_flight", r.maxInFlight)
	a.seen, a.warned = late, now
}
