package regions_test

import (
	"strings"
	"testing"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// TestEndpointVerdicts holds rules 1 and 2 for the first endpoint of a fleet
// with one endpoint a region.
func TestEndpointVerdicts(t *testing.T) {
	tests := []struct {
		name    string
		regions int
		before  string // the verdict before: "", "up" or "down"
		votes   []string
		want    string // state, then flags
	}{
		{"all up", 3, "", []string{"r0-a:u u u", "r1-a:u u u", "r2-a:u u u"}, "up"},
		{"majority down", 3, "", []string{"r0-a:u u u", "r1-a:d u u", "r2-a:d u u"}, "down suspect"},
		{"all down", 3, "", []string{"r0-a:d u u", "r1-a:d u u", "r2-a:d u u"}, "down"},
		{"minority down", 3, "", []string{"r0-a:d u u", "r1-a:u u u", "r2-a:u u u"}, "up suspect"},
		{"two fresh of three, both down", 3, "up", []string{"r1-a:d u u", "r2-a:d u u"}, "down"},
		{"two fresh of three, split, is up", 3, "down", []string{"r1-a:d u u", "r2-a:u u u"}, "up suspect"},
		{"one fresh of three freezes up", 3, "up", []string{"r0-a:d u u"}, "up frozen demoted suspect"},
		{"one fresh of three freezes down", 3, "down", []string{"r0-a:u u u"}, "down frozen suspect"},
		{"nobody freezes", 3, "up", nil, "up frozen"},
		{"nobody, never a verdict", 3, "", nil, "unknown frozen"},
		{"unknown votes abstain", 3, "up", []string{"r0-a:- u u", "r1-a:- u u", "r2-a:d u u"}, "up frozen demoted suspect"},
		{"ballots without a vote on it abstain", 3, "", []string{"r0-a:", "r1-a:", "r2-a:"}, "unknown frozen"},
		{"half fresh of four are enough", 4, "", []string{"r1-a:d u u u", "r2-a:d u u u"}, "down"},
		{"instances of one region count once", 3, "", []string{"r0-a:d u u", "r0-b:d u u", "r0-c:d u u", "r1-a:u u u", "r2-a:u u u"}, "up suspect"},
		{"tie inside a vantage is up and suspect", 1, "", []string{"r0-a:d", "r0-b:u"}, "up suspect"},
		{"majority inside a vantage", 1, "", []string{"r0-a:d", "r0-b:d", "r0-c:u"}, "down held"},
		{"minority inside a vantage", 1, "", []string{"r0-a:d", "r0-b:u", "r0-c:u"}, "up"},
		{"suspect vote", 1, "", []string{"r0-a:u?"}, "up suspect"},
		{"two regions, one fresh, down", 2, "", []string{"r1-a:d u"}, "down"},
		{"two regions split is up", 2, "", []string{"r0-a:d u", "r1-a:u u"}, "up suspect"},
		{"unknown regions do not vote", 3, "", []string{"rx-a:d u u", "ry-a:d u u", "rz-a:d u u"}, "unknown frozen"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			top := fleetOf(tt.regions, 1)
			in := input(top, tt.votes...)
			if tt.before != "" {
				in.Previous = judgedBefore(top, tt.before)
			}
			v := regions.Judge(in).Endpoints[0][0]
			if got := describe(v); got != tt.want {
				t.Errorf("verdict %q, want %q (%s)", got, tt.want, v.Reason)
			}
			if !strings.HasPrefix(v.Reason, v.State.String()) {
				t.Errorf("reason %q does not begin with the state", v.Reason)
			}
		})
	}
}

// judgedBefore is a world in which all vantages say the first endpoint is in
// that state.
func judgedBefore(top *regions.Topology, state string) *regions.World {
	lines := make([]string, len(top.Regions))
	for r := range top.Regions {
		lines[r] = top.Regions[r].Name + "-a:" + state[:1] + strings.Repeat(" u", len(top.Services[0].Endpoints)-1)
	}
	return regions.Judge(input(top, lines...))
}

func describe(v regions.Verdict) string {
	words := []string{v.State.String()}
	for _, f := range []struct {
		on   bool
		word string
	}{{v.Frozen, "frozen"}, {v.Held, "held"}, {v.Demoted, "demoted"}, {v.Suspect, "suspect"}, {v.Drained != nil, "drained"}} {
		if f.on {
			words = append(words, f.word)
		}
	}
	return strings.Join(words, " ")
}

