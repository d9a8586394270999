package regions_test

import (
	"testing"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// Without the store, what came back by the clock is no longer said to be out.
func TestBrakeForgetsWhoReturned(t *testing.T) {
	c := newCouncil(t, 3, 1, recovering(regions.Recovery{Hold: 60 * time.Second}))
	c.play(`
		10 vote r0=d
		20 vote r0=u
		30 store lost
		69 is r0=waiting`)
	if out := c.worlds["r1-a"].Brake.Out; len(out) != 1 {
		t.Errorf("while it waits: out %q", out)
	}
	c.play("80 is r0=up")
	if out := c.worlds["r1-a"].Brake.Out; len(out) != 0 {
		t.Errorf("when it is back: out %q", out)
	}
}

// Who drained a thing, and why, is in answers' reasons, and so in the epoch.
func TestEpochTellsWhoAndWhy(t *testing.T) {
	epoch := func(owner, reason string) string {
		in := input(fleetOf(3, 1), "r0-a: u u u", "r1-a: u u u", "r2-a: u u u")
		o := drain(regions.OverrideRegion, "r0", noon.Add(time.Hour))
		o.Owner, o.Reason = owner, reason
		in.Picture.Overrides = []regions.Override{o}
		return regions.Judge(in).Epoch
	}
	if first := epoch("ada", "upgrade"); first != epoch("ada", "upgrade") || first == epoch("bob", "upgrade") || first == epoch("ada", "repair") {
		t.Error("the epoch does not tell worlds apart whose decisions read differently")
	}
}

// What a needed service made doubtful is not so any more when that is over,
// without the store as well.
func TestNeedsAreDoubtedOnlyMeanwhile(t *testing.T) {
	top := needy()
	var ballots []regions.Ballot
	for _, r := range []string{"r0", "r1"} {
		b := regions.Ballot{Instance: r + "-a", Region: r, Boot: "x", Seq: 1, Beat: time.Second, Votes: map[string]healthcheck.Vote{}}
		for s := range top.Services {
			for _, e := range top.Services[s].Endpoints {
				b.Votes[e.ID] = healthcheck.Vote{State: healthcheck.Up, Since: noon}
			}
		}
		ballots = append(ballots, b)
	}
	p := &regions.Picture{Cluster: 1, Revision: 1, Ballots: ballots}
	for _, e := range top.Services[1].Endpoints {
		if e.Region == 0 {
			p.Overrides = append(p.Overrides, drain(regions.OverrideEndpoint, e.ID, noon.Add(time.Minute)))
		}
	}
	in := regions.Input{Topology: top, Ballots: ballots, Now: noon.Add(time.Second), Picture: p}
	w := regions.Judge(in)
	if v := w.Endpoints[0][0]; v.Lacks == "" || !v.Shaky {
		t.Errorf("while it lacks: %+v", v)
	}
	for _, at := range []time.Duration{20 * time.Second, 2 * time.Minute} {
		in.Previous, in.StoreLost, in.Now = w, true, noon.Add(at)
		w = regions.Judge(in)
	}
	if v := w.Endpoints[0][0]; v.Lacks != "" || v.Shaky || v.Suspect {
		t.Errorf("when the drain is over: %+v", v)
	}
}

// A service has no verdict: it is steered, or drained.
func TestServicesAreSteeredOrDrained(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.start(allUp...)
		b.moves = nil
		p := b.picture(20, allUp...)
		p.Overrides = []regions.Override{drain(regions.OverrideService, service, time.Now().Add(10*time.Second))}
		b.SetPicture(p)
		pause(20 * time.Second)
		want := []string{"service " + service + " steered->drained", "service " + service + " drained->steered"}
		if len(b.moves) < 2 || b.moves[0] != want[0] || b.moves[len(b.moves)-1] != want[1] {
			t.Errorf("moves %q, want %q", b.moves, want)
		}
	})
}
