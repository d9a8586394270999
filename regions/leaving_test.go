package regions_test

import (
	"slices"
	"testing"
	"time"

	"github.com/steerdns/steerdns/regions"
)

// What was kept in the answers leaves when it is let go, not when the votes
// called it down: the brake's window and the hold count from then.
func TestLeaving(t *testing.T) {
	hold := recovering(regions.Recovery{Hold: 60 * time.Second})
	plain := func(*regions.Topology) {}
	for name, test := range map[string]struct {
		regions int
		change  func(*regions.Topology)
		script  string
	}{
		"the store was away": {3, plain, `
			10 store lost
			60 vote r1=d
			700 vote r2=d
			899 is r1=up r2=up
			900 store back
			900 is r1=down r2=held
			1499 is r1=down r2=held
			1500 is r1=down r2=down`},
		"verdicts were frozen": {3, plain, `
			50 silent r1-a r2-a
			60 vote r1=d
			700 vote r2=d
			900 speaks r1-a r2-a
			900 is r1=down r2=held
			1499 is r2=held
			1500 is r2=down`},
		"it was pinned": {3, plain, `
			1 pin r1 1200
			1 vote r1=d
			1200 is r1=pinned
			1201 is r1=down
			1202 vote r2=d
			1202 is r1=down r2=held
			1800 is r2=held
			1801 is r2=down`},
		"both were drained": {3, plain, `
			10 drain r1 1000
			10 vote r1=d
			20 drain r2 990
			700 vote r2=d
			1009 is r1=drained r2=drained
			1010 is r1=down r2=held`},
		"the hold after a pin": {3, hold, `
			10 vote r0=d
			20 pin r0 300
			320 is r0=down
			323 vote r0=u
			323 is r0=waiting
			379 is r0=waiting
			380 is r0=up`},
		"the hold after the electorate shrank": {2, hold, `
			10 vote r1=d
			10 alone r1-a r1=u
			300 is r1=up
			300 silent r1-a
			300 is r1=down
			310 speaks r1-a
			310 is r1=waiting
			359 is r1=waiting
			360 is r1=up`},
	} {
		t.Run(name, func(t *testing.T) {
			newCouncil(t, test.regions, 1, test.change).play(test.script)
		})
	}
}

// A threshold that is raised makes regions leave one by one, too.
func TestMinUpRaised(t *testing.T) {
	top := fleetOf(3, 2)
	judge := func(top *regions.Topology, previous *regions.World, at time.Duration) *regions.World {
		var ballots []regions.Ballot
		for _, m := range []string{"r0-a", "r1-a", "r2-a"} {
			b := says(m, "u u d u d u", top, noon)
			b.Marks = regions.MarksOf(previous)
			ballots = append(ballots, b)
		}
		return regions.Judge(regions.Input{Topology: top, Ballots: ballots, Previous: previous, Now: noon.Add(at), Picture: &regions.Picture{Cluster: 1, Revision: 1, Ballots: ballots}})
	}
	before := judge(top, nil, time.Hour)
	raised := *top
	raised.Regions = slices.Clone(top.Regions)
	for i := range raised.Regions {
		raised.Regions[i].MinUp = 0.9
	}
	after := judge(&raised, before, time.Hour+time.Second)
	if len(before.Brake.Out) != 0 || !slices.Equal(after.Brake.Out, []string{"r1"}) || !slices.Equal(after.Brake.Held, []string{"r2"}) {
		t.Errorf("before %+v, after %+v", before.Brake, after.Brake)
	}
}

// A clock that was an hour ahead while something came back keeps nothing out
// once it is right.
func TestClockThatWasAhead(t *testing.T) {
	for name, recovery := range map[string]regions.Recovery{
		"after":      {Failback: regions.FailbackAfter, After: 30 * time.Second},
		"slow start": {SlowStart: 30 * time.Second},
		"hold":       {Hold: 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			newCouncil(t, 3, 1, recovering(recovery)).play(`
				5 ahead r0-a 3600
				10 vote r2=d
				20 vote r2=u
				25 ahead r0-a 0
				120 is r2=up`)
		})
	}
}