// Rule 3: a vantage that alone sees most of its targets down is blind.
func TestBlindVantageAbstains(t *testing.T) {
	tests := []struct {
		name  string
		votes []string
		blind bool
	}{
		{"sees all down that two others see up", []string{"r0-a:d d d d", "r1-a:u u u u", "r2-a:u u u u", "r3-a:u u u u"}, true},
		{"sees half down", []string{"r0-a:d d u u", "r1-a:u u u u", "r2-a:u u u u", "r3-a:u u u u"}, false},
		{"others see them down too", []string{"r0-a:d d d d", "r1-a:d d d d", "r2-a:u u u u", "r3-a:d d d d"}, false},
		{"only one witness", []string{"r0-a:d d d d", "r1-a:u u u u"}, false},
		{"too few targets", []string{"r0-a:d d - -", "r1-a:u u u u", "r2-a:u u u u", "r3-a:u u u u"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := regions.Judge(input(fleetOf(4, 1), tt.votes...)).Endpoints[0][0]
			abstains := v.Vantages[0].State == healthcheck.Unknown && strings.Contains(v.Vantages[0].Reason, "blind")
			if abstains != tt.blind {
				t.Errorf("vantage r0: %+v, want blind %v", v.Vantages[0], tt.blind)
			}
		})
	}
}

// A blind vantage must tip no scale: with it, r0 would be voted down by two
// of four against one.
func TestBlindVantageTipsNothing(t *testing.T) {
	votes := []string{"r0-a:d d d d", "r1-a:d u u u", "r2-a:u u u u"}
	w := regions.Judge(input(fleetOf(4, 1), votes...))
	if v := w.Endpoints[0][1]; describe(v) != "up" {
		t.Errorf("endpoint seen down by the blind alone: %s (%s)", describe(v), v.Reason)
	}
}

// What an instance finds itself counts when the store has it, like what others
// find. Where too few vote it ranks last what it calls down.
func TestOwnVotesOnlyDemoteWhatIsFrozen(t *testing.T) {
	top := fleetOf(3, 1)
	own := says("r0-a", "d u u", top, noon)
	in := input(top, "r0-a:u u u", "r1-a:d u u", "r2-a:u u u")
	in.Own = &own
	if got := describe(regions.Judge(in).Endpoints[0][0]); got != "up suspect" {
		t.Errorf("two of three by its own word: %s", got)
	}
	in.Previous = regions.Judge(in)
	in.Ballots = in.Ballots[:1]
	w := regions.Judge(in)
	if got := describe(w.Endpoints[0][0]); got != "up frozen demoted" || !strings.Contains(w.Endpoints[0][0].Reason, "own probes") {
		t.Errorf("one of three: %s (%s)", got, w.Endpoints[0][0].Reason)
	}
	if got := describe(w.Endpoints[0][1]); got != "up frozen" {
		t.Errorf("what it sees up: %s", got)
	}
}

// Rule 4, with min-up at one half.
func TestRegionVerdicts(t *testing.T) {
	tests := []struct {
		name  string
		minUp float64
		votes string
		want  string
	}{
		{"all up", 0.5, "u u u u", "up"},
		{"half up is enough", 0.5, "d d u u", "up"},
		{"less than half", 0.5, "d d d u", "down"},
		{"unknown is not down", 0.5, "d d - -", "up frozen"},
		{"nothing known", 0.5, "- - - -", "unknown frozen"},
		{"zero never goes down", 0, "d d d d", "up"},
		{"one tolerates none", 1, "d u u u", "down"},
		{"rounding: 1 of 10 is not under 0.1", 0.1, "d d d d d d d d d u", "up"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := len(strings.Fields(tt.votes))
			top := fleetOf(2, n)
			top.Regions[0].MinUp = tt.minUp
			both := tt.votes + strings.Repeat(" u", n)
			v := regions.Judge(input(top, "r0-a:"+both, "r1-a:"+both)).Regions[0]
			if got := describe(v); got != tt.want {
				t.Errorf("region %q, want %q (%s)", got, tt.want, v.Reason)
			}
		})
	}
	if v := regions.Judge(input(fleetOf(2, 0))).Regions[0]; describe(v) != "up" {
		t.Errorf("a region without endpoints is %s", describe(v))
	}
}

