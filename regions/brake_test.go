package regions_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steerdns/steerdns/regions"
)

// TestBrake: regions go down at the given seconds after noon; at a second the
// brake must have these out and those held. The window is 600 s.
func TestBrake(t *testing.T) {
	tests := []struct {
		name    string
		regions int
		share   float64
		downs   []int // second by region; -1: up
		drained string
		at      int
		out     string
		held    string
	}{
		{"one of three goes", 3, 0.5, []int{5, -1, -1}, "", 10, "r0", ""},
		{"the second waits", 3, 0.5, []int{5, 7, -1}, "", 10, "r0", "r1"},
		{"longest down first", 3, 0.5, []int{7, 5, -1}, "", 10, "r1", "r0"},
		{"names break ties", 3, 0.5, []int{-1, 5, 5}, "", 10, "r1", "r2"},
		{"just before the window ends", 3, 0.5, []int{5, 7, -1}, "", 604, "r0", "r1"},
		{"the window ended", 3, 0.5, []int{5, 7, -1}, "", 605, "r0 r1", ""},
		{"the last never goes", 3, 0.5, []int{5, 7, 9}, "", 100000, "r0 r1", "r2"},
		{"share of one still keeps one", 3, 1, []int{5, 5, 5}, "", 10, "r0 r1", "r2"},
		{"two of four", 4, 0.5, []int{5, 6, 7, -1}, "", 10, "r0 r1", "r2"},
		{"the third by the first's window", 4, 0.5, []int{5, 300, 301, -1}, "", 605, "r0 r1 r2", ""},
		{"share under one region", 3, 0.3, []int{5, -1, -1}, "", 10000, "", "r0"},
		{"single region", 1, 1, []int{5}, "", 10000, "", "r0"},
		{"two regions", 2, 0.5, []int{5, 6}, "", 10000, "r0", "r1"},
		{"drained ones are out of the count", 3, 0.5, []int{5, 6, -1}, "r0", 10, "r1", ""},
		{"one undrained stays", 3, 0.5, []int{5, 6, -1}, "r2", 10000, "r0", "r1"},
		{"nothing down", 3, 0.5, []int{-1, -1, -1}, "", 10, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := downAt(tt.regions, tt.downs)
			in.Topology.Brake.Share = tt.share
			in.Now = noon.Add(time.Duration(tt.at) * time.Second)
			if tt.drained != "" {
				in.Picture.Overrides = []regions.Override{drain(regions.OverrideRegion, tt.drained, in.Now.Add(time.Hour))}
			}
			w := regions.Judge(in)
			if out, held := strings.Join(w.Brake.Out, " "), strings.Join(w.Brake.Held, " "); out != tt.out || held != tt.held {
				t.Errorf("out %q held %q, want %q and %q (allowed %d)", out, held, tt.out, tt.held, w.Brake.Allowed)
			}
			checkHeld(t, w)
		})
	}
}

// downAt has every region's one endpoint voted down by all from that second.
func downAt(n int, downs []int) regions.Input {
	top := fleetOf(n, 1)
	in := input(top)
	for r := range n {
		b := says(top.Regions[r].Name+"-a", strings.Repeat("u ", n), top, noon)
		for e, second := range downs {
			if second >= 0 {
				v := says("r0-x", "d", top, noon.Add(time.Duration(second)*time.Second)).Votes[id(0, 0)]
				b.Votes[id(e, 0)] = v
			}
		}
		in.Ballots = append(in.Ballots, b)
	}
	return in
}

// checkHeld: what is held is down, and its down endpoints are held with it.
func checkHeld(t *testing.T, w *regions.World) {
	t.Helper()
	held := strings.Join(w.Brake.Held, " ")
	for i, r := range w.Topology.Regions {
		if w.Regions[i].Held != strings.Contains(held, r.Name) {
			t.Errorf("region %s held %v, brake says %q", r.Name, w.Regions[i].Held, held)
		}
		if w.Endpoints[0][i].Held != w.Regions[i].Held {
			t.Errorf("endpoint of %s held %v, region %v", r.Name, w.Endpoints[0][i].Held, w.Regions[i].Held)
		}
	}
}

