package sim

import (
	"slices"
	"testing"
	"time"
)

// TestSeeds lives through some stories; the command simulate does it with
// millions.
func TestSeeds(t *testing.T) {
	tally := Search(1, 1500, 1, 3, func() bool { return false }, nil)
	for _, f := range tally.Failed {
		keep, left := Shrink(f)
		t.Errorf("seed %d, faults %v: %s\n%s", f.Story.Seed, keep, f.Violation, left.Story)
	}
	if tally.Steps < 300*tally.Stories {
		t.Errorf("%d stories of %d steps: nothing happens", tally.Stories, tally.Steps)
	}
}

// A seed tells the same story each time, to the last word.
func TestStoriesRepeat(t *testing.T) {
	for seed := uint64(1); seed <= 40; seed++ {
		var once, again []string
		a := Tell(NewStory(seed), func(line string) { once = append(once, line) })
		b := Tell(NewStory(seed), func(line string) { again = append(again, line) })
		if a.Steps != b.Steps || !slices.Equal(once, again) {
			t.Fatalf("seed %d: %d steps, then %d; or its words differ", seed, a.Steps, b.Steps)
		}
	}
}

// A moment's two clocks are what they were made of.
func TestMoment(t *testing.T) {
	a := moment(10*time.Second, 0)
	b := moment(15*time.Second, -time.Hour)
	if got := b.Sub(a); got != 5*time.Second {
		t.Errorf("%v apart by the monotonic clock, want 5s", got)
	}
	if got := b.Round(0).Sub(a.Round(0)); got != 5*time.Second-time.Hour {
		t.Errorf("%v apart by the wall clock", got)
	}
	if want := noon.Add(10 * time.Second); !a.Equal(want) || a.Round(0).String() != want.String() {
		t.Errorf("%v, want %v", a, want)
	}
	if c := a.Add(5 * time.Second); !b.Equal(c) || c.After(b) || c.Before(b) {
		t.Error("comparing ignores the monotonic clock")
	}
}

// Every kind of fault is drawn, and told in its own words.
func TestFaults(t *testing.T) {
	said := map[string]Kind{}
	for k := range kinds {
		if weights[k] == 0 {
			t.Errorf("kind %d is never drawn", k)
		}
		words := Fault{Kind: k}.String()
		if other, twice := said[words]; twice {
			t.Errorf("kinds %d and %d are told alike: %s", k, other, words)
		}
		said[words] = k
	}
}

// Shrinking leaves what the failure needs.
func TestShrink(t *testing.T) {
	story := NewStory(1)
	story.Faults = []Fault{
		{At: time.Second, For: time.Second, Kind: LeaderChange},
		{At: 2 * time.Second, For: time.Second, Kind: StoreCut},
		{At: 3 * time.Second, Kind: kinds},
	}
	f := Failure{story, &Violation{Rule: "test"}}
	keep, left := shrink(f, func(s Story) Result {
		for _, fault := range s.Faults {
			if fault.Kind == kinds {
				return Result{Violation: &Violation{Rule: "test"}}
			}
		}
		return Result{}
	})
	if !slices.Equal(keep, []int{2}) || len(left.Story.Faults) != 1 {
		t.Errorf("kept %v of three", keep)
	}
}
