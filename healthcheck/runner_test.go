package healthcheck

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// bubble runs a runner over targets within a bubble of simulated time and
// ends it when test returns.
func bubble(t *testing.T, o Options, targets []Target, test func(t *testing.T, r *Runner)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := NewRunner(o)
		r.Update(targets)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		test(t, r)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// pass lets simulated time pass, and everything due in it happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// address is the i-th address of a documentation prefix (RFC 3849).
func address(i int) netip.Addr {
	a := netip.MustParseAddr("2001:db8::").As16()
	a[14], a[15] = byte(i>>8), byte(i)
	return netip.AddrFrom16(a)
}

func targetsOf(n int, interval, timeout time.Duration) []Target {
	ts := make([]Target, n)
	for i := range ts {
		ts[i] = Target{ID: fmt.Sprintf("www.example.com/region/%d", i), Addr: address(i), Check: Check{
			Kind: TCP, Port: 80, Interval: interval, Timeout: timeout, Fall: 3, Rise: 2,
		}}
	}
	return ts
}

func TestRhythm(t *testing.T) {
	fake := newFake(alwaysUp)
	ts := targetsOf(50, 10*time.Second, time.Second)
	bubble(t, Options{Prober: fake}, ts, func(t *testing.T, r *Runner) {
		began := time.Now()
		pass(10 * time.Minute)
		for _, target := range ts {
			checkRhythm(t, began, fake.startsOf(target.ID), 10*time.Second)
		}
		if s := r.Stats(); s.LateStarts != 0 || s.Targets != 50 {
			t.Errorf("stats %+v", s)
		}
	})
}

func checkRhythm(t *testing.T, began time.Time, starts []time.Time, interval time.Duration) {
	t.Helper()
	if d := starts[0].Sub(began); d > time.Second {
		t.Errorf("first probe after %s", d)
	}
	gaps := map[time.Duration]bool{}
	for i := 1; i < len(starts); i++ {
		low, high := interval-interval/10, interval+interval/10
		if i == 1 {
			low = interval / 10
		}
		d := starts[i].Sub(starts[i-1])
		if gaps[d] = true; d < low || d > high {
			t.Errorf("gap %d is %s", i, d)
		}
	}
	if len(gaps) < len(starts)/2 {
		t.Errorf("%d gaps of %d differ: no jitter", len(gaps), len(starts))
	}
}

// TestRhythmIsPerInstance: same seed, same rhythm; another seed, another.
func TestRhythmIsPerInstance(t *testing.T) {
	record := func(seed uint64) (offsets []time.Duration) {
		fake := newFake(alwaysUp)
		ts := targetsOf(1, 5*time.Second, time.Second)
		bubble(t, Options{Prober: fake, Seed: seed}, ts, func(t *testing.T, r *Runner) {
			began := time.Now()
			pass(time.Minute)
			for _, at := range fake.startsOf(ts[0].ID) {
				offsets = append(offsets, at.Sub(began))
			}
		})
		return offsets
	}
	a, again, b := record(1), record(1), record(2)
	if !reflect.DeepEqual(a, again) {
		t.Errorf("one seed, two rhythms: %v and %v", a, again)
	}
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			t.Errorf("two seeds, probe %d at %s in both", i, a[i])
		}
	}
}

func TestVotesTransitionsAndLog(t *testing.T) {
	var changes atomic.Int64
	var log bytes.Buffer
	var down atomic.Bool
	fake := newFake(func(Target, time.Time) (bool, string, time.Duration) {
		return !down.Load(), "status", time.Millisecond
	})
	o := Options{Prober: fake, OnChange: func() { changes.Add(1) }, Log: slog.New(slog.NewTextHandler(&log, nil))}
	ts := targetsOf(1, time.Second, time.Second)
	bubble(t, o, ts, func(t *testing.T, r *Runner) {
		want := func(s State, suspect bool, calls int64) {
			t.Helper()
			v, ok := r.Votes()[ts[0].ID]
			if !ok || v.State != s || v.Suspect != suspect || changes.Load() != calls {
				t.Errorf("vote %+v (%v) after %d changes, want %s suspect=%v after %d", v, ok, changes.Load(), s, suspect, calls)
			}
		}
		want(Unknown, false, 1) // added
		pass(time.Second)
		want(Up, false, 2)
		pass(time.Minute)
		want(Up, false, 2) // nothing new, nothing said
		down.Store(true)
		pass(1101 * time.Millisecond)
		want(Up, true, 3)
		pass(10 * time.Second)
		want(Down, false, 4)
		down.Store(false)
		pass(1101 * time.Millisecond)
		want(Down, true, 5)
		pass(10 * time.Second)
		want(Up, false, 6)
		r.Update(nil)
		if votes := r.Votes(); len(votes) != 0 || changes.Load() != 7 {
			t.Errorf("votes %v after removal, %d changes", votes, changes.Load())
		}
		if s := r.Stats(); s.Transitions != 3 {
			t.Errorf("%d transitions, want 3", s.Transitions)
		}
	})
	if n := strings.Count(log.String(), "vote changed"); n != 3 || !strings.Contains(log.String(), "endpoint=www.example.com/region/0 from=up to=down reason=status") {
		t.Errorf("%d transitions in the log:\n%s", n, log.String())
	}
}

func TestReasonChangeWhileDownIsToldOnce(t *testing.T) {
	var changes atomic.Int64
	var reason atomic.Value
	reason.Store("a")
	fake := newFake(func(Target, time.Time) (bool, string, time.Duration) { return false, reason.Load().(string), 0 })
	ts := targetsOf(1, time.Second, time.Second)
	bubble(t, Options{Prober: fake, OnChange: func() { changes.Add(1) }}, ts, func(t *testing.T, r *Runner) {
		pass(10 * time.Second)
		before := changes.Load()
		reason.Store("b")
		pass(10 * time.Second)
		if v := r.Votes()[ts[0].ID]; changes.Load() != before+1 || v.Reason != "b" || v.State != Down {
			t.Errorf("%d changes, vote %+v", changes.Load()-before, v)
		}
	})
}

// TestCanceledProbesDoNotVote: a probe cut off because the instance stops
// must not read as the endpoint's failure.
func TestCanceledProbesDoNotVote(t *testing.T) {
	fake := newFake(hangs)
	ts := targetsOf(3, 10*time.Second, 10*time.Second)
	for i := range ts {
		ts[i].Check.Fall = 1
	}
	synctest.Test(t, func(t *testing.T) {
		r := NewRunner(Options{Prober: fake})
		r.Update(ts)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		pass(2 * time.Second) // all are in flight
		if n := r.Stats().InFlight; n != 3 {
			t.Errorf("%d in flight, want 3", n)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		for id, v := range r.Votes() {
			if v.State != Unknown {
				t.Errorf("%s: %+v after stopping", id, v)
			}
		}
		if s := r.Stats(); s.InFlight != 0 {
			t.Errorf("%d in flight after Run", s.InFlight)
		}
		if err := r.Run(ctx); err == nil {
			t.Error("Run may be called twice")
		}
	})
}
