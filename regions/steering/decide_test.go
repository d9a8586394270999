package steering_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/steering"
)

// Endpoints of the fleet under test, in its order: two v4 in each of east,
// west and europe, and one v6 in east.
const (
	e1, e2, w1, w2, x1, x2, e6 = 0, 1, 2, 3, 4, 5, 6
)

var names = []string{"e1", "e2", "w1", "w2", "x1", "x2", "e6"}

var (
	virginia = &geo.Place{Located: true, Point: geo.Point{Lat: 38.9, Lon: -77.4}, Country: "US", Continent: "NA"}
	london   = &geo.Place{Located: true, Point: geo.Point{Lat: 51.5, Lon: -0.1}, Country: "GB", Continent: "EU"}
)

// world is a ready world in which everything is up; edit it, then decide.
func world(policy ...regions.Stage) *regions.World {
	top := &regions.Topology{Hash: "00", Regions: []regions.Region{
		{Name: "east", At: geo.Point{Lat: 39, Lon: -77}, Capacity: 1},
		{Name: "west", At: geo.Point{Lat: 45.6, Lon: -121.2}, Capacity: 1},
		{Name: "europe", At: geo.Point{Lat: 53.3, Lon: -6.3}, Capacity: 1},
	}}
	svc := regions.Service{Name: "www.example.com.", TTLMin: 5, TTLMax: 60, Policy: policy}
	for i, region := range []int{0, 0, 1, 1, 2, 2} {
		addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)})
		svc.Endpoints = append(svc.Endpoints, regions.Endpoint{ID: names[i], Region: region, Addr: addr, Weight: 1})
	}
	svc.Endpoints = append(svc.Endpoints, regions.Endpoint{ID: "e6", Addr: netip.MustParseAddr("2001:db8::1"), Weight: 1})
	top.Services = []regions.Service{svc}
	w := &regions.World{
		Topology: top, Ready: true, Regions: make([]regions.Verdict, 3),
		Endpoints: [][]regions.Verdict{make([]regions.Verdict, 7)}, Services: make([]*regions.Override, 1),
	}
	for i := range w.Endpoints[0] {
		w.Endpoints[0][i].State = healthcheck.Up
	}
	return w
}

func down(w *regions.World, endpoints ...int) {
	for _, e := range endpoints {
		w.Endpoints[0][e].State = healthcheck.Down
	}
}

// hold is what the brake does to a region all of whose endpoints are down.
func hold(w *regions.World, region int, endpoints ...int) {
	w.Regions[region].State, w.Regions[region].Held = healthcheck.Down, true
	down(w, endpoints...)
	for _, e := range endpoints {
		w.Endpoints[0][e].Held = true
	}
}

var by = &regions.Override{Owner: "ada", Reason: "upgrade", Expires: time.Now()}

func near() regions.Stage { return regions.Stage{Kind: regions.StageNear} }
func take(n, from int) regions.Stage {
	return regions.Stage{Kind: regions.StageTake, Count: n, MinRegions: from}
}
func tiers(t ...[]int) regions.Stage { return regions.Stage{Kind: regions.StageTier, Tiers: t} }
func fenceEU() regions.Stage {
	return regions.Stage{Kind: regions.StageFence, Regions: []int{2}, Fence: regions.Fence{Continents: []string{"EU"}}}
}

// kept is the answer as names.
func kept(d steering.Decision) string {
	var list []string
	for _, c := range d.Candidates[:d.Kept] {
		list = append(list, names[c.Endpoint])
	}
	return strings.Join(list, " ")
}

func codeOf(d steering.Decision, endpoint int) string {
	for _, c := range d.Candidates {
		if c.Endpoint == endpoint {
			return c.Reason.Code
		}
	}
	return "missing"
}

