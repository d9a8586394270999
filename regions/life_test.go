package regions_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/regionstest"
)

// life is a fleet whose instances see one another's ballots, and to which
// anything happens.
type life struct {
	top       *regions.Topology
	now       time.Time
	votes     map[string]map[string]healthcheck.Vote // by instance, target
	worlds    map[string]*regions.World
	overrides []regions.Override
	before    map[string]*regions.World // as they stood before the last step
}

func newLife(t *rapid.T) *life {
	l := &life{top: regionstest.Topology(t), now: regionstest.Now(), votes: map[string]map[string]healthcheck.Vote{}, worlds: map[string]*regions.World{}}
	for _, r := range l.top.Regions {
		for i := range rapid.IntRange(1, 2).Draw(t, "instances") {
			votes := map[string]healthcheck.Vote{}
			for _, id := range regionstest.Targets(l.top) {
				votes[id] = healthcheck.Vote{State: healthcheck.Up, Since: l.now, Reason: "200"}
			}
			l.votes[fmt.Sprintf("%s-%d", r.Name, i)] = votes
		}
	}
	l.settle()
	return l
}

func (l *life) input() regions.Input {
	in := regions.Input{Topology: l.top, Now: l.now}
	for _, r := range l.top.Regions {
		for i := range 2 {
			name := fmt.Sprintf("%s-%d", r.Name, i)
			if votes := l.votes[name]; votes != nil {
				in.Ballots = append(in.Ballots, regions.Ballot{Instance: name, Region: r.Name, Votes: votes, Marks: regions.MarksOf(l.worlds[name])})
			}
		}
	}
	in.Picture = &regions.Picture{Ballots: in.Ballots, Overrides: l.overrides}
	return in
}

// settle lets the ballots get around.
func (l *life) settle() {
	for range 3 {
		in := l.input()
		for i := range in.Ballots {
			in.Own, in.Previous = &in.Ballots[i], l.worlds[in.Ballots[i].Instance]
			l.worlds[in.Ballots[i].Instance] = regions.Judge(in)
		}
	}
}

func (l *life) names() []string {
	var names []string
	for _, b := range l.input().Ballots {
		names = append(names, b.Instance)
	}
	return names
}

func (l *life) vantages() int {
	n := 0
	for _, r := range l.top.Regions {
		if !r.NoVantage {
			n++
		}
	}
	return n
}

// step lets one thing happen, after some time.
func (l *life) step(t *rapid.T) {
	l.before = map[string]*regions.World{}
	for name, w := range l.worlds {
		l.before[name] = w
	}
	l.now = l.now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "seconds")) * time.Second)
	switch rapid.IntRange(0, 9).Draw(t, "what") {
	case 0:
		name := rapid.SampledFrom(l.names()).Draw(t, "restart")
		if l.vantages() > 1 { // or nobody would remember
			delete(l.worlds, name)
			delete(l.before, name)
		}
	case 1:
		l.overrides = regionstest.Overrides(t, l.top)
		for i := range l.overrides {
			length := l.overrides[i].Expires.Sub(l.overrides[i].Created)
			l.overrides[i].Created, l.overrides[i].Expires = l.now, l.now.Add(length)
		}
	case 2: // only time passes
	default:
		l.flip(t)
	}
	l.settle()
}

// flip lets some or all instances see one target, or all of a region, anew.
func (l *life) flip(t *rapid.T) {
	state := healthcheck.State(rapid.IntRange(1, 2).Draw(t, "state"))
	targets := regionstest.Targets(l.top)
	if len(targets) == 0 {
		return
	}
	if rapid.Bool().Draw(t, "one") {
		targets = []string{rapid.SampledFrom(targets).Draw(t, "target")}
	}
	all := rapid.Bool().Draw(t, "all")
	for _, name := range l.names() {
		if !all && rapid.Bool().Draw(t, "not this one") {
			continue
		}
		for _, id := range targets {
			if l.votes[name][id].State != state {
				l.votes[name][id] = healthcheck.Vote{State: state, Since: l.now, Reason: "said"}
			}
		}
	}
}

