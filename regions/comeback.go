package regions

import (
	"fmt"
	"math"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
)

// comeback is rules 5 and 7 for one world: who leaves, and how those return
// that were out.
type comeback struct {
	w     *World
	past  memory
	now   time.Time            // on the wall clock
	given map[string]time.Time // when an operator let a region back
	next  time.Time            // when time alone changes something
}

// comeBack settles who is out, waiting or ramping. c is nil without the store:
// then nobody newly leaves, but those that wait and ramp go on by the clock.
// It returns the next moment at which time alone changes something.
func comeBack(w *World, c *chronicle, past memory) time.Time {
	b := &comeback{w: w, past: past, now: w.Judged.Round(0).UTC(), given: failbacks(w)}
	for i := range w.Regions {
		b.awaitRegion(i, c)
	}
	left := make([]time.Time, len(w.Regions))
	if c != nil {
		leaves := make([]time.Time, len(w.Regions))
		for i := range w.Regions {
			leaves[i] = b.leaves(&w.Regions[i], past.region(i), c)
		}
		left, b.next = brake(w, leaves)
	} else {
		oneStays(w)
	}
	for i := range w.Regions {
		b.placeRegion(i, left[i])
	}
	for s := range w.Endpoints {
		for e := range w.Endpoints[s] {
			b.placeEndpoint(s, e, c)
		}
	}
	return b.next
}

// damps reports whether what goes down often is kept out longer.
func (d *Damping) damps() bool { return d.HalfLife > 0 }

// leaves is when what is down left the answers. What was in them until now
// leaves now; who has no last verdict hears from the others whether it was.
// Where nobody knows, the votes tell.
func (b *comeback) leaves(v, last *Verdict, c *chronicle) time.Time {
	switch {
	case v.Past.isOut():
		return v.Past.Out
	case last != nil && !last.gone(), last == nil && c != nil && c.enough:
		return b.now
	}
	return v.Since
}

// awaitRegion finds out whether a region that is up again has to wait.
func (b *comeback) awaitRegion(i int, c *chronicle) {
	v, r := &b.w.Regions[i], &b.w.Topology.Regions[i]
	b.begin(v, EntranceID(r.Name), true, c)
	if v.Drained == nil && v.Pinned == nil {
		b.await(v, func(m *Mark) time.Time { return b.regionReturns(r, m) })
	}
}

// begin clears what the last judgement said, and settles the mark.
func (b *comeback) begin(v *Verdict, name string, remembers bool, c *chronicle) {
	v.Waiting, v.Until, v.Ramp, v.Return = false, time.Time{}, 0, ""
	switch {
	case !remembers:
		v.Past = nil
	default:
		v.Past = c.settle(name, v.Past.bounded(b.now))
	}
}

// await lets what is up again wait until it may return; returns gives the
// moment, zero for never by itself.
func (b *comeback) await(v *Verdict, returns func(*Mark) time.Time) {
	if v.State == healthcheck.Down || !v.Past.isOut() {
		return
	}
	m := *v.Past
	if m.Well.IsZero() {
		m.Well = b.now
	}
	v.Past = &m
	v.Until = returns(&m)
	v.Waiting = v.Until.IsZero() || v.Until.After(b.w.Judged)
}

// regionReturns is when a region that was out may come back, zero for not
// before an operator says so.
func (b *comeback) regionReturns(r *Region, m *Mark) time.Time {
	at := b.holdEnds(r, m)
	switch r.Recovery.Failback {
	case FailbackAfter:
		return later(at, m.Well.Add(r.Recovery.After))
	case FailbackManual:
		given := b.given[r.Name]
		if given.IsZero() || given.Before(m.Out) {
			return time.Time{}
		}
		return later(at, notAfter(given, b.now))
	}
	return at
}

// holdEnds is when the minimum hold and the damping are over.
func (b *comeback) holdEnds(r *Region, m *Mark) time.Time {
	return later(m.Fell.Add(r.Recovery.Hold), m.Fell.Add(b.w.Topology.Damping.suppresses(m.Penalty)))
}

// placeRegion settles where a region stands, given when it left if it is out.
func (b *comeback) placeRegion(i int, left time.Time) {
	v, r := &b.w.Regions[i], &b.w.Topology.Regions[i]
	switch {
	case v.Drained != nil:
		v.Past = b.drained(v)
	case v.Pinned != nil:
		v.Past = nil
	case v.State == healthcheck.Down && !v.Held:
		v.Past = b.fell(v, left)
	case v.Waiting:
		b.next = earliest(b.next, v.Until)
		v.Return = b.waitingWords(v, r, true)
	default:
		b.back(v)
		b.ramp(v, r)
	}
}

// placeEndpoint does the same for an endpoint: it has a hold and damping only.
func (b *comeback) placeEndpoint(s, e int, c *chronicle) {
	v, ep := &b.w.Endpoints[s][e], &b.w.Topology.Services[s].Endpoints[e]
	r := &b.w.Topology.Regions[ep.Region]
	b.begin(v, ep.ID, r.Recovery.Hold > 0 || b.w.Topology.Damping.damps(), c)
	if v.Past == nil && (v.State != healthcheck.Down || r.Recovery.Hold == 0 && !b.w.Topology.Damping.damps()) {
		return
	}
	if v.Pinned == nil {
		b.await(v, func(m *Mark) time.Time { return b.holdEnds(r, m) })
	}
	switch {
	case v.Pinned != nil:
		v.Past = nil
	case v.State == healthcheck.Down && !v.Held:
		v.Past = b.fell(v, b.leaves(v, b.past.endpoint(s, e), c))
	case v.Waiting:
		b.next = earliest(b.next, v.Until)
		v.Return = b.waitingWords(v, r, false)
	default:
		b.back(v)
		b.forget(v, 0)
	}
}

