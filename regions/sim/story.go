package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/steerdns/steerdns/regions"
)

// Story is a fleet and what happens to it. Everything else follows from Seed,
// the same each time.
type Story struct {
	Seed   uint64
	Shape  Shape
	Faults []Fault       // by At
	Length time.Duration // after this nothing bad begins any more
	Settle bool          // then everything heals, and the fleet has to agree on the truth
}

// Shape is what the fleet is made of.
type Shape struct {
	Instances []int // by region
	Endpoints int   // of each region and service
	Services  int
	Brake     regions.Brake
	AllDown   regions.AllDown
	MinUp     float64
	Needs     bool // the second service needs the first
	Recovery  regions.Recovery
	Damping   regions.Damping
}

// Fault is one thing that goes wrong, or that an operator does, for a while.
type Fault struct {
	At, For time.Duration
	Kind    Kind
	A, B    int           // what it is about: see the kind
	By      time.Duration // how much, where that means something
}

// NewStory draws the story of a seed.
func NewStory(seed uint64) Story {
	d := newDice(seed, 1)
	s := Story{Seed: seed, Shape: newShape(d), Length: d.span(14*time.Second, 32*time.Second), Settle: d.one(8)}
	if d.one(10) {
		s.Length *= 2
	}
	s.Shape.Needs = s.Shape.Services == 2 && d.one(2)
	if d.one(3) {
		s.Shape.Recovery, s.Shape.Damping = newRecovery(d, s.Settle)
	}
	for range 1 + d.below(6) {
		f := newFault(d, s.Shape, s.Length)
		s.Faults = append(s.Faults, f)
		if f.Kind == Drain && d.one(3) {
			s.Faults = append(s.Faults, f.another(d, s.Shape))
		}
	}
	slices.SortStableFunc(s.Faults, func(a, b Fault) int { return int(a.At - b.At) })
	return s
}

func newShape(d *dice) Shape {
	s := Shape{Endpoints: 1, Services: 1, MinUp: 0.5}
	n := []int{2, 3, 3, 3, 4, 5}[d.below(6)]
	for range n {
		s.Instances = append(s.Instances, 1)
	}
	if n <= 4 && d.one(3) {
		s.Instances[d.below(n)] += 1 + d.below(2)
	}
	if n <= 3 && d.one(3) {
		s.Endpoints = 2
	}
	if n <= 3 && d.one(6) {
		s.Services = 2
	}
	s.Brake.Share = []float64{0.5, 0.5, 0.34, 0.67, 1}[d.below(5)]
	s.Brake.Window = []time.Duration{10 * time.Minute, 10 * time.Minute, 20 * time.Second}[d.below(3)]
	if d.one(4) {
		s.AllDown = []regions.AllDown{regions.NoData, regions.ServFail, regions.Fallback}[d.below(3)]
	}
	return s
}

// newRecovery is a way back that is not at once. A fleet that has to agree on
// the truth in the end does not wait for an operator.
func newRecovery(d *dice, settles bool) (r regions.Recovery, damping regions.Damping) {
	if !d.one(3) {
		r.Hold = d.span(3*time.Second, 15*time.Second)
	}
	if d.one(2) {
		r.SlowStart = d.span(2*time.Second, 12*time.Second)
	}
	switch {
	case d.one(3):
		r.Failback, r.After = regions.FailbackAfter, d.span(2*time.Second, 8*time.Second)
	case !settles && d.one(4):
		r.Failback = regions.FailbackManual
	}
	if d.one(4) {
		damping = regions.Damping{HalfLife: d.span(5*time.Second, 15*time.Second), Suppress: 1.5, Reuse: 0.75, Longest: 20 * time.Second}
	}
	return r, damping
}

// nodes counts the instances.
func (s Shape) nodes() int {
	n := 0
	for _, i := range s.Instances {
		n += i
	}
	return n
}

// targets counts the endpoints.
func (s Shape) targets() int { return len(s.Instances) * s.Endpoints * s.Services }

// String tells the story, a line for each thing.
func (s Story) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d regions with %v instances, %d endpoint(s) a region, %d service(s)\n",
		s.Seed, len(s.Shape.Instances), s.Shape.Instances, s.Shape.Endpoints, s.Shape.Services)
	fmt.Fprintf(&b, "  brake %.0f%% in %v, all-down policy %d, %v long, settles: %v\n",
		100*s.Shape.Brake.Share, s.Shape.Brake.Window, s.Shape.AllDown, s.Length.Round(time.Millisecond), s.Settle)
	if r := s.Shape.Recovery; r != (regions.Recovery{}) || s.Shape.Damping.HalfLife > 0 || s.Shape.Needs {
		fmt.Fprintf(&b, "  hold %v, failback %s %v, slow start %v, damping by half in %v, needs: %v\n",
			r.Hold.Round(time.Millisecond), [...]string{"auto", "after", "manual"}[r.Failback], r.After.Round(time.Millisecond),
			r.SlowStart.Round(time.Millisecond), s.Shape.Damping.HalfLife.Round(time.Millisecond), s.Shape.Needs)
	}
	for i, f := range s.Faults {
		fmt.Fprintf(&b, "  [%d] %8s  %s\n", i, stamp(f.At), f)
	}
	return b.String()
}

func stamp(at time.Duration) string { return fmt.Sprintf("%.3fs", at.Seconds()) }

// Only is the story with only these of its faults, by their place in it.
func (s Story) Only(keep []int) Story {
	var some []Fault
	for i, f := range s.Faults {
		if slices.Contains(keep, i) {
			some = append(some, f)
		}
	}
	s.Faults = some
	return s
}