func TestDecide(t *testing.T) {
	fallback := func(w *regions.World, policy regions.AllDown) {
		w.Topology.Services[0].AllDown = policy
		w.Topology.Services[0].Fallback = []netip.Addr{netip.MustParseAddr("192.0.2.200")}
	}
	tests := []struct {
		name    string
		policy  []regions.Stage
		edit    func(w *regions.World)
		place   *geo.Place
		want    string // kept
		outcome steering.Outcome
		ttl     uint32
		code    string
		why     map[int]string // codes of some candidates
	}{
		{name: "nearest first, two regions", policy: []regions.Stage{near(), take(2, 2)}, want: "e1 w1", ttl: 60, code: "steady",
			why: map[int]string{e1: "nearest", w1: "second-region", e2: "beyond-take", e6: "other-family"}},
		{name: "from London", policy: []regions.Stage{near(), take(3, 2)}, place: london, want: "x1 x2 e1", ttl: 60, code: "steady",
			why: map[int]string{e1: "near", x1: "nearest"}},
		{name: "one region is enough", policy: []regions.Stage{near(), take(2, 1)}, want: "e1 e2", ttl: 60, code: "steady"},
		{name: "three regions", policy: []regions.Stage{near(), take(3, 3)}, want: "e1 w1 x1", ttl: 60, code: "steady"},
		{name: "take fewer than regions", policy: []regions.Stage{near(), take(1, 2)}, want: "e1", ttl: 60, code: "steady"},
		{name: "no policy at all", want: "e1 e2 w1 w2 x1 x2", ttl: 60, code: "steady", why: map[int]string{e1: "listed"}},
		{name: "nowhere known", policy: []regions.Stage{near(), take(3, 2)}, place: &geo.Place{}, want: "e1 e2 w1", ttl: 60, code: "steady"},
		{name: "bias attracts", policy: []regions.Stage{near(), take(2, 1)}, edit: func(w *regions.World) { w.Topology.Regions[2].BiasKm = 6000 },
			want: "e1 e2", ttl: 60, code: "steady"},

		{name: "a down endpoint leaves", policy: []regions.Stage{near(), take(3, 2)}, edit: func(w *regions.World) { down(w, e1) },
			want: "e2 w1 w2", ttl: 60, code: "steady", why: map[int]string{e1: "endpoint-down"}},
		{name: "a down region leaves with what is up in it", policy: []regions.Stage{near(), take(3, 2)},
			edit: func(w *regions.World) { w.Regions[0].State = healthcheck.Down }, want: "w1 w2 x1", ttl: 60, code: "steady", why: map[int]string{e1: "region-down"}},
		{name: "unknown serves", policy: []regions.Stage{near(), take(1, 1)}, edit: func(w *regions.World) { w.Endpoints[0][e1].State = healthcheck.Unknown },
			want: "e1", ttl: 60, code: "steady"},
		{name: "suspect shortens", policy: []regions.Stage{near(), take(1, 1)}, edit: func(w *regions.World) { w.Endpoints[0][x2].Suspect = true },
			want: "e1", ttl: 5, code: "unsettled"},
		{name: "another family's doubt does not", policy: []regions.Stage{near(), take(1, 1)}, edit: func(w *regions.World) { w.Endpoints[0][e6].Suspect = true },
			want: "e1", ttl: 60, code: "steady"},
		{name: "frozen shortens", edit: func(w *regions.World) { w.Endpoints[0][e1].Frozen = true }, want: "e1 e2 w1 w2 x1 x2", ttl: 5, code: "unsettled"},
		{name: "demoted ranks last", policy: []regions.Stage{near()}, edit: func(w *regions.World) { w.Endpoints[0][e1].Demoted = true },
			want: "e2 w1 w2 x1 x2 e1", ttl: 5, code: "unsettled", why: map[int]string{e1: "demoted"}},
		{name: "held ranks last, behind what is up in its region", policy: []regions.Stage{near()}, edit: func(w *regions.World) { hold(w, 0, e1) },
			want: "w1 w2 x1 x2 e2 e1", ttl: 5, code: "unsettled", why: map[int]string{e1: "held-by-brake", e2: "held-by-brake"}},
		{name: "held takes no seat of the well", policy: []regions.Stage{near(), take(2, 2)},
			edit: func(w *regions.World) { hold(w, 0, e1, e2); w.Regions[2].State = healthcheck.Down }, want: "w1 w2", ttl: 5, code: "unsettled"},
		{name: "demoted takes no seat of the well", policy: []regions.Stage{near(), take(2, 2)},
			edit: func(w *regions.World) {
				w.Regions[2].State = healthcheck.Down
				w.Endpoints[0][w1].Demoted, w.Endpoints[0][w2].Demoted = true, true
			}, want: "e1 e2", ttl: 5, code: "unsettled"},
		{name: "nor does what is up in a held region", policy: []regions.Stage{near(), take(2, 2)},
			edit: func(w *regions.World) { hold(w, 1); w.Regions[2].State = healthcheck.Down }, want: "e1 e2", ttl: 5, code: "unsettled"},
		{name: "drained endpoint", policy: []regions.Stage{near(), take(2, 2)}, edit: func(w *regions.World) { w.Endpoints[0][e1].Drained = by },
			want: "e2 w1", ttl: 5, code: "unsettled", why: map[int]string{e1: "endpoint-drained"}},
		{name: "drained region", policy: []regions.Stage{near(), take(2, 2)}, edit: func(w *regions.World) { w.Regions[0].Drained = by },
			want: "w1 x1", ttl: 5, code: "unsettled", why: map[int]string{e1: "region-drained", e2: "region-drained"}},

		{name: "tier: only the first", policy: []regions.Stage{tiers([]int{2}, []int{0, 1}), near(), take(3, 2)}, want: "x1 x2", ttl: 60, code: "steady",
			why: map[int]string{e1: "standby-tier"}},
		{name: "tier: the next when the first is down", policy: []regions.Stage{tiers([]int{2}, []int{0, 1}), near(), take(3, 2)},
			edit: func(w *regions.World) { down(w, x1, x2) }, want: "e1 e2 w1", ttl: 60, code: "steady"},
		{name: "tier: unlisted regions come last", policy: []regions.Stage{tiers([]int{2}), near()},
			edit: func(w *regions.World) { down(w, x1, x2) }, want: "e1 e2 w1 w2", ttl: 60, code: "steady"},
		{name: "tier: a held tier gives way", policy: []regions.Stage{tiers([]int{2}, []int{0}), near()},
			edit: func(w *regions.World) { hold(w, 2, x1, x2) }, want: "e1 e2", ttl: 5, code: "unsettled"},

		{name: "fence: inside only", policy: []regions.Stage{fenceEU(), near(), take(3, 2)}, place: london, want: "x1 x2", ttl: 60, code: "steady",
			why: map[int]string{e1: "outside-fence"}},
		{name: "fence: others are free", policy: []regions.Stage{fenceEU(), near(), take(2, 2)}, want: "e1 w1", ttl: 60, code: "steady"},
		{name: "fence: fails open inside, never outside", policy: []regions.Stage{fenceEU(), near(), take(1, 2)}, place: london,
			edit: func(w *regions.World) { down(w, x1, x2) }, want: "x1 x2", outcome: steering.FailOpen, ttl: 5, code: "fence-down",
			why: map[int]string{x1: "fail-open", e1: "outside-fence"}},

		{name: "all down: fail open, ranked, not cut by take, without the drained", policy: []regions.Stage{near(), take(1, 1)},
			edit: func(w *regions.World) { down(w, e1, e2, w1, w2, x1, x2); w.Endpoints[0][w1].Drained = by },
			want: "e1 e2 w2 x1 x2", outcome: steering.FailOpen, ttl: 5, code: "all-down"},
		{name: "all down: a held region fails open with the others", policy: []regions.Stage{near(), take(1, 1)},
			edit: func(w *regions.World) { hold(w, 2, x1, x2); down(w, e1, e2, w1, w2) },
			want: "e1 e2 w1 w2 x1 x2", outcome: steering.FailOpen, ttl: 5, code: "all-down"},
		{name: "all down: tiers rank", policy: []regions.Stage{tiers([]int{2}, []int{1}, []int{0}), near()},
			edit: func(w *regions.World) { down(w, e1, e2, w1, w2, x1, x2) }, want: "x1 x2 w1 w2 e1 e2", outcome: steering.FailOpen, ttl: 5, code: "all-down"},
		{name: "all drained: nothing else exists", policy: []regions.Stage{near()},
			edit: func(w *regions.World) {
				for i := range w.Regions {
					w.Regions[i].Drained = by
				}
			}, want: "e1 e2 w1 w2 x1 x2", outcome: steering.FailOpen, ttl: 5, code: "all-drained"},
		{name: "all down: fallback", edit: func(w *regions.World) { fallback(w, regions.Fallback); down(w, e1, e2, w1, w2, x1, x2) },
			outcome: steering.Fallback, ttl: 5, code: "all-down"},
		{name: "all down: no data", edit: func(w *regions.World) { fallback(w, regions.NoData); down(w, e1, e2, w1, w2, x1, x2) },
			outcome: steering.NoData, ttl: 5, code: "all-down"},
		{name: "all down: servfail", edit: func(w *regions.World) { fallback(w, regions.ServFail); down(w, e1, e2, w1, w2, x1, x2) },
			outcome: steering.ServFail, ttl: 5, code: "all-down"},
		{name: "all down: what is held is served before any fallback", policy: []regions.Stage{near()},
			edit: func(w *regions.World) { fallback(w, regions.Fallback); hold(w, 2, x1, x2); down(w, e1, e2, w1, w2) },
			want: "x1 x2", ttl: 5, code: "unsettled"},

		{name: "service drained: fallback", edit: func(w *regions.World) { fallback(w, regions.FailOpen); w.Services[0] = by },
			outcome: steering.Fallback, ttl: 5, code: "service-drained"},
		{name: "service drained without fallback: no data", edit: func(w *regions.World) { w.Services[0] = by },
			outcome: steering.NoData, ttl: 5, code: "service-drained"},
		{name: "cold", edit: func(w *regions.World) { w.Ready = false }, outcome: steering.ServFail, ttl: 5, code: "no-state"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := world(tt.policy...)
			if tt.edit != nil {
				tt.edit(w)
			}
			place := tt.place
			if place == nil {
				place = virginia
			}
			d := steering.Decide(w, 0, steering.FamilyV4, place, 0)
			if kept(d) != tt.want || d.Outcome != tt.outcome || d.TTL != tt.ttl || d.Reason.Code != tt.code {
				t.Errorf("got %q outcome %d ttl %d code %s, want %q %d %d %s", kept(d), d.Outcome, d.TTL, d.Reason.Code, tt.want, tt.outcome, tt.ttl, tt.code)
			}
			for e, code := range tt.why {
				if got := codeOf(d, e); got != code {
					t.Errorf("%s: code %q, want %q", names[e], got, code)
				}
			}
		})
	}
}