// fell is the mark of what the votes have taken out: the one it has while it
// stays so, or a new one, with what is left of the old penalty.
func (b *comeback) fell(v *Verdict, left time.Time) *Mark {
	m := v.Past
	if m.isOut() && m.Well.IsZero() {
		return m
	}
	since := v.Since
	if left.IsZero() {
		left = since
	}
	n := &Mark{Out: left, Fell: later(since, left)} // what the brake held fell out of the answers later
	if m != nil {
		n.Fell = later(n.Fell, later(m.Well, m.Back))
		n.Out = later(left, m.Back)
	}
	switch {
	case m.isOut(): // again, before it was back
		n.Out = m.Out
	case m != nil && m.Back.IsZero(): // it leaves as the drain ends, whenever it fell
		n.Out, n.Fell = b.now, b.now
	}
	if b.w.Topology.Damping.damps() {
		n.Penalty = 1 + b.w.Topology.Damping.left(m, n.Fell)
	}
	return n
}

// drained is the mark of a region that an operator took out: when he lets it
// back, it takes its clients slowly.
func (b *comeback) drained(v *Verdict) *Mark {
	out := notAfter(v.Drained.Created, b.now)
	if m := v.Past; m != nil && m.Word && m.Back.IsZero() && m.Out.Equal(out) {
		return m
	}
	return &Mark{Out: out, Fell: out, Word: true, Penalty: b.w.Topology.Damping.left(v.Past, out)}
}

// back notes the return of what was out.
func (b *comeback) back(v *Verdict) {
	if v.Past == nil || !v.Past.Back.IsZero() {
		return
	}
	m := *v.Past
	m.Back = b.now
	if !v.Held && !m.Word && !v.Until.IsZero() {
		m.Back = notAfter(later(v.Until, m.Well), b.now)
	}
	v.Past, v.Until = &m, time.Time{}
}

// ramp is how far a region that came back has got with its clients.
func (b *comeback) ramp(v *Verdict, r *Region) {
	slow := r.Recovery.SlowStart
	b.forget(v, slow)
	if v.Past == nil || v.Held || slow == 0 {
		return
	}
	gone := b.now.Sub(v.Past.Back)
	if gone >= slow {
		return
	}
	const steps = RampSteps - 1
	step := 1 + int64(max(gone, 0))/max(int64(slow)/steps, 1)
	v.Ramp = uint8(min(step, steps))
	b.next = earliest(b.next, v.Past.Back.Add(time.Duration(v.Ramp)*(slow/steps)))
	v.Return = fmt.Sprintf("coming back since %s: serves %d/%d of the clients so far (slow start %s)", clock(v.Past.Back), v.Ramp, RampSteps, slow)
}

// forgetBelow is the penalty that is as good as none.
const forgetBelow = 0.25

// forget drops the mark of what has been back for long enough.
func (b *comeback) forget(v *Verdict, slow time.Duration) {
	if m := v.Past; m != nil && !m.Back.IsZero() && b.now.Sub(m.Back) >= slow && b.w.Topology.Damping.left(m, b.now) < forgetBelow {
		v.Past = nil
	}
}

// left is what is left at a moment of a mark's penalty.
func (d *Damping) left(m *Mark, at time.Time) float64 {
	if m == nil || !d.damps() {
		return 0
	}
	return m.Penalty * math.Exp2(-float64(max(at.Sub(m.Fell), 0))/float64(d.HalfLife))
}

// suppresses is for how long after the fall a penalty keeps something out.
func (d *Damping) suppresses(penalty float64) time.Duration {
	if !d.damps() || penalty < d.Suppress {
		return 0
	}
	halvings := math.Log2(penalty / d.Reuse)
	return time.Duration(math.Min(halvings*float64(d.HalfLife), float64(d.Longest)))
}

// waitingWords says until when something waits, and for what.
func (b *comeback) waitingWords(v *Verdict, r *Region, isRegion bool) string {
	manual := isRegion && r.Recovery.Failback == FailbackManual
	if manual && v.Until.IsZero() {
		return "stays out until an operator lets it back (steerdns failback region " + r.Name + ")"
	}
	held := v.Past.Fell.Add(r.Recovery.Hold)
	damped := v.Past.Fell.Add(b.w.Topology.Damping.suppresses(v.Past.Penalty))
	why := fmt.Sprintf("a hold of %s since it went down", r.Recovery.Hold)
	switch {
	case v.Until.After(later(held, damped)):
		why = fmt.Sprintf("it has to be up for %s first", r.Recovery.After)
	case damped.After(held):
		why = fmt.Sprintf("damped: it went down too often, penalty %.1f", v.Past.Penalty)
	}
	return fmt.Sprintf("stays out until %s (%s)", clock(v.Until), why)
}

// clock writes a moment for people, the same on every instance.
func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }
