package regions_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/steerdns/steerdns/regions"
)

// Time alone changes the epoch where it changes answers.
func TestEpochFollowsTheClock(t *testing.T) {
	c := newCouncil(t, 3, 1, recovering(regions.Recovery{Hold: 60 * time.Second, SlowStart: 70 * time.Second}))
	c.play("10 vote r0=d\n20 vote r0=u")
	last := c.worlds["r1-a"].Epoch
	for _, moment := range []struct {
		at   int
		same bool
	}{{69, true}, {70, false}, {79, true}, {80, false}, {130, false}, {139, true}, {140, false}, {500, true}} {
		c.play(strconv.Itoa(moment.at) + " is")
		if now := c.worlds["r1-a"].Epoch; (now == last) != moment.same {
			t.Errorf("at %d s the epoch is %s, before it was %s", moment.at, now, last)
		}
		last = c.worlds["r1-a"].Epoch
	}
}

func TestComingBack(t *testing.T) {
	hold := regions.Recovery{Hold: 60 * time.Second}
	slow := regions.Recovery{SlowStart: 70 * time.Second}
	manual := regions.Recovery{Failback: regions.FailbackManual, Hold: 10 * time.Second}
	after := regions.Recovery{Failback: regions.FailbackAfter, After: 30 * time.Second, Hold: 10 * time.Second}
	damped := func(t *regions.Topology) {
		t.Damping = regions.Damping{HalfLife: 60 * time.Second, Suppress: 2.5, Reuse: 1, Longest: 10 * time.Minute}
	}
	tests := map[string]struct {
		regions, instances int
		change             func(*regions.Topology)
		script             string
	}{
		"at once": {3, 1, recovering(regions.Recovery{}), `
			10 vote r0=d
			10 is r0=down
			11 vote r0=u
			11 is r0=up`},
		"a hold": {3, 2, recovering(hold), `
			10 vote r0=d
			10 is r0=down r1=up
			10 end r0=down
			15 vote r0=u
			15 is r0=waiting
			15 end r0=waiting
			69 is r0=waiting
			70 is r0=up
			70 end r0=up`},
		"a hold begins anew when it falls while waiting": {3, 1, recovering(hold), `
			10 vote r0=d
			20 vote r0=u
			40 vote r0=d
			40 is r0=down
			50 vote r0=u
			99 is r0=waiting
			100 is r0=up`},
		"a hold that is over before it is up costs nothing": {3, 1, recovering(hold), `
			10 vote r0=d
			200 vote r0=u
			200 is r0=up`},
		"a hold outlives restarts": {3, 1, recovering(hold), `
			10 vote r0=d
			20 vote r0=u
			30 restart r0-a
			31 restart r1-a
			32 restart r2-a
			33 is r0=waiting
			70 is r0=up`},
		"a hold outlives the store": {3, 1, recovering(hold), `
			10 vote r0=d
			20 vote r0=u
			30 store lost
			69 is r0=waiting
			70 is r0=up`},
		"after a while": {3, 1, recovering(after), `
			10 vote r0=d
			100 vote r0=u
			129 is r0=waiting
			130 is r0=up`},
		"after a while without a break": {3, 1, recovering(after), `
			10 vote r0=d
			100 vote r0=u
			120 vote r0=d
			125 vote r0=u
			154 is r0=waiting
			155 is r0=up`},
		"by an operator": {3, 2, recovering(manual), `
			10 vote r0=d
			30 vote r0=u
			3000 is r0=waiting
			3000 failback r0 10
			3000 is r0=up
			3011 is r0=up
			3011 undo r0
			3012 is r0=up
			4000 vote r0=d
			4020 vote r0=u
			4020 is r0=waiting`},
		"by an operator beforehand": {3, 1, recovering(manual), `
			10 vote r0=d
			12 failback r0 100
			13 vote r0=u
			13 is r0=waiting
			20 is r0=up`},
		"an old word does not count": {3, 1, recovering(manual), `
			5 failback r0 1000
			10 vote r0=d
			30 vote r0=u
			30 is r0=waiting`},
		"a latch outlives restarts of two alone": {2, 1, recovering(manual), `
			10 vote r0=d
			30 vote r0=u
			40 restart r0-a
			41 is r0=waiting
			42 restart r1-a
			43 is r0=waiting`},
		"a slow start": {3, 2, recovering(slow), `
			10 vote r0=d
			10 is r0=down
			20 vote r0=u
			20 is r0=ramping1
			29 is r0=ramping1
			30 is r0=ramping2
			40 is r0=ramping3
			50 is r0=ramping4
			60 is r0=ramping5
			70 is r0=ramping6
			80 is r0=ramping7
			89 is r0=ramping7
			90 is r0=up`},
		"a slow start outlives restarts and the store": {3, 1, recovering(slow), `
			10 vote r0=d
			20 vote r0=u
			35 restart r0-a
			36 restart r1-a
			37 is r0=ramping2
			38 store lost
			55 is r0=ramping4
			90 is r0=up`},
		"a slow start after a drain": {3, 1, recovering(slow), `
			10 drain r0 50
			20 is r0=drained
			60 is r0=ramping1
			75 is r0=ramping2
			130 is r0=up`},
		"a drain needs no word to end": {3, 1, recovering(manual), `
			10 drain r0 50
			60 is r0=up`},
		"damping": {3, 2, damped, `
			10 vote r0=d
			12 vote r0=u
			12 is r0=up
			20 vote r0=d
			22 vote r0=u
			22 is r0=up
			30 vote r0=d
			32 vote r0=u
			32 is r0=waiting
			32 end r0=waiting
			110 is r0=waiting
			130 is r0=up
			130 end r0=up
			900 vote r0=d
			910 vote r0=u
			910 is r0=up`},
		"what waits is out for the brake": {3, 1, recovering(hold), `
			10 vote r0=d
			20 vote r0=u
			30 vote r1=d
			30 is r0=waiting r1=held
			69 is r0=waiting r1=held
			70 is r0=up r1=down`},
		"what the brake held has nothing to wait for": {3, 1, recovering(hold), `
			10 vote r0=d
			20 vote r1=d
			20 is r0=down r1=held
			25 vote r1=u
			25 is r0=down r1=up
			25 end r1=up`},
		"the last one that is not drained waits for nothing": {3, 1, recovering(hold), `
			10 vote r0=d
			20 vote r0=u
			30 drain r1 100
			30 is r0=waiting
			31 drain r2 100
			31 is r0=up`},
		"a held one leaves when the window has passed, and then waits": {3, 1, recovering(hold), `
			10 vote r0=d
			20 vote r1=d
			609 is r0=down r1=held
			610 is r0=down r1=down
			620 vote r1=u
			669 is r1=waiting
			670 is r1=up
			680 vote r0=u
			740 is r0=up r1=up`},
		"what is down when its drain ends leaves then": {3, 1, recovering(hold), `
			10 vote r0=d
			20 drain r0 100
			20 is r0=drained
			120 is r0=down
			125 vote r1=d
			700 is r0=down r1=held
			719 is r1=held
			720 is r1=down`},
		"a pin": {3, 1, recovering(hold), `
			10 vote r0=d
			20 pin r0 30
			20 is r0=pinned
			20 end r0=pinned
			30 vote r0=u
			51 is r0=up`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			newCouncil(t, tt.regions, tt.instances, tt.change).play(tt.script)
		})
	}
}
