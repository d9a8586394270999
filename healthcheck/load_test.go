package healthcheck

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestBoundHolds gives each of 1000 runs a random check, slow neighbours and
// a moment at which the endpoint dies and one at which it is back, and holds
// the votes to DetectBound and RecoverBound.
func TestBoundHolds(t *testing.T) {
	for seed := range uint64(1000) {
		story(t, rand.New(rand.NewPCG(seed, 1)), seed)
	}
}

func story(t *testing.T, rnd *rand.Rand, seed uint64) {
	between := func(low, high time.Duration) time.Duration {
		return low + time.Duration(rnd.Int64N(int64(high-low)+1))
	}
	interval := between(20*time.Millisecond, 20*time.Second)
	check := Check{
		Kind: TCP, Interval: interval, Timeout: between(time.Millisecond, interval),
		Fall: 1 + rnd.IntN(4), Rise: 1 + rnd.IntN(4),
	}
	ts := targetsOf(5, interval, interval)
	ts[0].Check = check
	dies, back := between(2*interval, 6*interval), 4*check.DetectBound()
	var began time.Time
	fake := newFake(func(t Target, at time.Time) (bool, string, time.Duration) {
		since := at.Sub(began) - dies
		switch {
		case t.ID != ts[0].ID:
			return false, "", time.Hour
		case since <= 0 || since >= back:
			return true, "connected", check.Timeout * time.Duration(seed%4) / 4
		default:
			return false, "connect: connection refused", check.Timeout * time.Duration(1+seed%2) // at times a timeout
		}
	})
	began = epochOfBubbles
	bubble(t, Options{Prober: fake, Seed: seed}, ts, func(t *testing.T, r *Runner) {
		vote := func(when string, want State) {
			t.Helper()
			if v := r.Votes()[ts[0].ID]; v.State != want {
				t.Errorf("seed %d, %+v: %s %s, want %s", seed, check, v.State, when, want)
			}
		}
		pass(dies)
		vote("when it dies", Up)
		pass(check.DetectBound())
		vote("at the end of DetectBound", Down)
		pass(back - check.DetectBound())
		vote("when it is back", Down)
		pass(check.RecoverBound())
		vote("at the end of RecoverBound", Up)
	})
}

// epochOfBubbles is when each bubble of simulated time begins.
var epochOfBubbles = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// TestInFlightBound: five places, fifty targets that never answer. The bound
// holds, the shortage shows, and nobody starves.
func TestInFlightBound(t *testing.T) {
	fake := newFake(hangs)
	ts := targetsOf(50, time.Second, time.Second)
	var log bytes.Buffer
	o := Options{Prober: fake, MaxInFlight: 5, Log: slog.New(slog.NewTextHandler(&log, nil))}
	bubble(t, o, ts, func(t *testing.T, r *Runner) {
		pass(100 * time.Second)
		least, most := 1<<30, 0
		for _, target := range ts {
			n := len(fake.startsOf(target.ID))
			least, most = min(least, n), max(most, n)
		}
		if fake.most != 5 {
			t.Errorf("%d in flight at once, want 5", fake.most)
		}
		if least < 9 || most-least > 2 {
			t.Errorf("between %d and %d probes a target, want about 10 each", least, most)
		}
		if s := r.Stats(); s.LateStarts == 0 || s.LateTotal == 0 || s.InFlight != 5 {
			t.Errorf("stats %+v", s)
		}
	})
	if n := strings.Count(log.String(), "probes start late"); n != 2 {
		t.Errorf("%d warnings in 100 s, want one a minute", n)
	}
}

// TestSlowTargetsDoNotDelayOthers: 200 targets hang for their whole timeout
// while one dies; its vote keeps its own bound.
func TestSlowTargetsDoNotDelayOthers(t *testing.T) {
	ts := targetsOf(201, time.Second, time.Second)
	fake := newFake(func(t Target, at time.Time) (bool, string, time.Duration) {
		if t.ID != ts[0].ID {
			return false, "", time.Hour
		}
		return at.Sub(epochOfBubbles) < 10*time.Second, "connect: connection refused", 0
	})
	bubble(t, Options{Prober: fake}, ts, func(t *testing.T, r *Runner) {
		pass(10*time.Second + ts[0].Check.DetectBound())
		if v := r.Votes()[ts[0].ID]; v.State != Down {
			t.Errorf("vote %+v at the end of DetectBound", v)
		}
		if s := r.Stats(); s.LateStarts != 0 {
			t.Errorf("%d late starts with room for all", s.LateStarts)
		}
	})
}

