package healthcheck

import (
	"container/heap"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// DefaultMaxInFlight is Options.MaxInFlight when that is not positive.
const DefaultMaxInFlight = 256

// Options are what a Runner needs.
type Options struct {
	Prober      Prober       // required
	Seed        uint64       // the instance's identity: its rhythm differs from every other instance's
	MaxInFlight int          // probes under way at once; 0: DefaultMaxInFlight
	Log         *slog.Logger // nil: no log
	// OnChange is called, if set, after a vote began to read differently
	// (state, suspicion, or the reason while not up) and after targets came
	// or went. It may be called by several goroutines at once and must return
	// soon; it may call Votes. Coalescing is its own matter.
	OnChange func()
}

// Runner keeps a set of targets probed and votes on each. One goroutine keeps
// the schedule, and every probe under way has one of its own.
type Runner struct {
	prober      Prober
	seed        uint64
	maxInFlight int
	log         *slog.Logger
	onChange    func()
	wake        chan struct{} // the schedule's head or room changed

	mu          sync.Mutex
	running     bool
	entries     map[string]*entry // by target ID
	queue       queue             // the entries that are not being probed
	inFlight    int
	lateStarts  uint64
	lateTotal   time.Duration
	transitions uint64
	tallies     tallies
}

// NewRunner makes a Runner without targets. It starts nothing.
func NewRunner(o Options) *Runner {
	r := &Runner{
		prober:      o.Prober,
		seed:        o.Seed,
		maxInFlight: o.MaxInFlight,
		log:         o.Log,
		onChange:    o.OnChange,
		wake:        make(chan struct{}, 1),
		entries:     map[string]*entry{},
	}
	if r.maxInFlight <= 0 {
		r.maxInFlight = DefaultMaxInFlight
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.onChange == nil {
		r.onChange = func() {}
	}
	return r
}

// Run probes until ctx is done, then waits for the probes under way, whose
// results no longer count, and returns nil. The votes stay as they were. It
// may be called once.
func (r *Runner) Run(ctx context.Context) error {
	if err := r.begin(time.Now()); err != nil {
		return err
	}
	var probes sync.WaitGroup
	defer probes.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var alarm lateAlarm
	var batch []*entry
	for {
		var wait time.Duration
		batch, wait = r.takeDue(time.Now(), batch[:0])
		for _, e := range batch {
			probes.Go(func() { r.probe(ctx, e) })
		}
		alarm.check(r, len(batch))
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-r.wake:
		}
	}
}

// begin spreads anew what was due while nobody ran.
func (r *Runner) begin(now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running {
		return errors.New("healthcheck: Run may be called once")
	}
	r.running = true
	for _, e := range r.queue {
		e.due = now.Add(firstDelay(e.hash, e.target.Check.interval()))
	}
	heap.Init(&r.queue)
	return nil
}

// idle is how long the schedule sleeps when only a wake-up can give it work.
const idle = time.Hour

// takeDue appends to batch the entries to probe now, those due longest first,
// as far as there is room, and says how long the rest may wait.
func (r *Runner) takeDue(now time.Time, batch []*entry) ([]*entry, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.queue) > 0 && r.inFlight < r.maxInFlight && !r.queue[0].due.After(now) {
		e := heap.Pop(&r.queue).(*entry)
		if by := now.Sub(e.due); by > lateAfter {
			r.lateStarts++
			r.lateTotal += by
		}
		e.began = now
		e.starts++
		r.inFlight++
		batch = append(batch, e)
	}
	if len(r.queue) == 0 || r.inFlight >= r.maxInFlight {
		return batch, idle
	}
	return batch, r.queue[0].due.Sub(now)
}

func (r *Runner) probe(ctx context.Context, e *entry) {
	o := r.prober.Probe(ctx, e.target)
	if ctx.Err() != nil {
		r.release()
		return
	}
	before, after, changed := r.finish(e, o, time.Now())
	if before.State != after.State {
		r.log.Info("vote changed", "endpoint", e.target.ID,
			"from", before.State, "to", after.State, "reason", after.Reason)
	}
	if changed {
		r.onChange()
	}
}

func (r *Runner) release() {
	r.mu.Lock()
	r.inFlight--
	r.mu.Unlock()
}

// finish takes a probe's result and puts its entry back on the schedule.
func (r *Runner) finish(e *entry, o Observation, now time.Time) (before, after Vote, changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wasFull := r.inFlight >= r.maxInFlight
	r.inFlight--
	r.tallies.add(e.target.Check.Kind, o)
	if e.gone {
		r.poke(wasFull)
		return Vote{}, Vote{}, false
	}
	before = e.h.Vote()
	e.h, changed = e.h.Next(o, e.target.Check.Fall, e.target.Check.Rise)
	after = e.h.Vote()
	if before.State != after.State {
		r.transitions++
	}
	r.reschedule(e, now)
	r.poke(wasFull || e.index == 0)
	return before, after, changed
}

// reschedule queues e for its next probe: a gap after the start of the last
// one, or now if that one took longer.
func (r *Runner) reschedule(e *entry, now time.Time) {
	e.due = e.began.Add(gap(e.hash, e.starts, e.target.Check.interval()))
	if e.due.Before(now) {
		e.due = now
	}
	heap.Push(&r.queue, e)
}

// poke wakes the schedule if it is needed; one pending wake-up is enough.
func (r *Runner) poke(needed bool) {
	if !needed {
		return
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Votes is what this instance believes of each target: a fresh copy that the
// caller owns. A target that has not been probed yet is in it as unknown.
func (r *Runner) Votes() map[string]Vote {
	r.mu.Lock()
	defer r.mu.Unlock()
	votes := make(map[string]Vote, len(r.entries))
	for id, e := range r.entries {
		votes[id] = e.h.Vote()
	}
	return votes
}

// Stats is a fresh copy that the caller owns.
func (r *Runner) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Stats{
		Targets:     len(r.entries),
		InFlight:    r.inFlight,
		MaxInFlight: r.maxInFlight,
		LateStarts:  r.lateStarts,
		LateTotal:   r.lateTotal,
		Transitions: r.transitions,
		Probes:      r.tallies.stats(),
	}
}
