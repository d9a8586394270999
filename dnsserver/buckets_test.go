package dnsserver

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestBucketsFollowTheModel compares with a balance of tokens as BIND keeps it:
// it grows with time up to a second's worth, and falls with every draw down to
// the window's worth below zero.
func TestBucketsFollowTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{1, 2, 5, 10, 100, 1000}).Draw(t, "rate")
		window := rapid.SampledFrom([]int{0, 1, 15}).Draw(t, "window")
		b := newBuckets(64)
		r := rateOf(n, time.Duration(window)*time.Second)
		at := time.Now().UnixNano()
		balance := float64(n)
		for range rapid.IntRange(1, 200).Draw(t, "draws") {
			wait := time.Duration(rapid.SampledFrom([]int{0, 0, 0, 1, 10, 300, 5000}).Draw(t, "wait")) * time.Millisecond
			at += int64(wait)
			balance = min(balance+wait.Seconds()*float64(n), float64(n))
			const dust = 1e-6 // the table counts in microseconds
			want := balance-1 >= -dust
			if got := b.take(b.hash(1, 2), r, at); got != want {
				t.Fatalf("%v with a balance of %v", got, balance)
			}
			if balance > -float64(window*n) {
				balance--
			}
		}
	})
}

func TestBucketsAreApart(t *testing.T) {
	b := newBuckets(1 << 12)
	r, at := rateOf(1, time.Second), time.Now().UnixNano()
	for x := range uint64(1000) {
		if !b.take(b.hash(x, 0), r, at) {
			t.Fatalf("bucket %d was drawn from by another", x)
		}
	}
	for x := range uint64(1000) {
		if b.take(b.hash(x, 0), r, at) {
			t.Fatalf("bucket %d was forgotten", x)
		}
	}
}

// TestBucketsNeverGrow floods the table with names: a bucket that is deep in
// debt is not the one that gives way.
func TestBucketsNeverGrow(t *testing.T) {
	b := newBuckets(1 << 10)
	size := len(b.sets)
	r, at := rateOf(1, 15*time.Second), time.Now().UnixNano()
	debtor := b.hash(1<<40, 0)
	for range 20 {
		b.take(debtor, r, at)
	}
	for x := range uint64(200000) {
		b.take(b.hash(x, 0), r, at)
	}
	if len(b.sets) != size || size != 128 {
		t.Errorf("%d sets, before %d", len(b.sets), size)
	}
	if b.take(debtor, r, at) {
		t.Error("the bucket in debt was forgotten")
	}
}

// TestClockThatStepsBack: a wall clock set back limits nobody for longer than
// the window.
func TestClockThatStepsBack(t *testing.T) {
	b := newBuckets(64)
	r, at := rateOf(10, time.Second), time.Now().UnixNano()
	b.take(7, r, at)
	at -= int64(30 * time.Minute)
	b.take(7, r, at)
	if !b.take(7, r, at+int64(2500*time.Millisecond)) {
		t.Error("limited since the clock was set back")
	}
}

func TestBucketsAreShared(t *testing.T) {
	b := newBuckets(64)
	r, at := rateOf(1000, time.Second), time.Now().UnixNano()
	var granted atomic.Int64
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for range 5000 {
				if b.take(42, r, at) {
					granted.Add(1)
				}
			}
		})
	}
	workers.Wait()
	if n := granted.Load(); n < 1000 || n > 1100 {
		t.Errorf("%d tokens of 1000", n)
	}
}
