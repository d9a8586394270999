package healthcheck

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// atLeast is a combination of TCP checks on ports 1, 2, ...
func atLeast(need int, of ...Check) Check {
	return Check{Name: fmt.Sprint("at-least-", need), Kind: Combined, Need: need, Of: of}
}

func part(port uint16, fall int) Check {
	return Check{Name: fmt.Sprint("p", port), Kind: TCP, Port: port, Interval: time.Second, Timeout: time.Second, Fall: fall, Rise: 2}
}

// TestCombinedVotes: parts fail one after the other; each has its own fall.
func TestCombinedVotes(t *testing.T) {
	var dead [4]atomic.Bool
	fake := newFake(func(t Target, _ time.Time) (bool, string, time.Duration) {
		return !dead[t.Check.Port].Load(), "connect: connection refused", time.Millisecond
	})
	target := Target{ID: "x", Addr: loopback, Check: atLeast(2, part(1, 1), part(2, 3), part(3, 1))}
	bubble(t, Options{Prober: fake}, []Target{target}, func(t *testing.T, r *Runner) {
		want := func(s State, suspect bool, reason string) {
			t.Helper()
			if v := r.Votes()["x"]; v.State != s || v.Suspect != suspect || v.Reason != reason {
				t.Errorf("vote %+v, want %s suspect=%v %q", v, s, suspect, reason)
			}
		}
		want(Unknown, false, "0 of 3 pass, want 2; p1: not yet probed; p2: not yet probed; p3: not yet probed")
		pass(3 * time.Second)
		want(Up, false, "3 of 3 pass, want 2")
		dead[1].Store(true)
		pass(2 * time.Second)
		want(Up, false, "2 of 3 pass, want 2; p1: connect: connection refused")
		dead[2].Store(true)
		pass(1100 * time.Millisecond)
		want(Up, true, "2 of 3 pass, want 2; p1: connect: connection refused")
		pass(3 * time.Second)
		want(Down, false, "1 of 3 pass, want 2; p1: connect: connection refused; p2: connect: connection refused")
		since := r.Votes()["x"].Since
		dead[3].Store(true)
		pass(3 * time.Second)
		if v := r.Votes()["x"]; v.State != Down || !v.Since.Equal(since) {
			t.Errorf("vote %+v, want down since %s", v, since)
		}
		dead[1].Store(false)
		dead[3].Store(false)
		pass(1100 * time.Millisecond)
		if v := r.Votes()["x"]; v.State != Down || !v.Suspect {
			t.Errorf("vote %+v, want down and suspect", v)
		}
		pass(2 * time.Second)
		want(Up, false, "2 of 3 pass, want 2; p2: connect: connection refused")
	})
}

// TestCombinedBoundHolds: the longest bound of the parts is the bound of the whole.
func TestCombinedBoundHolds(t *testing.T) {
	slow := part(2, 4)
	slow.Interval = 3 * time.Second
	c := atLeast(1, atLeast(2, part(1, 2), slow), atLeast(1, part(3, 2)))
	var dead atomic.Bool
	fake := newFake(func(t Target, _ time.Time) (bool, string, time.Duration) {
		return !dead.Load(), "x", time.Millisecond
	})
	bubble(t, Options{Prober: fake}, []Target{{ID: "x", Addr: loopback, Check: c}}, func(t *testing.T, r *Runner) {
		pass(20 * time.Second)
		dead.Store(true)
		pass(c.DetectBound())
		if v := r.Votes()["x"]; v.State != Down {
			t.Errorf("vote %+v after %s", v, c.DetectBound())
		}
		dead.Store(false)
		pass(c.RecoverBound())
		if v := r.Votes()["x"]; v.State != Up {
			t.Errorf("vote %+v after %s", v, c.RecoverBound())
		}
	})
}

// TestCountedTwiceIsProbedOnce: a check that a combination counts on several
// ways has one rhythm, one vote and one finding.
func TestCountedTwiceIsProbedOnce(t *testing.T) {
	beat, other := pushTarget().Check, part(2, 1)
	target := Target{ID: "x", Addr: loopback, Check: atLeast(2, beat, atLeast(1, beat), other, atLeast(1, part(2, 1)))}
	fake := newFake(alwaysUp)
	bubble(t, Options{Prober: fake}, []Target{target}, func(t *testing.T, r *Runner) {
		if _, err := r.Report("x", Report{Up: true, Load: 7}); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		if v := r.Votes()["x"]; v.State != Up || v.Reason != "4 of 4 pass, want 2" {
			t.Errorf("vote %+v", v)
		}
		if found := r.Findings(); len(found) != 1 || found[0].Load != 7 {
			t.Errorf("findings %+v, want one", found)
		}
		if n := len(fake.startsOf("x")); n > 12 {
			t.Errorf("%d probes in 10 s, one a second", n)
		}
	})
}

