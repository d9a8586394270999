package regions

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
)

// The brake (rule 5) orders the regions that are down by when they left, and
// admits them to withdrawal one after the other, each at the first moment at
// which fewer than Allowed others were admitted within the window before it.
// The region is withdrawn once that moment has come; until then it is Held:
// State is Down, and it is kept in answers, ranked last. Those that all
// remember to be out already, by their marks, come first, at the moment at
// which they left; so do those that are Waiting, since they are out like the
// others: one that may no longer be out stops waiting. What is in the answers
// would leave at this moment, however long the votes have called it down: a
// freeze, a pin or an outage of the store may have kept it. One region that is
// not drained always stays, whatever time passes. Regions that an operator
// drained or pinned are no matter of the brake, nor are those that serve
// nothing, nor endpoints that are down in a region that is not.
//
// leaves is when each region left or would leave, by index. It returns when
// each did, and the next moment at which one would be released, zero when none
// is waiting for it.
func brake(w *World, leaves []time.Time) (left []time.Time, next time.Time) {
	serving := serving(w)
	allowed, limit := brakeLimits(w, serving)
	w.Brake.Allowed = allowed
	left = make([]time.Time, len(w.Regions))
	var admitted []time.Time
	for _, i := range brakeQueue(w, serving, leaves) {
		at, ok := admission(admitted, leaves[i], allowed, limit, w.Topology.Brake.Window)
		if ok {
			admitted = append(admitted, at)
			slices.SortFunc(admitted, time.Time.Compare)
		}
		if ok && !at.After(w.Judged) {
			left[i] = at
			w.Brake.Out = append(w.Brake.Out, w.Topology.Regions[i].Name)
			continue
		}
		if w.Regions[i].Waiting {
			w.Regions[i].Waiting = false
			continue
		}
		if ok {
			next = earliest(next, at)
		}
		hold(w, i)
	}
	return left, next
}

// serving tells which regions have an endpoint that is not drained.
func serving(w *World) []bool {
	has := make([]bool, len(w.Regions))
	for s := range w.Endpoints {
		for e := range w.Endpoints[s] {
			r := w.Topology.Services[s].Endpoints[e].Region
			has[r] = has[r] || w.Services[s] == nil && w.Endpoints[s][e].Drained == nil
		}
	}
	return has
}

// brakeLimits is how many regions may go within a window, and how many may be
// out at once. Regions that serve nothing count for neither.
func brakeLimits(w *World, serving []bool) (allowed, limit int) {
	n := w.Topology.Serving()
	for i := range w.Regions {
		if serving[i] && w.Regions[i].Drained == nil {
			limit++
		}
	}
	allowed = int(math.Floor(float64(n)*w.Topology.Brake.Share + shareSlack))
	return max(0, min(allowed, n-1)), max(0, limit-1)
}

// brakeQueue is the regions that are out or should be, drains and pins aside:
// first those known to be out, then the others, longest first by the votes,
// which are the same for all.
func brakeQueue(w *World, serving []bool, leaves []time.Time) []int {
	var queue []int
	for i := range w.Regions {
		v := &w.Regions[i]
		if serving[i] && (v.State == healthcheck.Down || v.Waiting) && v.Drained == nil && v.Pinned == nil {
			queue = append(queue, i)
		}
	}
	slices.SortFunc(queue, func(a, b int) int {
		va, vb := &w.Regions[a], &w.Regions[b]
		if va.Past.isOut() != vb.Past.isOut() {
			if va.Past.isOut() {
				return -1
			}
			return 1
		}
		if va.Past.isOut() {
			if c := leaves[a].Compare(leaves[b]); c != 0 {
				return c
			}
		}
		if c := va.Since.Compare(vb.Since); c != 0 {
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

// oneStays brings one region back when drains have come that leave no other,
// and there are no votes to judge by: one that only waits, or else the one
// that left last.
func oneStays(w *World) {
	back, serving := -1, serving(w)
	for i := range w.Regions {
		v := &w.Regions[i]
		switch {
		case v.Drained != nil, !serving[i]:
		case v.Pinned != nil, v.Held, v.State != healthcheck.Down && !v.Waiting:
			return
		case back < 0 || sooner(v, &w.Regions[back]):
			back = i
		}
	}
	if back < 0 {
		return
	}
	name := w.Topology.Regions[back].Name
	w.Brake.Out = slices.DeleteFunc(slices.Clone(w.Brake.Out), func(out string) bool { return out == name })
	if w.Regions[back].Waiting {
		w.Regions[back].Waiting = false
	} else {
		hold(w, back)
	}
}

// leftAt is when a region left or, by the votes, should have.
func leftAt(v *Verdict) time.Time {
	if v.Past.isOut() {
		return v.Past.Out
	}
	return v.Since
}

// sooner says whether a has more of a claim than b to be back.
func sooner(a, b *Verdict) bool {
	if a.Waiting != b.Waiting {
		return a.Waiting
	}
	return leftAt(a).After(leftAt(b))
}

// hold keeps a region and its down endpoints in answers.
func hold(w *World, region int) {
	name := w.Topology.Regions[region].Name
	w.Brake.Held = append(w.Brake.Held, name)
	w.Regions[region].Held = true
	w.Regions[region].Reason += fmt.Sprintf("; held by the brake (at most %d of %d regions may leave within %s, one always stays)",
		w.Brake.Allowed, w.Topology.Serving(), w.Topology.Brake.Window)
	for s := range w.Endpoints {
		for e := range w.Endpoints[s] {
			v := &w.Endpoints[s][e]
			if w.Topology.Services[s].Endpoints[e].Region == region && v.State == healthcheck.Down {
				v.Held = true
			}
		}
	}
}
