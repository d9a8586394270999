package healthcheck

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// TestHysteresisStories reads results as letters: + passes, - fails. The
// votes after each are u(nknown), U(p), D(own), and lower-case with ? behind
// when suspect.
func TestHysteresisStories(t *testing.T) {
	for _, c := range []struct {
		name       string
		fall, rise int
		results    string
		votes      string
	}{
		{"first success makes up", 3, 2, "+", "U"},
		{"first success makes up after failures", 3, 2, "--+", "uuU"},
		{"fall failures make down from unknown", 3, 2, "---", "uuD"},
		{"a failure is forgiven", 3, 2, "+-+-+--+", "UsUsUssU"},
		{"fall in a row", 3, 2, "+---", "UssD"},
		{"rise in a row", 2, 3, "--+++", "uDrrU"},
		{"a failure restarts the rise", 2, 3, "--++-+++", "uDrrDrrU"},
		{"one counts at once", 1, 1, "+-+-", "UDUD"},
		{"nonsense counts as one", 0, -1, "+-+", "UDU"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var h Hysteresis
			var got strings.Builder
			for i := range c.results {
				h, _ = h.Next(result(c.results[i] == '+', i), c.fall, c.rise)
				got.WriteByte(letter(h.Vote()))
			}
			if got.String() != c.votes {
				t.Errorf("fall %d, rise %d, %s: votes %s, want %s", c.fall, c.rise, c.results, got.String(), c.votes)
			}
		})
	}
}

func result(ok bool, second int) Observation {
	reason := "status 503"
	if ok {
		reason = "status 200"
	}
	return Observation{OK: ok, Reason: reason, At: epoch0.Add(time.Duration(second) * time.Second)}
}

// letter: u unknown, U up, s up but suspect, D down, r down but suspect.
func letter(v Vote) byte {
	switch {
	case v.State == Up && v.Suspect:
		return 's'
	case v.State == Down && v.Suspect:
		return 'r'
	default:
		return "uUD"[v.State]
	}
}

func TestHysteresisReasonAndSince(t *testing.T) {
	h := NewHysteresis(epoch0)
	if v := h.Vote(); v != (Vote{Reason: "not yet probed", Since: epoch0}) {
		t.Errorf("before any probe: %+v", v)
	}
	at := func(s int) time.Time { return epoch0.Add(time.Duration(s) * time.Second) }
	steps := []struct {
		o       Observation
		want    Vote
		changed bool
	}{
		{Observation{OK: true, Reason: "status 200", At: at(1)}, Vote{Up, false, "status 200", at(1)}, true},
		{Observation{OK: true, Reason: "status 204", At: at(2)}, Vote{Up, false, "status 200", at(1)}, false},
		{Observation{Reason: "a", At: at(3)}, Vote{Up, true, "status 200", at(1)}, true},
		{Observation{Reason: "b", At: at(4)}, Vote{Down, false, "b", at(4)}, true},
		{Observation{Reason: "b", At: at(5)}, Vote{Down, false, "b", at(4)}, false},
		{Observation{Reason: "c\x00", At: at(6)}, Vote{Down, false, "c?", at(4)}, true},
		{Observation{OK: true, Reason: "status 200", At: at(7)}, Vote{Down, true, "c?", at(4)}, true},
		{Observation{OK: true, Reason: "status 200", At: at(8)}, Vote{Up, false, "status 200", at(8)}, true},
	}
	for i, s := range steps {
		var changed bool
		if h, changed = h.Next(s.o, 2, 2); h.Vote() != s.want || changed != s.changed {
			t.Errorf("step %d: %+v changed=%v, want %+v changed=%v", i, h.Vote(), changed, s.want, s.changed)
		}
	}
}

// TestHysteresisCounts compares Next with the definition: a state is left
// only by enough contradicting results in a row, and then it is.
func TestHysteresisCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fall, rise := rapid.IntRange(1, 5).Draw(t, "fall"), rapid.IntRange(1, 5).Draw(t, "rise")
		results := rapid.SliceOfN(rapid.Bool(), 0, 60).Draw(t, "results")
		h := NewHysteresis(epoch0)
		for i, ok := range results {
			next, changed := h.Next(result(ok, i), fall, rise)
			before, after := h.Vote(), next.Vote()
			if want := transition(before.State, results[:i+1], fall, rise); after.State != want {
				t.Fatalf("result %d: %s -> %s, want %s (%v)", i, before.State, after.State, want, results[:i+1])
			}
			if want := after.State != Unknown && ok != (after.State == Up); after.Suspect != want {
				t.Fatalf("result %d: suspect %v in %s after ok=%v", i, after.Suspect, after.State, ok)
			}
			if changed != (before != after) {
				t.Fatalf("result %d: changed %v, votes %+v and %+v", i, changed, before, after)
			}
			h = next
		}
	})
}

func transition(from State, results []bool, fall, rise int) State {
	last := results[len(results)-1]
	row := 0
	for i := len(results) - 1; i >= 0 && results[i] == last; i-- {
		row++
	}
	switch {
	case last && (from == Unknown || row >= rise):
		return Up
	case !last && row >= fall:
		return Down
	default:
		return from
	}
}
