package healthcheck

import (
	"container/heap"
	"fmt"
	"reflect"
	"regexp"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestGapStaysWithinJitter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := time.Duration(rapid.Int64Range(int64(minInterval), int64(time.Hour)).Draw(t, "interval"))
		hash, n := rapid.Uint64().Draw(t, "hash"), rapid.Uint64Min(1).Draw(t, "n")
		low, high := interval-interval/10, interval+interval/10
		if n == 1 && interval > time.Second {
			low = interval / 10
		}
		if g := gap(hash, n, interval); g < low || g > high {
			t.Fatalf("gap %s outside %s to %s", g, low, high)
		}
		if d := firstDelay(hash, interval); d < 0 || d > min(interval, time.Second) {
			t.Fatalf("first delay %s of interval %s", d, interval)
		}
	})
}

// TestFirstProbesSpread counts first probes by tenths of the window, for two
// instances: no tenth is crowded, and the instances differ.
func TestFirstProbesSpread(t *testing.T) {
	const targets = 10_000
	same := 0
	var tenths [2][10]int
	for i := range targets {
		id := fmt.Sprintf("www.example.com/region/192.0.2.%d", i)
		var slot [2]int
		for seed := range slot {
			d := firstDelay(hashID(uint64(seed), id), 5*time.Second)
			slot[seed] = min(int(d/(100*time.Millisecond)), 9)
			tenths[seed][slot[seed]]++
		}
		if slot[0] == slot[1] {
			same++
		}
	}
	for seed, counts := range tenths {
		for tenth, n := range counts {
			if n < targets/10*8/10 || n > targets/10*12/10 {
				t.Errorf("seed %d, tenth %d: %d first probes of %d", seed, tenth, n, targets)
			}
		}
	}
	if same > targets/10*12/10 {
		t.Errorf("two instances agree on the tenth for %d of %d targets: they beat in step", same, targets)
	}
}

func TestQueueIsByDue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		var all []*entry
		for i, ms := range rapid.SliceOfN(rapid.IntRange(0, 20), 1, 60).Draw(t, "due") {
			e := &entry{due: epoch0.Add(time.Duration(ms) * time.Millisecond), hash: uint64(i)}
			heap.Push(&q, e)
			all = append(all, e)
		}
		gone := map[*entry]bool{}
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(all)-1), 0, 10).Draw(t, "removed") {
			q.remove(all[i])
			gone[all[i]] = true
		}
		if len(q) != len(all)-len(gone) {
			t.Fatalf("%d left of %d after %d removals", len(q), len(all), len(gone))
		}
		var last time.Time
		for len(q) > 0 {
			e := heap.Pop(&q).(*entry)
			if e.due.Before(last) || gone[e] || e.index != -1 {
				t.Fatalf("popped %s after %s, removed %v, index %d", e.due, last, gone[e], e.index)
			}
			last = e.due
		}
	})
}

// TestEqualSeesEveryField changes one field at a time, those that may be
// added later included.
func TestEqualSeesEveryField(t *testing.T) {
	target := Target{ID: "a", Check: quickCheck(HTTP, 80)}
	if !target.Equal(Target{ID: "a", Check: quickCheck(HTTP, 80)}) {
		t.Fatal("equal targets are not Equal")
	}
	for i := range reflect.TypeFor[Check]().NumField() {
		other := target
		other.Check = quickCheck(HTTP, 80)
		alter(reflect.ValueOf(&other.Check).Elem().Field(i))
		if target.Equal(other) {
			t.Errorf("Equal overlooks Check.%s", reflect.TypeFor[Check]().Field(i).Name)
		}
	}
	for _, other := range []Target{
		{ID: "b", Check: target.Check}, {ID: "a", Name: "n", Check: target.Check},
		{ID: "a", Addr: loopback, Check: target.Check}, {ID: "a", Alias: "x", Check: target.Check},
	} {
		if target.Equal(other) {
			t.Errorf("%+v and %+v are Equal", target, other)
		}
	}
}

func alter(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Uint16:
		v.SetUint(v.Uint() + 1)
	case reflect.Pointer:
		v.Set(reflect.ValueOf(regexp.MustCompile("x")))
	case reflect.Struct:
		alter(v.Field(0))
	case reflect.Slice:
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
	default:
		v.SetInt(v.Int() + 1)
	}
}

func TestCheckBounds(t *testing.T) {
	for _, c := range []struct {
		check           Check
		detect, recover time.Duration
	}{
		{Check{Interval: 10 * time.Second, Timeout: 2 * time.Second, Fall: 3, Rise: 2}, 35 * time.Second, 24 * time.Second},
		{Check{Interval: time.Second, Timeout: time.Second, Fall: 1, Rise: 1}, 2100 * time.Millisecond, 2100 * time.Millisecond},
		{Check{Interval: time.Second, Timeout: time.Minute}, 2100 * time.Millisecond, 2100 * time.Millisecond}, // the timeout never exceeds the interval
		{Check{}, 21 * time.Millisecond, 21 * time.Millisecond},
	} {
		if d, r := c.check.DetectBound(), c.check.RecoverBound(); d != c.detect || r != c.recover {
			t.Errorf("%+v: %s and %s, want %s and %s", c.check, d, r, c.detect, c.recover)
		}
	}
}