// TestCombineAgainstAllOutcomes holds combine to its meaning: certain is what
// stays so whatever the unknown ones turn out to be, and suspect is what would
// change if all that is in doubt changed.
func TestCombineAgainstAllOutcomes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "n")
		c := Check{Kind: Combined, Need: rapid.IntRange(1, n).Draw(t, "need"), Of: make([]Check, n)}
		votes := make([]Vote, n)
		opinions := make([]opinion, n)
		for i := range votes {
			votes[i].State = State(rapid.IntRange(0, 2).Draw(t, "state"))
			h := Hysteresis{state: votes[i].State, run: rapid.IntRange(0, 1).Draw(t, "contradicted")}
			votes[i], opinions[i] = h.Vote(), opinionOf(h)
		}
		i := 0
		got := combine(c, func() opinion { i++; return opinions[i-1] })
		if want := certain(c.Need, votes, false); got.state != want {
			t.Fatalf("need %d of %v: %s, want %s", c.Need, votes, got.state, want)
		}
		doubted := got.state != Unknown && certain(c.Need, votes, true) != got.state
		if got.suspect() != doubted {
			t.Fatalf("need %d of %v: suspect=%v", c.Need, votes, got.suspect())
		}
	})
}

// certain tries every outcome of what is open: the unknown, and the suspect
// when doubt is set.
func certain(need int, votes []Vote, doubt bool) State {
	seen := map[bool]bool{}
	var try func(i, up int)
	try = func(i, up int) {
		if i == len(votes) {
			seen[up >= need] = true
			return
		}
		open := votes[i].State == Unknown || doubt && votes[i].Suspect
		if open || votes[i].State == Up {
			try(i+1, up+1)
		}
		if open || votes[i].State == Down {
			try(i+1, up)
		}
	}
	try(0, 0)
	switch {
	case seen[true] && seen[false]:
		return Unknown
	case seen[true]:
		return Up
	default:
		return Down
	}
}

// TestOneAddressIsNotOverrun: a hundred endpoints on one hung address take no
// more than its places, and leave the rest to the others.
func TestOneAddressIsNotOverrun(t *testing.T) {
	ts := targetsOf(101, time.Second, time.Second)
	for i := range ts[1:] {
		ts[1+i].Addr = loopback
	}
	var running, most atomic.Int64
	fake := newFake(func(t Target, _ time.Time) (bool, string, time.Duration) {
		if t.Addr != loopback {
			return true, "connected", 0
		}
		n := running.Add(1)
		most.Store(max(most.Load(), n))
		time.AfterFunc(t.Check.Timeout-time.Millisecond, func() { running.Add(-1) })
		return false, "", time.Hour
	})
	var log bytes.Buffer
	o := Options{Prober: fake, MaxPerAddress: 7, Log: slog.New(slog.NewTextHandler(&log, nil))}
	bubble(t, o, ts, func(t *testing.T, r *Runner) {
		pass(2 * time.Minute)
		if most.Load() != 7 {
			t.Errorf("%d at once to one address, want 7", most.Load())
		}
		for _, target := range ts[1:] {
			if n := len(fake.startsOf(target.ID)); n < 7 || n > 10 {
				t.Errorf("%s was probed %d times, want about 8", target.ID, n)
			}
		}
		if n := len(fake.startsOf(ts[0].ID)); n < 108 {
			t.Errorf("a target elsewhere was probed %d times in 120 s", n)
		}
		r.Update(ts[:1])
		pass(5 * time.Second)
		if len(r.lanes) != 1 || r.Stats().InFlight != 0 {
			t.Errorf("%d lanes and %d in flight after the removal", len(r.lanes), r.Stats().InFlight)
		}
	})
	if !strings.Contains(log.String(), "under way to one address") {
		t.Error("the log does not say why probes start late")
	}
}