func TestFamiliesDecideApart(t *testing.T) {
	w := world(regions.DefaultPolicy()...)
	down(w, e6)
	if d := steering.Decide(w, 0, steering.FamilyV6, virginia, 0); d.Outcome != steering.FailOpen || kept(d) != "e6" {
		t.Errorf("v6 all down: %d %q", d.Outcome, kept(d))
	}
	if d := steering.Decide(w, 0, steering.FamilyV4, virginia, 0); d.Outcome != steering.Answer || d.TTL != 60 {
		t.Errorf("v4 beside it: %d, ttl %d", d.Outcome, d.TTL)
	}
	if d := steering.Decide(w, 0, steering.FamilyAlias, virginia, 0); d.Outcome != steering.NoData || d.Reason.Code != "no-such-family" {
		t.Errorf("alias: %d %s", d.Outcome, d.Reason.Code)
	}
	w.Topology.Services[0].AllDown = regions.Fallback
	w.Topology.Services[0].Fallback = []netip.Addr{netip.MustParseAddr("192.0.2.200")}
	if d := steering.Decide(w, 0, steering.FamilyV6, virginia, 0); d.Outcome != steering.NoData {
		t.Errorf("fallback without an address of the family: %d", d.Outcome)
	}
}

func TestAliasKeepsOne(t *testing.T) {
	w := world(regions.DefaultPolicy()...)
	eps := w.Topology.Services[0].Endpoints
	for i := range eps {
		eps[i].Addr, eps[i].Alias = netip.Addr{}, fmt.Sprintf("a%d.example.net.", i)
	}
	if d := steering.Decide(w, 0, steering.FamilyAlias, london, 0); d.Kept != 1 || d.Candidates[0].Region != 2 {
		t.Errorf("kept %d, first in region %d", d.Kept, d.Candidates[0].Region)
	}
	down(w, e1, e2, w1, w2, x1, x2, e6)
	if d := steering.Decide(w, 0, steering.FamilyAlias, london, 0); d.Kept != 1 || d.Outcome != steering.FailOpen {
		t.Errorf("failing open: kept %d, outcome %d", d.Kept, d.Outcome)
	}
}

