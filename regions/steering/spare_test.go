package steering_test

import (
	"testing"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/steering"
)

// What waits, ramps, lacks or is pinned, for a client in Virginia, with
// europe's x1 looked at: what is kept, with which code and TTL.
func TestSpares(t *testing.T) {
	nothingElse := func(w *regions.World) { down(w, e1, e2, w1, w2) }
	heldElse := func(w *regions.World) { hold(w, 0, e1, e2); hold(w, 1, w1, w2) }
	europe := func(f func(r *regions.Verdict)) func(*regions.World) {
		return func(w *regions.World) { f(&w.Regions[2]) }
	}
	first := func(f func(v *regions.Verdict)) func(*regions.World) {
		return func(w *regions.World) { f(&w.Endpoints[0][x1]) }
	}
	waits := func(v *regions.Verdict) { v.Waiting = true }
	tests := []struct {
		name  string
		edits []func(*regions.World)
		want  string
		code  string // of x1
		ttl   uint32
	}{
		{"steady", nil, "e1 e2 w1 w2 x1 x2", "near", 60},
		{"its region waits", []func(*regions.World){europe(waits)}, "e1 e2 w1 w2", "waiting", 5},
		{"it waits", []func(*regions.World){first(waits)}, "e1 e2 w1 w2 x2", "waiting", 5},
		{"its region waits, nothing else is up", []func(*regions.World){europe(waits), nothingElse}, "x1 x2", "waiting", 5},
		{"it waits, nothing else is up", []func(*regions.World){first(waits), nothingElse}, "x2", "waiting", 5},
		{"its region waits, the rest is held", []func(*regions.World){europe(waits), heldElse}, "x1 x2 e1 e2 w1 w2", "waiting", 5},
		{"it is demoted and waits", []func(*regions.World){first(waits), first(func(v *regions.Verdict) { v.Demoted = true })}, "e1 e2 w1 w2 x2", "waiting", 5},
		{"its region is suspect", []func(*regions.World){europe(func(r *regions.Verdict) { r.Suspect = true })}, "e1 e2 w1 w2 x1 x2", "near", 5},
		{"its region is demoted", []func(*regions.World){europe(func(r *regions.Verdict) { r.Demoted = true })}, "e1 e2 w1 w2 x1 x2", "demoted", 5},
		{"its region comes back", []func(*regions.World){europe(func(r *regions.Verdict) { r.Ramp = 7 })}, "e1 e2 w1 w2 x1 x2", "near", 5},
		{"it lacks what it needs", []func(*regions.World){first(func(v *regions.Verdict) { v.Lacks = "login" })}, "e1 e2 w1 w2 x2", "needs-down", 60},
		{"it lacks what it needs, nothing else is up", []func(*regions.World){nothingElse, first(func(v *regions.Verdict) { v.Lacks = "login" })}, "x2", "needs-down", 60},
		{"it is down", []func(*regions.World){first(func(v *regions.Verdict) { v.State = healthcheck.Down })}, "e1 e2 w1 w2 x2", "endpoint-down", 60},
		{"pinned", []func(*regions.World){first(func(v *regions.Verdict) { v.State, v.Pinned = healthcheck.Down, by })}, "e1 e2 w1 w2 x1 x2", "pinned", 5},
		{"pinned in a region that is down", []func(*regions.World){first(func(v *regions.Verdict) { v.Pinned = by }), europe(func(r *regions.Verdict) { r.State = healthcheck.Down })}, "e1 e2 w1 w2 x1", "pinned", 5},
		{"pinned and up", []func(*regions.World){first(func(v *regions.Verdict) { v.Pinned = by })}, "e1 e2 w1 w2 x1 x2", "near", 60},
		{"pinned while it waits", []func(*regions.World){first(waits), first(func(v *regions.Verdict) { v.Pinned = by })}, "e1 e2 w1 w2 x1 x2", "near", 60},
		{"pinned and drained", []func(*regions.World){first(func(v *regions.Verdict) { v.Pinned, v.Drained = by, by })}, "e1 e2 w1 w2 x2", "endpoint-drained", 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := world(near())
			for _, edit := range tt.edits {
				edit(w)
			}
			variant := uint8(0)
			for variant < steering.Variants && codeOf(steering.Decide(w, 0, steering.FamilyV4, virginia, variant), x1) == steering.CodeRamping {
				variant++ // one to which the region is back already
			}
			d := steering.Decide(w, 0, steering.FamilyV4, virginia, variant)
			if got := kept(d); got != tt.want || codeOf(d, x1) != tt.code || d.TTL != tt.ttl || d.Outcome != steering.Answer {
				t.Errorf("keeps %q, x1 %s, TTL %d, outcome %v; want %q, %s, %d", got, codeOf(d, x1), d.TTL, d.Outcome, tt.want, tt.code, tt.ttl)
			}
		})
	}
}

// A client to whom the region is not back gets what it would get without it,
// and the decision says that it varies.
func TestRampDivides(t *testing.T) {
	without := world(near())
	without.Regions[2].State = healthcheck.Down
	want := kept(steering.Decide(without, 0, steering.FamilyV4, london, 0))
	w := world(near())
	w.Regions[2].Ramp = 2
	with := 0
	for v := range uint8(steering.Variants) {
		d := steering.Decide(w, 0, steering.FamilyV4, london, v)
		if !d.Varied || d.TTL != 5 {
			t.Fatalf("variant %d: varied %v, TTL %d", v, d.Varied, d.TTL)
		}
		switch kept(d) {
		case "x1 x2 e1 e2 w1 w2":
			with++
		case want:
		default:
			t.Fatalf("variant %d gets %q", v, kept(d))
		}
	}
	if with != steering.Variants*2/regions.RampSteps {
		t.Errorf("%d variants have the region back", with)
	}
	hold(w, 0, e1, e2) // nothing else stands well: all get it
	down(w, w1, w2)
	for v := range uint8(steering.Variants) {
		if got := kept(steering.Decide(w, 0, steering.FamilyV4, london, v)); got != "x1 x2 e1 e2" {
			t.Fatalf("variant %d gets %q", v, got)
		}
	}
}