// TestProbesEndWithTheirRecord: a probe that hangs is ended when its target goes.
func TestProbesEndWithTheirRecord(t *testing.T) {
	ts := targetsOf(1, time.Hour, time.Hour)
	fake := newFake(hangs)
	bubble(t, Options{Prober: fake}, ts, func(t *testing.T, r *Runner) {
		pass(2 * time.Second)
		if r.Stats().InFlight != 1 {
			t.Fatal("the probe is not in flight")
		}
		r.Update(nil)
		pass(0)
		if n := r.Stats().InFlight; n != 0 {
			t.Errorf("%d in flight right after the removal", n)
		}
	})
}

// TestBlindObservations: what cannot be looked at becomes unknown, not down.
func TestBlindObservations(t *testing.T) {
	at := time.Unix(0, 0)
	blind := Observation{Blind: true, Reason: "too many open files", At: at}
	h, _ := NewHysteresis(at).Next(Observation{OK: true, Reason: "ok", At: at}, 3, 2)
	for i := range 2 {
		if h, _ = h.Next(blind, 3, 2); h.Vote().State != Up || h.Vote().Suspect {
			t.Fatalf("after %d blind probes: %+v", i+1, h.Vote())
		}
	}
	h, changed := h.Next(blind, 3, 2)
	if v := h.Vote(); !changed || v.State != Unknown || v.Reason != blind.Reason {
		t.Fatalf("after 3 blind probes: %+v, changed %v", v, changed)
	}
	h, _ = h.Next(Observation{Reason: "refused", At: at}, 3, 2)
	if v := h.Vote(); v.State != Unknown {
		t.Errorf("one failure after blindness: %+v", v)
	}
	if h, _ = h.Next(Observation{OK: true, Reason: "ok", At: at}, 3, 2); h.Vote().State != Up {
		t.Errorf("one success after blindness: %+v", h.Vote())
	}
}

// TestWarningStandsBehindTheReason as long as the endpoint is up, and changes
// nothing else.
func TestWarningStandsBehindTheReason(t *testing.T) {
	ok := Observation{OK: true, Reason: "status 200", Warning: "the certificate ends soon", At: time.Unix(0, 0)}
	h, changed := NewHysteresis(ok.At).Next(ok, 2, 2)
	if v := h.Vote(); !changed || v.State != Up || v.Suspect || v.Reason != "status 200; the certificate ends soon" {
		t.Errorf("vote %+v", v)
	}
	if h, changed = h.Next(ok, 2, 2); changed {
		t.Error("the same warning again is a change")
	}
	ok.Warning = ""
	if h, changed = h.Next(ok, 2, 2); !changed || strings.Contains(h.Vote().Reason, "certificate") {
		t.Errorf("vote %+v without the warning, changed %v", h.Vote(), changed)
	}
}

// TestWarningsOfCombinations stand behind what fails, each with the names of
// the checks on the way to it, as long as its check passes.
func TestWarningsOfCombinations(t *testing.T) {
	soon := Hysteresis{state: Up, reason: "status 200", warning: "the certificate ends soon"}
	well := Hysteresis{state: Up, reason: "connected"}
	gone := Hysteresis{state: Down, reason: "connect: connection refused", warning: "the certificate ends soon"}
	one := func(name string, of ...Check) Check { return Check{Name: name, Kind: Combined, Need: 1, Of: of} }
	for _, c := range []struct {
		check Check
		parts []Hysteresis
		want  string
	}{
		{one("any", Check{Name: "a"}), []Hysteresis{soon}, "1 of 1 pass, want 1; a: the certificate ends soon"},
		{one("any", Check{Name: "a"}), []Hysteresis{gone}, "0 of 1 pass, want 1; a: connect: connection refused"},
		{one("any", Check{Name: "a"}, Check{Name: "b"}, Check{Name: "c"}), []Hysteresis{soon, gone, well},
			"2 of 3 pass, want 1; b: connect: connection refused; a: the certificate ends soon"},
		{one("any", Check{Name: "b"}, one("tls", Check{Name: "a"}, Check{Name: "c"})), []Hysteresis{well, soon, gone},
			"2 of 2 pass, want 1; tls: a: the certificate ends soon"},
	} {
		i := 0
		got := combine(c.check, func() opinion { i++; return opinionOf(c.parts[i-1]) })
		if got.reason != c.want {
			t.Errorf("%q, want %q", got.reason, c.want)
		}
	}
}
