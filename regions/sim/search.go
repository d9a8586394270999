package sim

import (
	"sync"
	"sync/atomic"
)

// Tally is what became of many stories.
type Tally struct {
	Stories, Steps int64
	Failed         []Failure // by seed, as they were found
}

// Failure is a story in which an invariant did not hold.
type Failure struct {
	Story     Story
	Violation *Violation
}

// Search lives through the stories of n seeds from first on, on several
// workers at once, until most of them have failed or stop says so. report is
// called now and then with the tally so far; it may be nil.
func Search(first uint64, n int64, workers, most int, stop func() bool, report func(Tally)) Tally {
	var next, steps, stories atomic.Int64
	var mu sync.Mutex
	var failed []Failure
	tally := func() Tally {
		return Tally{Stories: stories.Load(), Steps: steps.Load(), Failed: failed}
	}
	work := func() {
		for i := next.Add(1); i <= n && !stop(); i = next.Add(1) {
			story := NewStory(first + uint64(i-1))
			r := Run(story)
			steps.Add(int64(r.Steps))
			done := stories.Add(1)
			if r.Violation == nil && (report == nil || done%10_000 != 0) {
				continue
			}
			mu.Lock()
			if r.Violation != nil {
				failed = append(failed, Failure{story, r.Violation})
			}
			enough := len(failed) >= most
			if report != nil && done%10_000 == 0 {
				report(tally())
			}
			mu.Unlock()
			if enough {
				next.Store(n)
			}
		}
	}
	var group sync.WaitGroup
	for range workers {
		group.Go(work)
	}
	group.Wait()
	return tally()
}

// Shrink leaves out of a failed story what is not needed for it to fail by the
// same rule. It returns the places of what is left, and how it fails then.
func Shrink(f Failure) (keep []int, left Failure) { return shrink(f, Run) }

func shrink(f Failure, run func(Story) Result) (keep []int, left Failure) {
	for i := range f.Story.Faults {
		keep = append(keep, i)
	}
	left = f
	for again := true; again; {
		again = false
		for i := 0; i < len(keep); {
			fewer := append(append([]int{}, keep[:i]...), keep[i+1:]...)
			story := f.Story.Only(fewer)
			r := run(story)
			if r.Violation == nil || r.Violation.Rule != f.Violation.Rule {
				i++
				continue
			}
			keep, left, again = fewer, Failure{story, r.Violation}, true
		}
	}
	return keep, left
}