// What an operator has drained or pinned does not speak against its region.
func TestShareLeavesOutWhatOperatorsRule(t *testing.T) {
	down := []string{id(0, 0), id(0, 1), id(0, 2)}
	for name, test := range map[string]struct {
		overrides []regions.Override
		want      string
	}{
		"nothing":         {nil, "down"},
		"endpoints":       {overridesOn(regions.OverrideEndpoint, regions.ActionDrain, down...), "up"},
		"pins":            {overridesOn(regions.OverrideEndpoint, regions.ActionPin, down...), "up"},
		"pin of region":   {overridesOn(regions.OverrideRegion, regions.ActionPin, "r0"), "down"},
		"service":         {overridesOn(regions.OverrideService, regions.ActionDrain, service), "up"},
		"pin of service":  {overridesOn(regions.OverrideService, regions.ActionPin, service), "up"},
		"drain of region": {overridesOn(regions.OverrideRegion, regions.ActionDrain, "r0"), "down"},
	} {
		in := input(fleetOf(3, 4), "r0-a: d d d u u u u u u u u u", "r1-a: d d d u u u u u u u u u", "r2-a: d d d u u u u u u u u u")
		in.Picture.Overrides = test.overrides
		if v := regions.Judge(in).Regions[0]; v.State.String() != test.want {
			t.Errorf("%s: %s, want %s: %s", name, v.State, test.want, v.Reason)
		}
	}
}

func overridesOn(kind regions.OverrideKind, action regions.Action, names ...string) (all []regions.Override) {
	for _, name := range names {
		o := drain(kind, name, noon.Add(time.Hour))
		o.Action = action
		all = append(all, o)
	}
	return all
}

// Regions that only probe are none that could stay, nor part of the share.
func TestBrakeCountsRegionsThatServe(t *testing.T) {
	for _, regs := range []int{2, 3, 4, 6} {
		top := fleetOf(regs, 1)
		top.Services[0].Endpoints = top.Services[0].Endpoints[:2] // r0 and r1
		var lines []string
		for _, r := range top.Regions {
			lines = append(lines, r.Name+"-a: d d")
		}
		in := input(top, lines...)
		in.Now = noon.Add(time.Hour)
		if w := regions.Judge(in); !slices.Equal(w.Brake.Out, []string{"r0"}) || !slices.Equal(w.Brake.Held, []string{"r1"}) || w.Brake.Allowed != 1 {
			t.Errorf("%d regions, of which two serve: %+v", regs, w.Brake)
		}
	}
}

// Instances that let different regions go, each apart from the other, agree
// when they hear one another, although neither's memory has a majority.
func TestLeaversAgree(t *testing.T) {
	plain := func(*regions.Topology) {}
	one, other := newCouncil(t, 2, 1, plain), newCouncil(t, 2, 1, plain)
	one.play("10 vote r0=d\n20 vote r1=d\n20 is r0=down r1=held")
	other.play("10 vote r1=d\n20 vote r0=d\n20 is r0=held r1=down")
	one.worlds["r1-a"] = other.worlds["r1-a"]
	one.play("60 is r0=down r1=held")
}

// A region whose endpoints are all drained is none that stays, and a drain
// turns no region that is up.
func TestDrainsTakeNoRegionAlong(t *testing.T) {
	in := input(fleetOf(2, 2), "r0-a: d d d d", "r1-a: d d d d")
	in.Now = noon.Add(50 * time.Minute)
	in.Picture.Overrides = overridesOn(regions.OverrideEndpoint, regions.ActionDrain, id(0, 0), id(0, 1))
	if w := regions.Judge(in); w.Regions[0].State.String() != "up" || !slices.Equal(w.Brake.Held, []string{"r1"}) {
		t.Errorf("the last region that serves: %+v", w.Brake)
	}
	in = input(fleetOf(3, 4), "r0-a: d d u u u u u u u u u u", "r1-a: d d u u u u u u u u u u", "r2-a: d d u u u u u u u u u u")
	in.Picture.Overrides = overridesOn(regions.OverrideEndpoint, regions.ActionDrain, id(0, 2))
	if v := regions.Judge(in).Regions[0]; v.State.String() != "up" {
		t.Errorf("half is down, and one of the others is drained: %s", v.Reason)
	}
}

// As long as drains or pins cover what would take a region out, that is
// suspect: they may end at any time.
func TestRegionThatOverridesCoverIsSuspect(t *testing.T) {
	for _, action := range []regions.Action{regions.ActionDrain, regions.ActionPin} {
		in := input(fleetOf(3, 4), "r0-a: d d d u u u u u u u u u", "r1-a: d d d u u u u u u u u u", "r2-a: d d d u u u u u u u u u")
		in.Picture.Overrides = overridesOn(regions.OverrideEndpoint, action, id(0, 0), id(0, 1))
		if v := regions.Judge(in).Regions[0]; v.State.String() != "up" || !v.Suspect {
			t.Errorf("%q: suspect %v: %s", action, v.Suspect, v.Reason)
		}
	}
}
