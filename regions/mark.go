package regions

import (
	"cmp"
	"slices"
	"time"
)

// Mark is what the fleet remembers of a region or endpoint that was out: all
// that hold, failback, slow start and damping go by. Every instance keeps the
// marks in its world and writes them into its ballot; what counts is what
// more than half of the vantages that remember anything remember. So an
// instance that starts anew learns what it must know, and one that is wrong
// alone is corrected. (No leader, and nothing that a single instance could
// take out by remembering wrongly.)
type Mark struct {
	Out     time.Time `json:"out"`               // when it left the answers
	Fell    time.Time `json:"fell"`              // when the votes last took it out: Out, or later if it fell again while waiting
	Well    time.Time `json:"well,omitzero"`     // since when they have it up again; zero while they do not
	Back    time.Time `json:"back,omitzero"`     // when it came back into the answers; zero while it is out
	Penalty float64   `json:"penalty,omitempty"` // of Damping, as of Fell
	Word    bool      `json:"word,omitempty"`    // it was drained: out by an operator's word, and back by it
}

// isOut reports whether the votes keep, or kept until now, m's bearer out.
func (m *Mark) isOut() bool { return m != nil && m.Back.IsZero() && !m.Word }

// compare orders marks by how far along they are.
func (m *Mark) compare(o *Mark) int {
	for _, pair := range [][2]time.Time{{m.Fell, o.Fell}, {m.Back, o.Back}, {m.Well, o.Well}, {m.Out, o.Out}} {
		if c := pair[0].Compare(pair[1]); c != 0 {
			return c
		}
	}
	return cmp.Compare(m.Penalty, o.Penalty)
}

// Equal reports whether m and o say the same; either may be nil.
func (m *Mark) Equal(o *Mark) bool {
	if m == nil || o == nil {
		return m == o
	}
	return m.Word == o.Word && m.compare(o) == 0
}

// echo is how long an instance goes by what it alone remembers: until then
// the others' ballots must have come.
const echo = 10 * time.Second

// chronicle is what the fresh ballots remember.
type chronicle struct {
	speaking int // vantages with a memory
	enough   bool
	marks    map[string][]*Mark // by name, one for each vantage that has it; nil when none has any
	now      time.Time
}

// chronicleOf takes from each vantage the mark of its that is farthest along.
func chronicleOf(t *Topology, el electorate, now time.Time) *chronicle {
	c := &chronicle{now: now}
	for _, voters := range el {
		best, speaks := map[string]*Mark(nil), false
		for _, v := range voters {
			speaks = speaks || v.Marks != nil
			for name, m := range v.Marks {
				if best == nil {
					best = map[string]*Mark{}
				}
				if have := best[name]; have == nil || m.compare(have) > 0 {
					best[name] = &m
				}
			}
		}
		if speaks {
			c.speaking++
		}
		c.add(best)
	}
	c.enough = c.speaking > 0 && 2*c.speaking >= configuredVantages(t)
	return c
}

func (c *chronicle) add(best map[string]*Mark) {
	for name, m := range best {
		if c.marks == nil {
			c.marks = map[string][]*Mark{}
		}
		c.marks[name] = append(c.marks[name], m)
	}
}

// settle is what counts, given what this instance remembers itself, bounded:
// the mark that more than half of the speaking vantages have reached, or its
// own while too few speak, or while it is too new for the others to have
// answered.
func (c *chronicle) settle(name string, own *Mark) *Mark {
	if c == nil || !c.enough {
		return own
	}
	var agreed *Mark
	if claims := c.marks[name]; len(claims) > c.speaking/2 {
		slices.SortFunc(claims, func(a, b *Mark) int { return b.compare(a) })
		agreed = claims[c.speaking/2].bounded(c.now)
	}
	if own != nil && c.now.Before(own.latest().Add(echo)) && (agreed == nil || own.compare(agreed) > 0) {
		return own
	}
	return agreed
}

// latest is when something last happened to m's bearer.
func (m *Mark) latest() time.Time { return later(m.Fell, later(m.Well, m.Back)) }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// bounded keeps a clock that was ahead from stretching what follows. m may be
// nil.
func (m *Mark) bounded(now time.Time) *Mark {
	if m == nil || !m.Out.After(now) && !m.Fell.After(now) && !m.Well.After(now) && !m.Back.After(now) {
		return m
	}
	b := *m
	b.Out, b.Fell, b.Well, b.Back = notAfter(m.Out, now), notAfter(m.Fell, now), notAfter(m.Well, now), notAfter(m.Back, now)
	return &b
}

// MarksOf is what an instance in the world w writes into its ballot: nil
// while it has no state to remember from.
func MarksOf(w *World) map[string]Mark {
	if w == nil || !w.Ready {
		return nil
	}
	marks := map[string]Mark{}
	for i := range w.Regions {
		if m := w.Regions[i].Past; m != nil {
			marks[EntranceID(w.Topology.Regions[i].Name)] = *m
		}
	}
	for s := range w.Endpoints {
		for e := range w.Endpoints[s] {
			if m := w.Endpoints[s][e].Past; m != nil {
				marks[w.Topology.Services[s].Endpoints[e].ID] = *m
			}
		}
	}
	return marks
}
