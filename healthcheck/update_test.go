package healthcheck

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestUpdateKeepsVoteAndRhythm(t *testing.T) {
	fake, quiet := newFake(alwaysUp), newFake(alwaysUp)
	ts := targetsOf(1, 10*time.Second, time.Second)
	run := func(f *fakeProber, disturb bool) (offsets []time.Duration) {
		bubble(t, Options{Prober: f}, ts, func(t *testing.T, r *Runner) {
			began := time.Now()
			for range 60 {
				pass(time.Second)
				if disturb {
					r.Update(targetsOf(3, 10*time.Second, time.Second)) // equal content, other slices, new neighbours
					r.Update(ts)
				}
			}
			if v := r.Votes()[ts[0].ID]; v.State != Up || !v.Since.Before(began.Add(2*time.Second)) {
				t.Errorf("vote %+v", v)
			}
			for _, at := range f.startsOf(ts[0].ID) {
				offsets = append(offsets, at.Sub(began))
			}
		})
		return offsets
	}
	a, b := run(quiet, false), run(fake, true)
	if len(a) != len(b) || a[len(a)-1] != b[len(b)-1] {
		t.Errorf("undisturbed %v, disturbed %v", a, b)
	}
}

func TestUpdateBeginsAnew(t *testing.T) {
	for name, change := range map[string]func(*Target){
		"address": func(t *Target) { t.Addr = netip.MustParseAddr("192.0.2.1") },
		"alias":   func(t *Target) { t.Alias = "origin.example.com." },
		"check":   func(t *Target) { t.Check.Path = "/other" },
		"rise":    func(t *Target) { t.Check.Rise++ },
	} {
		t.Run(name, func(t *testing.T) {
			ts := targetsOf(1, 5*time.Second, time.Second)
			bubble(t, Options{Prober: newFake(alwaysUp)}, ts, func(t *testing.T, r *Runner) {
				pass(20 * time.Second)
				changed := ts[0]
				change(&changed)
				r.Update([]Target{changed})
				if v := r.Votes()[ts[0].ID]; v.State != Unknown || v.Reason != "not yet probed" {
					t.Errorf("vote %+v right after the change", v)
				}
				pass(1100 * time.Millisecond)
				if v := r.Votes()[ts[0].ID]; v.State != Up {
					t.Errorf("vote %+v a second after the change", v)
				}
			})
		})
	}
}

// TestUpdateDropsOldResults: what an old probe still says counts neither for
// a target that is gone nor for its changed successor.
func TestUpdateDropsOldResults(t *testing.T) {
	fake := newFake(func(t Target, _ time.Time) (bool, string, time.Duration) {
		if t.Check.Path == "/old" {
			return false, "old", 4 * time.Second
		}
		return false, "new", 3 * time.Second
	})
	target := targetsOf(1, 5*time.Second, 5*time.Second)[0]
	target.Check.Path, target.Check.Fall = "/old", 1
	bubble(t, Options{Prober: fake}, []Target{target}, func(t *testing.T, r *Runner) {
		pass(2 * time.Second) // the old probe is in flight
		if r.Stats().InFlight != 1 {
			t.Fatal("the old probe is not in flight")
		}
		target.Check.Path = "/new"
		r.Update([]Target{target})
		pass(10 * time.Second)
		if v := r.Votes()[target.ID]; v.Reason != "new" {
			t.Errorf("vote %+v", v)
		}
		if s := r.Stats(); s.Targets != 1 || s.Transitions != 1 {
			t.Errorf("stats %+v", s)
		}
		r.Update(nil)
		pass(time.Minute)
		if n := len(fake.startsOf(target.ID)); r.Stats().InFlight != 0 || n > 6 {
			t.Errorf("%d probes, %d in flight after removal", n, r.Stats().InFlight)
		}
	})
}

func TestUpdateFirstOfTwins(t *testing.T) {
	ts := targetsOf(2, 5*time.Second, time.Second)
	ts[1].ID = ts[0].ID
	ts[1].Check.Path = "/second"
	fake := newFake(func(t Target, _ time.Time) (bool, string, time.Duration) {
		return t.Check.Path == "", "path " + t.Check.Path, 0
	})
	bubble(t, Options{Prober: fake}, ts, func(t *testing.T, r *Runner) {
		pass(time.Minute)
		if v := r.Votes()[ts[0].ID]; len(r.Votes()) != 1 || v.State != Up {
			t.Errorf("votes %+v", r.Votes())
		}
	})
}

// TestRunSpreadsWhatWaited: targets that were set long before Run begin
// spread over the first second, not all at once and not late.
func TestRunSpreadsWhatWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake(alwaysUp)
		r := NewRunner(Options{Prober: fake})
		ts := targetsOf(1000, 5*time.Second, time.Second)
		r.Update(ts)
		time.Sleep(time.Hour)
		began := time.Now()
		go func() { _ = r.Run(t.Context()) }()
		pass(500 * time.Millisecond)
		early := 0
		for _, target := range ts {
			early += len(fake.startsOf(target.ID))
		}
		if s := r.Stats(); early < 400 || early > 600 || s.LateStarts != 0 {
			t.Errorf("%d of 1000 in the first half second, %d late, since %s", early, s.LateStarts, began)
		}
	})
}

func TestRemovedTargetIsNotProbedAgain(t *testing.T) {
	fake := newFake(alwaysUp)
	ts := targetsOf(20, 5*time.Second, time.Second)
	bubble(t, Options{Prober: fake}, ts, func(t *testing.T, r *Runner) {
		pass(20 * time.Second)
		before := len(fake.startsOf(ts[0].ID))
		r.Update(ts[1:])
		pass(time.Minute)
		if after := len(fake.startsOf(ts[0].ID)); after != before {
			t.Errorf("%d probes after the removal", after-before)
		}
		if n := len(fake.startsOf(ts[1].ID)); n < 14 {
			t.Errorf("a target that stayed got %d probes in 80 s", n)
		}
	})
}
