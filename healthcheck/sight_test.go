package healthcheck

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestSight: an instance takes itself for blind when nearly all goes dark at
// once, before its votes turn, and sees again when a quarter is back.
func TestSight(t *testing.T) {
	var alive atomic.Int64 // how many targets answer
	fake := newFake(func(t Target, _ time.Time) (bool, string, time.Duration) {
		b := t.Addr.As16()
		return int64(b[15]) < alive.Load(), "timeout", time.Millisecond
	})
	var changes atomic.Int64
	ts := targetsOf(40, 5*time.Second, time.Second)
	for i := range ts {
		ts[i].Check.Fall, ts[i].Check.Rise = 2, 1
	}
	alive.Store(40)
	bubble(t, Options{Prober: fake, OnChange: func() { changes.Add(1) }}, ts, func(t *testing.T, r *Runner) {
		down := func() (n int) {
			for _, v := range r.Votes() {
				if v.State == Down {
					n++
				}
			}
			return n
		}
		pass(20 * time.Second)
		alive.Store(10) // three quarters are no more than three quarters
		pass(20 * time.Second)
		if r.Blind() || down() != 30 {
			t.Errorf("blind=%v with 30 of 40 down (%d)", r.Blind(), down())
		}
		alive.Store(40)
		pass(20 * time.Second)
		alive.Store(0)
		for !r.Blind() {
			pass(100 * time.Millisecond)
			if n := down(); n > 0 && !r.Blind() {
				t.Fatalf("%d votes turned before the instance suspected itself", n)
			}
		}
		pass(10 * time.Minute)
		if !r.Blind() || down() != 40 || !r.Stats().Blind {
			t.Errorf("blind=%v, %d down after 10 min in the dark", r.Blind(), down())
		}
		before := changes.Load()
		alive.Store(10)
		pass(6 * time.Second)
		if r.Blind() || changes.Load() == before {
			t.Error("a quarter answers, and the instance is still blind or said nothing")
		}
	})
}

// TestSightNeedsPlaces: one address with many endpoints that dies is its own
// fault, and so are two.
func TestSightNeedsPlaces(t *testing.T) {
	var dead atomic.Bool
	fake := newFake(func(Target, time.Time) (bool, string, time.Duration) { return !dead.Load(), "x", 0 })
	ts := targetsOf(40, time.Second, time.Second)
	for i := range ts {
		ts[i].Addr = address(i % 2)
	}
	bubble(t, Options{Prober: fake}, ts, func(t *testing.T, r *Runner) {
		pass(10 * time.Second)
		dead.Store(true)
		pass(10 * time.Second)
		if r.Blind() {
			t.Error("blind although only two places failed")
		}
	})
}
