package regions_test

import (
	"reflect"
	"slices"
	"sort"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/regionstest"
)

// The order in which ballots and overrides arrive means nothing.
func TestJudgeIgnoresOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := regionstest.Input(t)
		want := regions.Judge(in)
		picture := *in.Picture
		in.Ballots = rapid.Permutation(in.Ballots).Draw(t, "ballots")
		picture.Overrides = rapid.Permutation(picture.Overrides).Draw(t, "overrides")
		in.Picture = &picture
		if got := regions.Judge(in); !reflect.DeepEqual(got, want) {
			t.Fatalf("worlds differ by order:\n%+v\n%+v", got, want)
		}
	})
}

// An instance without history agrees with an old one, unless it is frozen:
// the ballots tell it what the others remember.
func TestNewcomerAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := regionstest.Input(t)
		old := in
		old.Ballots = regionstest.Ballots(t, in.Topology)
		old.Now = in.Now.Add(-time.Duration(rapid.IntRange(0, 500).Draw(t, "before")) * time.Second)
		in.Previous = regions.Judge(old)
		in.Ballots = slices.Clone(in.Ballots)
		for i := range in.Ballots {
			in.Ballots[i].Marks = regions.MarksOf(in.Previous)
		}
		veteran := regions.Judge(in)
		in.Previous = nil
		newcomer := regions.Judge(in)
		for _, vs := range append(newcomer.Endpoints, newcomer.Regions) {
			for _, v := range vs {
				if v.Frozen {
					return
				}
			}
		}
		if newcomer.Epoch != veteran.Epoch {
			t.Fatalf("newcomer in %s, veteran in %s", newcomer.Epoch, veteran.Epoch)
		}
	})
}

// I1, I2: an endpoint is down by a fresh majority of vantages and by nothing
// else, counted here another way; a frozen one is what it was.
func TestVerdictsAreByQuorum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := regionstest.Input(t)
		previous := regions.Judge(in)
		in.Previous, in.Ballots = previous, regionstest.Ballots(t, in.Topology)
		for i := range in.Ballots {
			in.Ballots[i].Blind = false
		}
		if mayBeBlind(in) {
			return
		}
		w := regions.Judge(in)
		for s, svc := range in.Topology.Services {
			for e, ep := range svc.Endpoints {
				checkQuorum(t, in.Topology, previous.Endpoints[s][e], w.Endpoints[s][e], in.Ballots, ep)
			}
		}
	})
}

// mayBeBlind reports whether any instance sees most of its targets down: what
// becomes of such is TestBlind...'s matter.
func mayBeBlind(in regions.Input) bool {
	for _, b := range in.Ballots {
		down := 0
		for _, v := range b.Votes {
			if v.State == healthcheck.Down {
				down++
			}
		}
		if len(b.Votes) >= 3 && 2*down > len(b.Votes) {
			return true
		}
	}
	return false
}

func checkQuorum(t *rapid.T, top *regions.Topology, before, v regions.Verdict, ballots []regions.Ballot, ep regions.Endpoint) {
	score := map[string]int{}
	votes := map[string]int{}
	configured, absent := 0, map[string]bool{}
	for _, r := range top.Regions {
		absent[r.Name] = r.NoVantage
		if !r.NoVantage {
			configured++
		}
	}
	for _, b := range ballots {
		if absent[b.Region] {
			continue
		}
		switch b.Votes[ep.ID].State {
		case healthcheck.Up:
			score[b.Region]++
			votes[b.Region]++
		case healthcheck.Down:
			score[b.Region]--
			votes[b.Region]++
		}
	}
	up, down, outside := 0, 0, 0
	for _, vote := range v.Vantages {
		if vote.State == healthcheck.Unknown && votes[vote.Region] > 0 {
			continue // blind; TestBlindVantageAbstains
		}
		switch {
		case votes[vote.Region] == 0:
		case score[vote.Region] < 0:
			down++
			if vote.Region != top.Regions[ep.Region].Name {
				outside++
			}
		default:
			up++
		}
	}
	want := healthcheck.Up
	switch fresh := up + down; {
	case fresh == 0 || fresh*2 < configured:
		want = before.State
	case down > up:
		want = healthcheck.Down
		if configured >= 3 && outside == 0 {
			t.Fatalf("%s is down without a vote from outside", ep.ID)
		}
	}
	if v.State != want {
		t.Fatalf("%s is %v, want %v: %d up, %d down of %d; %s", ep.ID, v.State, want, up, down, configured, v.Reason)
	}
}

// The brake's closed form agrees with a clock that ticks second by second.
func TestBrakeAgreesWithTheClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "regions")
		downs := rapid.SliceOfN(rapid.IntRange(-1, 40), n, n).Draw(t, "downs")
		in := downAt(n, downs)
		window := rapid.IntRange(1, 20).Draw(t, "window")
		in.Topology.Brake = regions.Brake{
			Share:  rapid.SampledFrom([]float64{0, 0.2, 0.34, 0.5, 0.75, 1}).Draw(t, "share"),
			Window: time.Duration(window) * time.Second,
		}
		at := rapid.IntRange(40, 120).Draw(t, "at")
		in.Now = noon.Add(time.Duration(at) * time.Second)
		w := regions.Judge(in)
		want := tick(downs, w.Brake.Allowed, window, at)
		var got []int
		for i, v := range w.Regions {
			if v.State == healthcheck.Down && !v.Held {
				got = append(got, i)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("out %v, the clock says %v", got, want)
		}
		if len(got) >= n {
			t.Fatal("no region stays")
		}
	})
}

// tick lives through every second up to at, and returns the regions out.
func tick(downs []int, allowed, window, at int) []int {
	var order, out []int
	for i, d := range downs {
		if d >= 0 {
			order = append(order, i)
		}
	}
	sort.SliceStable(order, func(a, b int) bool { return downs[order[a]] < downs[order[b]] })
	var went []int
	for now := 0; now <= at; now++ {
		for len(order) > 0 && downs[order[0]] <= now && len(out) < len(downs)-1 {
			recent := 0
			for _, second := range went {
				if second > now-window {
					recent++
				}
			}
			if recent >= allowed {
				break
			}
			out, went, order = append(out, order[0]), append(went, now), order[1:]
		}
	}
	slices.Sort(out)
	return out
}

// A world survives being remembered and restored: without the store it
// decides as before.
func TestRememberedWorldStands(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := regionstest.Input(t)
		w := regions.Judge(in)
		lost := regions.Judge(regions.Input{Topology: in.Topology, Picture: in.Picture, StoreLost: true, Previous: w, Now: in.Now})
		if lost.Epoch != w.Epoch {
			t.Fatalf("losing the store changed the epoch from %s to %s", w.Epoch, lost.Epoch)
		}
		recalled := regions.Recall(regions.Remember(w), in.Topology)
		restarted := regions.Judge(regions.Input{Topology: in.Topology, Previous: recalled, Now: in.Now})
		if restarted.Epoch != w.Epoch {
			t.Fatalf("a restart without the store changed the epoch from %s to %s", w.Epoch, restarted.Epoch)
		}
	})
}