// The moment of a down verdict comes from the votes: the one that completed
// the majority, in the vantage and then in the fleet.
func TestDownSinceComesFromVotes(t *testing.T) {
	top := fleetOf(3, 1)
	in := input(top)
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	in.Ballots = []regions.Ballot{
		says("r0-a", "d u u", top, at(1)), says("r0-b", "d u u", top, at(9)), says("r0-c", "d u u", top, at(5)),
		says("r1-a", "d u u", top, at(7)), says("r2-a", "d u u", top, at(20)),
	}
	in.Now = at(60)
	for _, previous := range []*regions.World{nil, judgedBefore(top, "down")} {
		in.Previous = previous
		w := regions.Judge(in)
		if got := w.Endpoints[0][0].Since; !got.Equal(at(7)) {
			t.Errorf("endpoint down since %v, want %v", got, at(7))
		}
		if got := w.Regions[0].Since; !got.Equal(at(7)) {
			t.Errorf("region down since %v, want %v", got, at(7))
		}
	}
	in.Now = at(3)
	if got := regions.Judge(in).Endpoints[0][0].Since; !got.Equal(at(3)) {
		t.Errorf("a voter's fast clock gave since %v, want now %v", got, at(3))
	}
}

func TestOverrides(t *testing.T) {
	top := fleetOf(2, 1)
	in := input(top, "r0-a:u u", "r1-a:u u")
	end := in.Now.Add(time.Minute)
	in.Picture.Overrides = []regions.Override{
		drain(regions.OverrideRegion, "r0", end), drain(regions.OverrideEndpoint, id(1, 0), end),
		drain(regions.OverrideService, strings.ToUpper(service)+".", end),
		drain(regions.OverrideRegion, "r1", in.Now), // ends this moment
	}
	w := regions.Judge(in)
	if len(w.Overrides) != 3 || w.Regions[0].Drained == nil || w.Regions[1].Drained != nil || w.Endpoints[0][1].Drained == nil || w.Services[0] == nil {
		t.Fatalf("overrides in force: %+v, regions %v", w.Overrides, w.Regions)
	}
	in.Now, in.StoreLost, in.Previous = end, true, w
	lost := regions.Judge(in)
	if len(lost.Overrides) != 0 || lost.Regions[0].Drained != nil || lost.Services[0] != nil {
		t.Errorf("overrides outlive their end while the store is lost: %+v", lost.Overrides)
	}
}

// Rule 9: without the store the last verdicts stand, and own probes demote.
func TestStoreLost(t *testing.T) {
	top := fleetOf(3, 1)
	before := judgedBefore(top, "down")
	own := says("r0-a", "u d u", top, noon)
	for _, in := range []regions.Input{
		{Topology: top, Picture: &regions.Picture{}, StoreLost: true},
		{Topology: top},
	} {
		in.Previous, in.Own, in.Now = before, &own, noon.Add(time.Hour)
		w := regions.Judge(in)
		got := []string{describe(w.Endpoints[0][0]), describe(w.Endpoints[0][1]), describe(w.Endpoints[0][2]), describe(w.Regions[0])}
		if strings.Join(got, ", ") != "down, up demoted, up, down" || !w.StoreLost || !w.Ready {
			t.Errorf("world without the store: %q, lost %v, ready %v", got, w.StoreLost, w.Ready)
		}
		if strings.Join(w.Brake.Out, " ") != "r0" {
			t.Errorf("brake forgot what is out: %+v", w.Brake)
		}
	}
	if w := regions.Judge(regions.Input{Topology: top, Own: &own, Now: noon}); w.Ready {
		t.Error("ready without any state")
	}
}

// Verdicts follow names when the topology's order changes.
func TestVerdictsFollowNames(t *testing.T) {
	top := fleetOf(3, 1)
	before := judgedBefore(top, "down")
	turned := fleetOf(3, 1)
	turned.Regions[0], turned.Regions[2] = turned.Regions[2], turned.Regions[0]
	eps := turned.Services[0].Endpoints
	for i := range eps {
		eps[i].Region = 2 - eps[i].Region
	}
	eps[0], eps[2] = eps[2], eps[0]
	w := regions.Judge(regions.Input{Topology: turned, Picture: &regions.Picture{}, Previous: before, Now: noon})
	if w.Endpoints[0][2].State != healthcheck.Down || w.Endpoints[0][0].State != healthcheck.Up || w.Regions[2].State != healthcheck.Down {
		t.Errorf("verdicts went by index: %v, %v", w.Endpoints[0], w.Regions)
	}
}

func TestReasonsCarryEvidence(t *testing.T) {
	w := regions.Judge(input(fleetOf(3, 1), "r0-a:d u u", "r1-a:d u u", "r2-a:u u u"))
	want := "down: 2 of 3 fresh vantages (r0, r1) say refused"
	if got := w.Endpoints[0][0].Reason; got != want {
		t.Errorf("reason %q, want %q", got, want)
	}
	vs := w.Endpoints[0][0].Vantages
	if len(vs) != 3 || vs[0].Down != 1 || vs[2].Up != 1 || vs[2].State != healthcheck.Up {
		t.Errorf("evidence %+v", vs)
	}
}
