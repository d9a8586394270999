package healthcheck

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// script says what a fake target does when it is probed at a moment: the
// answer, and how long it takes. Longer than the timeout is a timeout.
type script func(t Target, at time.Time) (ok bool, reason string, took time.Duration)

// fakeProber keeps the Prober's contract without a network.
type fakeProber struct {
	script script

	mu       sync.Mutex
	starts   map[string][]time.Time
	inFlight int
	most     int // the most that were in flight at once
}

func newFake(s script) *fakeProber {
	return &fakeProber{script: s, starts: map[string][]time.Time{}}
}

func (f *fakeProber) Probe(ctx context.Context, t Target) Observation {
	began := time.Now()
	f.enter(t.ID, began)
	defer f.leave()
	ok, reason, took := f.script(t, began)
	limit := t.Check.timeout()
	if took > limit {
		ok, reason, took = false, fmt.Sprintf("timeout after %s while connecting", limit), limit
	}
	select {
	case <-ctx.Done():
		ok, reason = false, "probe canceled"
	case <-time.After(took):
	}
	now := time.Now()
	return Observation{OK: ok, Reason: clean(reason), At: now, Took: now.Sub(began)}
}

func (f *fakeProber) enter(id string, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.starts[id] = append(f.starts[id], at)
	f.inFlight++
	f.most = max(f.most, f.inFlight)
}

func (f *fakeProber) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inFlight--
}

func (f *fakeProber) startsOf(id string) []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]time.Time(nil), f.starts[id]...)
}

func alwaysUp(Target, time.Time) (bool, string, time.Duration) {
	return true, "connected", time.Millisecond
}

func hangs(Target, time.Time) (bool, string, time.Duration) { return false, "", time.Hour }
