package healthcheck

import (
	"container/heap"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// What Options say when they say nothing.
const (
	DefaultMaxInFlight   = 4096
	DefaultMaxPerAddress = 64
)

// Options are what a Runner needs.
type Options struct {
	Prober        Prober       // required
	Seed          uint64       // the instance's identity: its rhythm differs from every other instance's
	MaxInFlight   int          // probes under way at once; 0: DefaultMaxInFlight
	MaxPerAddress int          // of those, to one address or alias; 0: DefaultMaxPerAddress
	Log           *slog.Logger // nil: no log
	// OnChange is called, if set, after a vote began to read differently
	// (state, suspicion, or the reason while not up), after Blind changed, and
	// after targets came or went. It may be called by several goroutines at once and must return
	// soon; it may call Votes. Coalescing is its own matter.
	OnChange func()
}

// Runner keeps a set of targets probed and votes on each. One goroutine keeps
// the schedule, and every probe under way has one of its own.
type Runner struct {
	prober        Prober
	seed          uint64
	maxInFlight   int
	maxPerAddress int
	log           *slog.Logger
	onChange      func()
	wake          chan struct{} // the schedule's head or room changed

	mu          sync.Mutex
	running     bool
	records     map[string]*record // by target ID
	lanes       map[place]*lane
	queue       queue // the entries that wait for their time
	inFlight    int
	sight       sight
	queued      uint64 // starts that waited for room at their address
	lateStarts  uint64
	lateTotal   time.Duration
	transitions uint64
	tallies     tallies
}

// NewRunner makes a Runner without targets. It starts nothing.
func NewRunner(o Options) *Runner {
	r := &Runner{
		prober:        o.Prober,
		seed:          o.Seed,
		maxInFlight:   o.MaxInFlight,
		maxPerAddress: o.MaxPerAddress,
		log:           o.Log,
		onChange:      o.OnChange,
		wake:          make(chan struct{}, 1),
		records:       map[string]*record{},
		lanes:         map[place]*lane{},
	}
	if r.maxInFlight <= 0 {
		r.maxInFlight = DefaultMaxInFlight
	}
	if r.maxPerAddress <= 0 {
		r.maxPerAddress = DefaultMaxPerAddress
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
			if e.reports() {
				r.expire(e, time.Now())
				continue
			}
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
		if !e.reports() {
			e.due = now.Add(firstDelay(e.hash, e.target.Check.interval()))
		}
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
		switch {
		case e.reports():
			batch = append(batch, e)
		case e.lane.inFlight >= r.maxPerAddress:
			e.lane.waiting = append(e.lane.waiting, e)
			r.queued++
		default:
			r.start(e, now)
			batch = append(batch, e)
		}
	}
	if len(r.queue) == 0 || r.inFlight >= r.maxInFlight {
		return batch, idle
	}
	return batch, r.queue[0].due.Sub(now)
}

func (r *Runner) start(e *entry, now time.Time) {
	if by := now.Sub(e.due); by > lateAfter {
		r.lateStarts++
		r.lateTotal += by
	}
	e.began = now
	e.starts++
	e.lane.inFlight++
	r.inFlight++
}

func (r *Runner) probe(ctx context.Context, e *entry) {
	bounded, ok := r.enterProbe(ctx, e)
	if !ok {
		return
	}
	o := r.prober.Probe(bounded, e.target)
	if ctx.Err() != nil {
		r.leaveProbe(e)
		return
	}
	r.tell(e, r.finish(e, o, time.Now()))
}

// enterProbe gives the probe a context that ends with the record.
func (r *Runner) enterProbe(ctx context.Context, e *entry) (context.Context, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.record.gone {
		r.release(e)
		return nil, false
	}
	return e.probing(ctx), true
}

func (r *Runner) leaveProbe(e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.release(e)
}

// release gives the places of a probe back.
func (r *Runner) release(e *entry) {
	wasFull := r.inFlight >= r.maxInFlight
	r.inFlight--
	if e.cancel != nil {
		e.cancel()
		e.cancel = nil
	}
	next := e.lane.free()
	if next != nil {
		heap.Push(&r.queue, next)
	}
	r.poke(wasFull || next != nil)
}

// change is what an observation did to a record's vote.
type change struct {
	before, after Vote
	changed       bool // the vote, or Blind
}

// finish takes a probe's result and puts its entry back on the schedule.
func (r *Runner) finish(e *entry, o Observation, now time.Time) change {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.release(e)
	r.tallies.add(e.target.Check.Kind, o)
	if e.record.gone {
		return change{}
	}
	c := r.take(e, o, e.target.Check.Fall, e.target.Check.Rise)
	r.reschedule(e, now)
	r.poke(e.index == 0)
	return c
}

// take judges an observation.
func (r *Runner) take(e *entry, o Observation, fall, rise int) change {
	var c change
	e.h, c.changed = e.h.Next(o, fall, rise)
	e.lane.note(e, o)
	e.last = o
	c.before, c.after = e.record.judge(o.At)
	c.changed = c.before != c.after
	if c.before.State != c.after.State {
		r.transitions++
	}
	if r.sight.due(o) {
		c.changed = r.sight.look(r.lanes, o.At) || c.changed
	}
	return c
}

// tell logs and passes on what changed.
func (r *Runner) tell(e *entry, c change) {
	if c.before.State != c.after.State {
		r.log.Info("vote changed", "endpoint", e.target.ID,
			"from", c.before.State, "to", c.after.State, "reason", c.after.Reason)
	}
	if c.changed {
		r.onChange()
	}
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
	votes := make(map[string]Vote, len(r.records))
	for id, rec := range r.records {
		votes[id] = rec.vote
	}
	return votes
}

// Blind reports whether most of what answered lately fails at once, at three
// places or more: the votes then tell more of this instance than of its
// targets, unless the other instances say the same.
func (r *Runner) Blind() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sight.blind
}

// Stats is a fresh copy that the caller owns.
func (r *Runner) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Stats{
		Targets:     len(r.records),
		InFlight:    r.inFlight,
		MaxInFlight: r.maxInFlight,
		Blind:       r.sight.blind,
		LateStarts:  r.lateStarts,
		LateTotal:   r.lateTotal,
		Transitions: r.transitions,
		Probes:      r.tallies.stats(),
	}
}