// TestTenThousand: 10,000 targets every 5 s start evenly, from the second
// interval on, and never late.
func TestTenThousand(t *testing.T) {
	const targets, interval, slot = 10_000, 5 * time.Second, 100 * time.Millisecond
	fake := newFake(func(Target, time.Time) (bool, string, time.Duration) { return true, "connected", 20 * time.Millisecond })
	bubble(t, Options{Prober: fake, Seed: 7, MaxInFlight: 1024}, targetsOf(targets, interval, time.Second), func(t *testing.T, r *Runner) {
		pass(30 * time.Second)
		var slots [300]int
		for _, starts := range fake.starts {
			for _, at := range starts {
				slots[min(int(at.Sub(epochOfBubbles)/slot), len(slots)-1)]++
			}
		}
		const mean = targets * int(slot) / int(interval)
		for i, n := range slots[60:] {
			if n < mean*6/10 || n > mean*15/10 {
				t.Errorf("%d starts in the 100 ms at %s, mean %d", n, time.Duration(60+i)*slot, mean)
			}
		}
		if s := r.Stats(); s.LateStarts != 0 {
			t.Errorf("%d late starts", s.LateStarts)
		}
	})
}

func TestStatsCount(t *testing.T) {
	took := map[string]time.Duration{"0": 0, "1": 30 * time.Millisecond, "2": time.Minute}
	fake := newFake(func(t Target, _ time.Time) (bool, string, time.Duration) {
		return t.ID != "1", "x", took[t.ID]
	})
	ts := targetsOf(3, 10*time.Second, 10*time.Second)
	for i := range ts {
		ts[i].ID = fmt.Sprint(i)
	}
	ts[2].Check.Kind = "pigeon"
	bubble(t, Options{Prober: fake}, ts, func(t *testing.T, r *Runner) {
		pass(30 * time.Second)
		total := uint64(0)
		for _, p := range r.Stats().Probes {
			total += p.Count
			last := p.Buckets[len(p.Buckets)-1]
			switch {
			case len(p.Buckets) != len(DurationBounds()) || last > p.Count:
				t.Errorf("%s ok=%v: buckets %v, count %d", p.Kind, p.OK, p.Buckets, p.Count)
			case p.Kind == TCP && p.OK && (p.Count == 0 || p.Buckets[0] != p.Count),
				p.Kind == TCP && !p.OK && (p.Count == 0 || p.Buckets[4] != 0 || p.Buckets[5] != p.Count || p.Took != time.Duration(p.Count)*30*time.Millisecond),
				p.Kind == otherKind && !p.OK && p.Count == 0:
				t.Errorf("%+v", p)
			}
		}
		starts := len(fake.startsOf("0")) + len(fake.startsOf("1")) + len(fake.startsOf("2"))
		if int(total)+r.Stats().InFlight != starts {
			t.Errorf("%d counted, %d started, %d in flight", total, starts, r.Stats().InFlight)
		}
	})
}

// instant answers at once, without allocating.
type instant struct{}

func (instant) Probe(context.Context, Target) Observation {
	return Observation{OK: true, Reason: "connected"}
}

// BenchmarkSchedule is the cost of one probe's place in a schedule of 10,000
// targets, without the probe: taking it, judging it, putting it back.
func BenchmarkSchedule(b *testing.B) {
	r := scheduleOf(10_000)
	now := time.Now()
	var batch []*entry
	b.ReportAllocs()
	for b.Loop() {
		now, batch = r.oneRound(now, batch)
	}
}

func scheduleOf(n int) *Runner {
	r := NewRunner(Options{Prober: instant{}, MaxInFlight: 1})
	r.Update(targetsOf(n, 5*time.Second, time.Second))
	return r
}

// oneRound probes the target that is due first, at the moment it is due.
func (r *Runner) oneRound(now time.Time, batch []*entry) (time.Time, []*entry) {
	if due := r.queue[0].due; due.After(now) {
		now = due
	}
	batch, _ = r.takeDue(now, batch[:0])
	for _, e := range batch {
		r.finish(e, r.prober.Probe(context.Background(), e.target), now)
	}
	return now, batch
}

func TestScheduleDoesNotAllocate(t *testing.T) {
	r := scheduleOf(1000)
	now := time.Now()
	batch := make([]*entry, 0, 1)
	for range 2000 { // every target has its vote
		now, batch = r.oneRound(now, batch)
	}
	if n := testing.AllocsPerRun(1000, func() { now, batch = r.oneRound(now, batch) }); n > 0 {
		t.Errorf("%v allocations a probe, want none", n)
	}
}
