package healthcheck

import (
	"errors"
	"testing"
	"time"
)

func pushTarget() Target {
	return Target{ID: "x", Addr: loopback, Check: Check{Name: "self", Kind: Push, TTL: 30 * time.Second}}
}

func TestReports(t *testing.T) {
	fake := newFake(alwaysUp)
	bubble(t, Options{Prober: fake}, []Target{pushTarget()}, func(t *testing.T, r *Runner) {
		want := func(s State, reason string) {
			t.Helper()
			if v := r.Votes()["x"]; v.State != s || v.Suspect || v.Reason != reason {
				t.Errorf("vote %+v, want %s %q", v, s, reason)
			}
		}
		report := func(rep Report) {
			t.Helper()
			if ttl, err := r.Report("x", rep); err != nil || ttl != 30*time.Second {
				t.Errorf("report: %s, %v", ttl, err)
			}
		}
		pass(time.Hour)
		want(Unknown, "has not reported yet")
		report(Report{Up: true})
		want(Up, "reports up")
		pass(29 * time.Second)
		report(Report{Up: true}) // just in time, and with room for the next
		pass(29 * time.Second)
		want(Up, "reports up")
		pass(time.Second)
		want(Down, "no report for 30s")
		pass(time.Hour)
		want(Down, "no report for 30s")
		report(Report{Up: true, Reason: "back"})
		want(Up, "reports up: back")
		report(Report{Reason: "disk full"})
		want(Down, "reports down: disk full")
		pass(31 * time.Second)
		want(Down, "no report for 30s")
		if n := len(fake.startsOf("x")); n != 0 {
			t.Errorf("probed %d times", n)
		}
		if s := r.Stats(); s.InFlight != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestReportsOnOthers(t *testing.T) {
	probed := targetsOf(1, time.Second, time.Second)[0]
	r := NewRunner(Options{Prober: newFake(alwaysUp)})
	r.Update([]Target{probed, pushTarget()})
	for _, id := range []string{probed.ID, "nobody", ""} {
		if _, err := r.Report(id, Report{Up: true}); !errors.Is(err, ErrNoReport) {
			t.Errorf("report on %q: %v", id, err)
		}
	}
	r.Update(nil)
	if _, err := r.Report("x", Report{}); !errors.Is(err, ErrNoReport) {
		t.Errorf("report on what is gone: %v", err)
	}
}

// TestReportWithinCombination: a report counts beside a probe.
func TestReportWithinCombination(t *testing.T) {
	target := Target{ID: "x", Addr: loopback, Check: atLeast(2, part(1, 1), pushTarget().Check)}
	bubble(t, Options{Prober: newFake(alwaysUp)}, []Target{target}, func(t *testing.T, r *Runner) {
		pass(5 * time.Second)
		if v := r.Votes()["x"]; v.State != Unknown {
			t.Errorf("vote %+v before the first report", v)
		}
		if _, err := r.Report("x", Report{Up: true}); err != nil {
			t.Fatal(err)
		}
		if v := r.Votes()["x"]; v.State != Up {
			t.Errorf("vote %+v after it", v)
		}
		pass(31 * time.Second)
		if v := r.Votes()["x"]; v.State != Down || v.Reason != "1 of 2 pass, want 2; self: no report for 30s" {
			t.Errorf("vote %+v after its time", v)
		}
	})
}