// Nothing but time passes when the brake releases a region, and yet answers
// change: so must the epoch.
func TestEpochTellsHeldFromOut(t *testing.T) {
	in := downAt(3, []int{5, 7, -1})
	in.Now = noon.Add(604 * time.Second)
	held := regions.Judge(in)
	in.Now = noon.Add(605 * time.Second)
	if out := regions.Judge(in); out.Epoch == held.Epoch {
		t.Errorf("epoch %s both while r1 is held and after", out.Epoch)
	}
}

// A drain that ends while the store is away takes nothing more out of the
// answers: what went down under it was never let go by the brake.
func TestDrainEndsWithoutTheStore(t *testing.T) {
	top := fleetOf(3, 1)
	top.Brake = regions.Brake{Share: 0.34, Window: time.Hour}
	in := input(top, "r0-a:d d u", "r1-a:d d u", "r2-a:d d u")
	in.Picture.Overrides = []regions.Override{drain(regions.OverrideRegion, "r1", noon.Add(time.Minute))}
	drained := regions.Judge(in)
	if !drained.Regions[0].Out() || drained.Regions[1].Drained == nil {
		t.Fatalf("r0 %s, r1 %s", drained.Regions[0].Label(), drained.Regions[1].Label())
	}
	in.Previous, in.StoreLost, in.Now = drained, true, noon.Add(2*time.Minute)
	before := slices.Clone(drained.Brake.Held)
	w := regions.Judge(in)
	if w.Regions[1].Drained != nil || !w.Regions[1].Held || w.Regions[1].Out() || !w.Regions[0].Out() {
		t.Errorf("after the drain's end: r0 %s, r1 %s, want down and held", w.Regions[0].Label(), w.Regions[1].Label())
	}
	if !slices.Equal(w.Brake.Held, []string{"r1"}) || !slices.Equal(drained.Brake.Held, before) {
		t.Errorf("held %v, and the world before now %v", w.Brake.Held, drained.Brake.Held)
	}
	in.Previous = w
	if again := regions.Judge(in); again.Epoch != w.Epoch || !again.Regions[1].Held {
		t.Error("the next judgement says otherwise")
	}
}

// A drain that shows while votes do not count yet (after a restart, say) must
// not leave nothing: the region that left last stays in.
func TestDrainOfTheLastWithoutVotes(t *testing.T) {
	in := downAt(3, []int{5, -1, 7})
	in.Topology.Brake.Share, in.Now = 1, noon.Add(time.Minute)
	in.Previous = regions.Judge(in)
	if out := strings.Join(in.Previous.Brake.Out, " "); out != "r0 r2" {
		t.Fatalf("out %q", out)
	}
	in.StoreLost = true
	in.Picture.Overrides = []regions.Override{drain(regions.OverrideRegion, "r1", in.Now.Add(time.Hour))}
	w := regions.Judge(in)
	if out, held := strings.Join(w.Brake.Out, " "), strings.Join(w.Brake.Held, " "); out != "r0" || held != "r2" {
		t.Errorf("out %q, held %q, want r0 and r2", out, held)
	}
	checkHeld(t, w)
	if strings.Join(in.Previous.Brake.Out, " ") != "r0 r2" {
		t.Error("the world before was changed")
	}
}

// One that only waits to come back comes back then.
func TestDrainOfTheLastButTheWaiting(t *testing.T) {
	in := downAt(2, []int{-1, 5})
	in.Topology.Regions[1].Recovery.Failback, in.Now = regions.FailbackManual, noon.Add(time.Minute)
	in.Previous = regions.Judge(in)
	up := downAt(2, []int{-1, -1})
	in.Ballots, in.Now = up.Ballots, in.Now.Add(time.Minute)
	in.Previous = regions.Judge(in)
	if got := in.Previous.Regions[1].Label(); got != "waiting" {
		t.Fatalf("r1 is %s", got)
	}
	in.StoreLost = true
	in.Picture.Overrides = []regions.Override{drain(regions.OverrideRegion, "r0", in.Now.Add(time.Hour))}
	w := regions.Judge(in)
	if w.Regions[1].Waiting || len(w.Brake.Out) != 0 {
		t.Errorf("r1 is %s, out %v", w.Regions[1].Label(), w.Brake.Out)
	}
	in.Previous = w
	if again := regions.Judge(in); again.Regions[1].Waiting {
		t.Error("and waits again")
	}
}
