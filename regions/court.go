package regions

import (
	"maps"
	"slices"
	"time"
)

// longestSleep is how late, at most, a step of the wall clock is noticed:
// overrides end by it.
const longestSleep = time.Minute

// court is what a Stepper owns: the state of knowledge, and when to judge it.
type court struct {
	state *State

	topology *Topology
	picture  *Picture
	own      *Ballot
	restored *Restored       // until it served as the previous world
	last     *World          // nil before the first judgement
	marks    map[string]Mark // what last remembers; nil: nothing yet
	ages     ages

	looked    time.Time // when the picture came
	back      time.Time // when the store came back
	counted   []Ballot  // by the last judgement
	gap       bool      // the store was away since
	connected bool
	refused   bool      // the last picture was not believed: no better than no store
	lostSince time.Time // when the store went away; meaningful while it is

	dirty  bool      // something came in that no judgement has seen
	judged time.Time // of the last judgement
	next   time.Time // when time alone makes a judgement due; zero: never
	ends   time.Time // the same by the wall clock, which may step: of overrides, holds and the brake
}

func newCourt(s *State, now time.Time) *court {
	return &court{state: s, ages: ages{}, lostSince: now}
}

// take adds what came in to the knowledge.
func (c *court) take(n news, now time.Time) {
	c.dirty = c.dirty || n.topology != nil || n.restored != nil || n.own != nil && c.hearsItself() || n.gap || c.gap
	if n.topology != nil {
		c.topology = n.topology
	}
	if n.restored != nil {
		c.restored = n.restored
	}
	if n.own != nil {
		c.own = n.own
	}
	c.gap = c.gap || n.gap
	if n.picture != nil {
		c.look(n.picture, now)
	}
	there := c.there()
	if n.connected != nil {
		c.connected = *n.connected
	}
	if n.believed != nil {
		c.refused = !*n.believed
	}
	c.dirty = c.dirty || c.there() != there
	switch {
	case there && !c.there():
		c.lostSince = now
	case !there && c.there():
		c.back = now
	}
	c.gap = c.gap || !c.there()
}

// look takes a new picture. What moved while nobody watched may have moved at
// the beginning of that time. Another cluster says nothing of when anything
// moved.
func (c *court) look(p *Picture, now time.Time) {
	last, since := c.picture, now
	if last != nil && c.gap {
		since = c.looked
	}
	if last != nil && last.Cluster != p.Cluster {
		clear(c.ages)
	}
	watched := last != nil && !c.gap && last.Cluster == p.Cluster
	c.picture, c.looked, c.gap = p, now, false
	c.ages.see(p.Ballots, watched || !c.knowsVerdicts(), since)
	c.dirty = c.dirty || last == nil || last.Cluster != p.Cluster || !saysTheSame(last, p) || !c.sameTurnout(now)
	if !c.dirty {
		c.advance(now)
	}
}

// sameTurnout tells whether the ballots that are fresh are those of the same
// instances as in the last judgement.
func (c *court) sameTurnout(now time.Time) bool {
	fresh, _ := c.ages.fresh(c.picture, c.state.opts.VoteGrace, now)
	return slices.EqualFunc(fresh, c.counted, func(a, b Ballot) bool { return a.Instance == b.Instance })
}

// advance moves the world to the picture's revision, as judging it would do.
// Beats say no more than that their voters live, and a large fleet beats
// often; what time alone changes is judged when c.next has come.
func (c *court) advance(now time.Time) {
	if c.last == nil || c.last.StoreLost {
		c.dirty = true
		return
	}
	w := *c.last
	w.Revision, w.Judged = c.picture.Revision, now
	c.last = &w
	c.state.current.Store(&w)
}

// saysTheSame reports whether Judge would make the same of two pictures of one
// cluster, if the same ballots are fresh.
func saysTheSame(a, b *Picture) bool {
	return slices.Equal(a.Overrides, b.Overrides) && slices.Equal(a.Serials, b.Serials) && slices.EqualFunc(a.Ballots, b.Ballots, sameSaid)
}

func sameSaid(a, b Ballot) bool {
	return a.Instance == b.Instance && a.Region == b.Region && a.Boot == b.Boot && a.Beat == b.Beat && a.Blind == b.Blind &&
		(a.Seq == b.Seq || maps.Equal(a.Votes, b.Votes) && (a.Marks == nil) == (b.Marks == nil) &&
			maps.EqualFunc(a.Marks, b.Marks, func(x, y Mark) bool { return x.Equal(&y) }))
}

// there tells whether the store speaks and is believed.
func (c *court) there() bool { return c.connected && !c.refused }

// sit judges if a judgement is due. It returns how long to wait for the next
// one, if any is in sight. The first news after a quiet time is judged at
// once; after that, once in Coalesce.
func (c *court) sit(now time.Time) (wait time.Duration, waiting bool) {
	if c.topology == nil {
		return 0, false
	}
	due := soonest(now, c.next, c.ends)
	if c.dirty {
		due = now
	}
	if due.IsZero() {
		return 0, false
	}
	if free := c.judged.Add(c.state.opts.Coalesce); !c.judged.IsZero() && due.Before(free) {
		due = free
	}
	if due.After(now) {
		return min(due.Sub(now), longestSleep), true
	}
	c.judge(now)
	if due = soonest(now, c.next, c.ends); due.IsZero() {
		return 0, false
	}
	return min(max(due.Sub(now), c.state.opts.Coalesce), longestSleep), true
}

