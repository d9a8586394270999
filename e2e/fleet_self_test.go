//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
)

// The oracle of the scenarios notices each kind of wrong answer.
func TestOracleNotices(t *testing.T) {
	usEast, usWest, euWest := []int{0, 1}, []int{2, 3}, []int{4, 5}
	whole := slices.Concat(euWest, usEast, usWest)
	x := newWatch(nil).expect.Load()
	with := func(w want, ends ...int) *expectation {
		y := &expectation{alive: true, ends: slices.Clone(x.ends)}
		for _, e := range ends {
			y.ends[e] = w
		}
		return y
	}
	for _, tt := range []struct {
		what  string
		x     *expectation
		ends  []int
		ttl   [2]uint32
		wrong string
	}{
		{"all is well", x, whole, [2]uint32{2, 10}, ""},
		{"one is missing", x, whole[:5], [2]uint32{2, 10}, "missing"},
		{"one need not be there", with(free, 2, 3), whole[:4], [2]uint32{2, 10}, ""},
		{"one is there that is out", with(out, 3), whole, [2]uint32{2, 10}, "us-west-web-2 is there"},
		{"one is out", with(out, 3), slices.Concat(euWest, usEast, []int{2}), [2]uint32{2, 10}, ""},
		{"the nearest is not first", x, slices.Concat(usEast, euWest, usWest), [2]uint32{2, 10}, "us-east comes first"},
		{"the nearest is out", with(out, 4, 5), slices.Concat(usEast, usWest), [2]uint32{2, 10}, ""},
		{"the nearest is last", with(last, 4, 5), slices.Concat(usEast, usWest, euWest), [2]uint32{2, 10}, ""},
		{"the last is not last", with(last, 4, 5), slices.Concat(usEast, euWest, usWest), [2]uint32{2, 10}, "before"},
		{"the last is missing", with(last, 4, 5), slices.Concat(usEast, usWest), [2]uint32{2, 10}, "not last"},
		{"a stranger", x, slices.Concat(whole, []int{-1}), [2]uint32{2, 10}, "no endpoint"},
		{"a TTL too long", x, whole, [2]uint32{2, 11}, "TTL"},
		{"a TTL too short", x, whole, [2]uint32{1, 10}, "TTL"},
	} {
		got := tt.x.judge(answer{place: 0, ends: tt.ends, ttl: tt.ttl})
		if got == "" && tt.wrong != "" || !strings.Contains(got, tt.wrong) || tt.wrong == "" && got != "" {
			t.Errorf("%s: %q, want %q", tt.what, got, tt.wrong)
		}
	}
}

// A failing query counts unless its instance need not answer.
func TestOracleCountsFailures(t *testing.T) {
	w := newWatch(&unit{name: "x"})
	alive := w.expect.Load()
	w.take(answer{fails: "i/o timeout"}, alive, alive)
	w.take(answer{fails: "empty"}, alive, alive)
	w.alive(false)
	dead := w.expect.Load()
	w.take(answer{fails: "i/o timeout"}, dead, dead)
	w.take(answer{fails: "i/o timeout"}, alive, dead) // killed meanwhile
	if w.asked != 2 || w.failures != 1 || w.empty != 1 || len(w.mistakes()) != 2 {
		t.Errorf("asked %d, failed %d, empty %d: %q", w.asked, w.failures, w.empty, w.mistakes())
	}
}