func TestFailOpenIsBounded(t *testing.T) {
	w := world(near())
	svc := &w.Topology.Services[0]
	for i := range 20 {
		svc.Endpoints = append(svc.Endpoints, regions.Endpoint{ID: fmt.Sprint(i), Region: 1, Addr: netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), Weight: 1})
		w.Endpoints[0] = append(w.Endpoints[0], regions.Verdict{})
	}
	for i := range w.Endpoints[0] {
		down(w, i)
	}
	if d := steering.Decide(w, 0, steering.FamilyV4, virginia, 0); d.Kept != 8 || d.Candidates[0].Endpoint != e1 {
		t.Errorf("kept %d, first %d", d.Kept, d.Candidates[0].Endpoint)
	}
}

func TestUnknownServiceAndNoPlace(t *testing.T) {
	w := world(regions.DefaultPolicy()...)
	for _, s := range []int{-1, 1} {
		if d := steering.Decide(w, s, steering.FamilyV4, virginia, 0); d.Outcome != steering.ServFail || d.Kept != 0 {
			t.Errorf("service %d: %+v", s, d)
		}
	}
	if d := steering.Decide(w, 0, steering.FamilyV4, nil, 0); d.Kept != 3 || d.Candidates[0].DistanceKm != -1 {
		t.Errorf("no place: kept %d, distance %v", d.Kept, d.Candidates[0].DistanceKm)
	}
}
