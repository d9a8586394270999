package sim

import (
	"slices"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// longAgo is when a region left that an instance never saw in the answers.
const longAgo = never + 1

// leavingHolds holds rule 5 for every region that an instance sees leave: of
// those that are out, no more than the brake allows left within the window
// before. A region left when the first instance that has it out let it go.
func (o *oracle) leavingHolds(n *node, k *knowledge, last, w *regions.World) {
	shape := o.sim.story.Shape
	for r := range w.Regions {
		if !isOut(w, r) {
			k.left[r] = never
		}
	}
	for _, r := range o.byLeaving(w) {
		switch {
		case !isOut(w, r), k.left[r] != never:
		case last == nil || last.Regions == nil:
			k.left[r] = longAgo
		default:
			if before := o.leftLately(k, w); before >= allowedOut(shape) && !isDrained(w, r) && !o.steps {
				o.sim.violate("rule 5", "%s lets region r%d leave after %d others within %v, and the brake allows %d", n.name, r, before, shape.Brake.Window, allowedOut(shape))
			}
			k.left[r] = min(o.sim.now, o.firstLeft(r))
		}
	}
}

// isOut says whether the votes keep a region out of the answers.
func isOut(w *regions.World, r int) bool {
	v := &w.Regions[r]
	return v.Drained == nil && v.Pinned == nil && (v.State == healthcheck.Down && !v.Held || v.Waiting)
}

// isDrained says whether operators keep all of a region out of the answers.
func isDrained(w *regions.World, r int) bool {
	if w.Regions[r].Drained != nil {
		return true
	}
	for s := range w.Endpoints {
		for e := range w.Endpoints[s] {
			if w.Topology.Services[s].Endpoints[e].Region == r && w.Services[s] == nil && w.Endpoints[s][e].Drained == nil {
				return false
			}
		}
	}
	return true
}

// allowedOut is how many regions may leave within a window.
func allowedOut(s Shape) int {
	regs := len(s.Instances)
	return min(int(s.Brake.Share*float64(regs)+1e-9), regs-1)
}

// leftLately counts the regions that an instance has out, that would serve,
// and that left within the window.
func (o *oracle) leftLately(k *knowledge, w *regions.World) int {
	count := 0
	for r, at := range k.left {
		if at != never && !isDrained(w, r) && o.firstLeft(r) > o.sim.now-o.sim.story.Shape.Brake.Window {
			count++
		}
	}
	return count
}

// firstLeft is when the first instance let a region go that is out there; the
// far future if it is out nowhere.
func (o *oracle) firstLeft(r int) time.Duration {
	first := o.sim.now + time.Hour
	for _, k := range o.known {
		if k.alive && k.left[r] != never {
			first = min(first, k.left[r])
		}
	}
	return first
}

// byLeaving is the regions in the order in which the first instance let them go.
func (o *oracle) byLeaving(w *regions.World) []int {
	var all []int
	for r := range w.Regions {
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b int) int { return int(o.firstLeft(a) - o.firstLeft(b)) })
	return all
}