// soonest is which of two moments comes first, each by the clock that it was
// told by: a monotonic one and one of the wall clock, which has stepped
// perhaps, do not compare. Zero means never.
func soonest(now, a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Sub(now) < a.Sub(now) {
		return b
	}
	return a
}

func (c *court) judge(now time.Time) {
	c.dirty, c.judged = false, now
	fresh, next := c.ages.fresh(c.picture, c.state.opts.VoteGrace, now)
	c.counted = fresh
	until, settling := c.settling(fresh, now)
	lost := !c.there() && !now.Before(c.lostSince.Add(c.state.opts.StoreGrace)) || settling
	if !c.there() && !lost {
		next = earliest(next, c.lostSince.Add(c.state.opts.StoreGrace))
	}
	if settling {
		next = earliest(next, until)
	}
	w, then := judge(Input{
		Topology: c.topology, Picture: c.picture, Ballots: fresh, Own: c.own,
		StoreLost: lost, Previous: c.previous(), Now: now,
	})
	c.next, c.ends = next, then
	c.announce(w)
}

// settling says whether the store is back, but ballots that it holds have not
// moved since, and until when they are given the time: a beat and the grace.
// Those that have moved might outvote one another by the order in which they
// did; until all have spoken, the last verdicts stand as without the store.
func (c *court) settling(fresh []Ballot, now time.Time) (until time.Time, is bool) {
	if !c.there() || c.picture == nil || c.previous() == nil || !c.previous().StoreLost || !c.gap && len(fresh) == len(c.picture.Ballots) {
		return time.Time{}, false
	}
	beat := time.Duration(0)
	for _, b := range c.picture.Ballots {
		beat = max(beat, beatOf(b))
	}
	until = c.back.Add(beat + c.state.opts.VoteGrace)
	return until, now.Before(until)
}

// hearsItself reports whether this instance's own votes may change anything:
// where the last verdicts stand.
func (c *court) hearsItself() bool {
	return c.last == nil || c.last.StoreLost || frozen(c.last)
}

// knowsVerdicts reports whether there are verdicts to go on with. Without any,
// votes of unknown age are better than nothing.
func (c *court) knowsVerdicts() bool {
	return c.restored != nil || c.last != nil && c.last.Ready
}

// previous is the last world, or the one before the restart.
func (c *court) previous() *World {
	if c.restored != nil && (c.last == nil || !c.last.Ready) {
		return c.restored.world(c.topology)
	}
	return c.last
}

// announce makes w the current world, and tells of what changed.
func (c *court) announce(w *World) {
	last := c.previous()
	changed := c.last == nil || differs(c.last, w)
	c.last = w
	c.restored = nil
	c.state.current.Store(w)
	c.remembers(w)
	for _, t := range transitions(last, w) {
		t.log(c.state.opts.Log)
		if c.state.opts.OnTransition != nil {
			c.state.opts.OnTransition(t)
		}
	}
	if changed && c.state.opts.Publish != nil {
		c.state.opts.Publish(w)
	}
}

// remembers adds what w remembers to this instance's own ballot, and tells
// when that changed.
func (c *court) remembers(w *World) {
	marks := MarksOf(w)
	same := (marks == nil) == (c.marks == nil) && maps.EqualFunc(marks, c.marks, func(a, b Mark) bool { return a.Equal(&b) })
	c.marks = marks
	if !same && c.state.opts.OnMarks != nil {
		c.state.opts.OnMarks()
	}
}

// differs reports whether b says more than a newer revision of a.
func differs(a, b *World) bool {
	return a.Epoch != b.Epoch || a.Topology != b.Topology || a.Cluster != b.Cluster ||
		a.Ready != b.Ready || a.StoreLost != b.StoreLost ||
		!slices.Equal(a.Brake.Out, b.Brake.Out) || !slices.Equal(a.Brake.Held, b.Brake.Held) || a.Brake.Allowed != b.Brake.Allowed ||
		!slices.Equal(a.Overrides, b.Overrides) || !slices.Equal(a.Serials, b.Serials) ||
		!slices.EqualFunc(a.Regions, b.Regions, sameVerdict) ||
		!slices.EqualFunc(a.Endpoints, b.Endpoints, func(x, y []Verdict) bool { return slices.EqualFunc(x, y, sameVerdict) })
}

// sameVerdict reports whether two verdicts tell a person the same. Overrides
// are compared as such; which endpoints they cover follows from them.
func sameVerdict(a, b Verdict) bool {
	return a.State == b.State && a.Frozen == b.Frozen && a.Held == b.Held && a.Demoted == b.Demoted &&
		a.Suspect == b.Suspect && a.Shaky == b.Shaky && a.Waiting == b.Waiting && a.Ramp == b.Ramp && a.Lacks == b.Lacks &&
		a.Until.Equal(b.Until) && a.Since.Equal(b.Since) && a.Reason == b.Reason && a.Return == b.Return &&
		a.Past.Equal(b.Past) && slices.Equal(a.Vantages, b.Vantages) &&
		(a.Entrance == b.Entrance || a.Entrance != nil && b.Entrance != nil && sameVerdict(*a.Entrance, *b.Entrance))
}
