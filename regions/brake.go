package regions

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
)

// The brake (rule 5) has no memory, so that every instance, and one that
// started a moment ago, comes to the same end: the regions that the votes
// call down are ordered by when the votes made them so, and admitted to
// withdrawal one after the other, each at the first moment at which fewer
// than Allowed others were admitted within the window before it. The region
// is withdrawn once that moment has come; until then it is Held: State is
// Down, and it is kept in answers, ranked last. One region that is not
// drained always stays, whatever time passes. Regions that an operator
// drained are out by his word and are no matter of the brake; nor are
// endpoints that are down in a region that is not.
//
// It returns the next moment at which it would release a region, zero when
// none is waiting.
func brake(w *World) time.Time {
	allowed, limit := brakeLimits(w)
	w.Brake.Allowed = allowed
	var admitted []time.Time
	var next time.Time
	for _, i := range brakeQueue(w) {
		at, ok := admission(admitted, w.Regions[i].Since, allowed, limit, w.Topology.Brake.Window)
		if ok {
			admitted = append(admitted, at)
		}
		if ok && !at.After(w.Judged) {
			w.Brake.Out = append(w.Brake.Out, w.Topology.Regions[i].Name)
			continue
		}
		if ok {
			next = earliest(next, at)
		}
		hold(w, i)
	}
	return next
}

// brakeLimits is how many regions may go within a window, and how many may be
// out at once.
func brakeLimits(w *World) (allowed, limit int) {
	n := len(w.Topology.Regions)
	for _, v := range w.Regions {
		if v.Drained == nil {
			limit++
		}
	}
	allowed = int(math.Floor(float64(n)*w.Topology.Brake.Share + shareSlack))
	return max(0, min(allowed, n-1)), max(0, limit-1)
}

// brakeQueue is the regions down by votes and not drained, longest down first.
func brakeQueue(w *World) []int {
	var queue []int
	for i, v := range w.Regions {
		if v.State == healthcheck.Down && v.Drained == nil {
			queue = append(queue, i)
		}
	}
	slices.SortFunc(queue, func(a, b int) int {
		if c := w.Regions[a].Since.Compare(w.Regions[b].Since); c != 0 {
			return c
		}
		return strings.Compare(w.Topology.Regions[a].Name, w.Topology.Regions[b].Name)
	})
	return queue
}

// admission is when the next region may go, given when the earlier ones went
// (ascending); false: never.
func admission(earlier []time.Time, since time.Time, allowed, limit int, window time.Duration) (time.Time, bool) {
	if allowed == 0 || len(earlier) >= limit {
		return time.Time{}, false
	}
	if len(earlier) >= allowed {
		if free := earlier[len(earlier)-allowed].Add(window); free.After(since) {
			return free, true
		}
	}
	return since, true
}

// hold keeps a region and its down endpoints in answers.
func hold(w *World, region int) {
	name := w.Topology.Regions[region].Name
	w.Brake.Held = append(w.Brake.Held, name)
	w.Regions[region].Held = true
	w.Regions[region].Reason += fmt.Sprintf("; held by the brake (at most %d of %d regions may leave within %s, one always stays)",
		w.Brake.Allowed, len(w.Regions), w.Topology.Brake.Window)
	for s, svc := range w.Topology.Services {
		for e, ep := range svc.Endpoints {
			if v := &w.Endpoints[s][e]; ep.Region == region && v.State == healthcheck.Down {
				v.Held = true
			}
		}
	}
}