// differences tells in which verdicts the instances disagree.
func (l *life) differences() string {
	text, names := "", l.names()
	first := l.worlds[names[0]]
	for _, name := range names[1:] {
		w := l.worlds[name]
		for i := range w.Regions {
			if a, b := &first.Regions[i], &w.Regions[i]; a.Label() != b.Label() || a.Ramp != b.Ramp {
				text += fmt.Sprintf("\n%s: %s says %s %+v, %s says %s %+v", l.now, names[0], a.Label(), a.Past, name, b.Label(), b.Past)
			}
		}
		for s := range w.Endpoints {
			for e := range w.Endpoints[s] {
				if a, b := &first.Endpoints[s][e], &w.Endpoints[s][e]; a.Label() != b.Label() {
					text += fmt.Sprintf("\n%s: %s says %s %+v, %s says %s %+v", l.now, names[0], a.Label(), a.Past, name, b.Label(), b.Past)
				}
			}
		}
	}
	return text
}

func absent(v *regions.Verdict) bool {
	return v.Drained == nil && v.Pinned == nil && (v.State == healthcheck.Down && !v.Held || v.Waiting)
}

// check holds what a fleet must always keep to, as one instance sees it.
func (l *life) check(t *rapid.T, name string) {
	was, is := l.before[name], l.worlds[name]
	if was == nil {
		return
	}
	for i := range is.Regions {
		r, a, b := &l.top.Regions[i], &was.Regions[i], &is.Regions[i]
		if b.Waiting && (b.Drained != nil || b.Pinned != nil || b.State == healthcheck.Down) || b.Ramp > 0 && (b.Held || b.Waiting || b.State == healthcheck.Down) {
			t.Fatalf("%s: %s is too many things: %+v", name, r.Name, b)
		}
		if a.Ramp > 0 && b.Ramp > 0 && a.Past.Back.Equal(b.Past.Back) && b.Ramp < a.Ramp {
			t.Fatalf("%s: %s serves %d steps after %d", name, r.Name, b.Ramp, a.Ramp)
		}
		if a.Waiting && a.Until.IsZero() && b.Label() == "up" && !l.letBack(r.Name, a.Past.Out) && !l.disturbed() {
			t.Fatalf("%s: %s came back without a word: %s", name, r.Name, b.Why())
		}
	}
	for s, svc := range l.top.Services {
		for e, ep := range svc.Endpoints {
			a, b := &was.Endpoints[s][e], &is.Endpoints[s][e]
			hold := l.top.Regions[ep.Region].Recovery.Hold
			if absent(a) && a.Past != nil && !absent(b) && !b.Held && b.Pinned == nil && b.Drained == nil && l.now.Before(a.Past.Fell.Add(hold)) {
				t.Fatalf("%s: %s is back %s after its fall, the hold is %s", name, ep.ID, l.now.Sub(a.Past.Fell), hold)
			}
		}
	}
	if n := len(is.Brake.Out); n > 0 && n >= len(l.top.Regions) {
		t.Fatalf("%s: all regions are out: %v", name, is.Brake.Out)
	}
}

func (l *life) letBack(region string, out time.Time) bool {
	return slices.ContainsFunc(l.overrides, func(o regions.Override) bool {
		return o.Kind == regions.OverrideFailback && o.Name == region && !o.Created.Before(out)
	})
}

// disturbed reports whether drains or pins may have changed what the brake
// allows: it then lets what waits come back early.
func (l *life) disturbed() bool { return len(l.overrides) > 0 }

// Whatever happens, all instances agree once the news got around, and keep
// to hold, failback, slow start and brake.
func TestLife(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLife(t)
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			l.step(t)
			epochs := map[string]string{}
			frozen := false
			for _, name := range l.names() {
				w := l.worlds[name]
				epochs[w.Epoch] = name
				for _, vs := range append(slices.Clone(w.Endpoints), w.Regions) {
					frozen = frozen || slices.ContainsFunc(vs, func(v regions.Verdict) bool { return v.Frozen })
				}
				l.check(t, name)
			}
			if !frozen && len(epochs) > 1 {
				t.Fatalf("instances disagree: %v%s", epochs, l.differences())
			}
		}
	})
}
