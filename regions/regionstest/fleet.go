// Package regionstest draws random fleets for property tests: topologies,
// ballots and overrides, small enough to collide and odd enough to matter.
package regionstest

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// Start is the moment around which everything drawn happens.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Now is the moment at which drawn inputs are judged.
func Now() time.Time { return start }

var names = []string{"us-east", "us-west", "eu-west", "ap-south", "sa-east"}

var points = []geo.Point{{Lat: 39, Lon: -77}, {Lat: 45, Lon: -120}, {Lat: 53, Lon: -6}, {Lat: 19, Lon: 73}, {Lat: -23, Lon: -46}}

// Topology draws one to five regions and one to three services.
func Topology(t *rapid.T) *regions.Topology {
	n := rapid.IntRange(1, len(names)).Draw(t, "regions")
	top := &regions.Topology{
		Hash: "0123456789abcdef",
		Brake: regions.Brake{
			Share:  rapid.SampledFrom([]float64{0, 0.3, 0.5, 0.67, 1}).Draw(t, "share"),
			Window: rapid.SampledFrom([]time.Duration{time.Second, time.Minute, time.Hour}).Draw(t, "window"),
		},
	}
	if rapid.IntRange(0, 2).Draw(t, "damped") == 0 {
		top.Damping = regions.Damping{HalfLife: time.Minute, Suppress: 2, Reuse: 0.5, Longest: 10 * time.Minute}
	}
	for i := range n {
		top.Regions = append(top.Regions, regions.Region{
			Name: names[i], At: points[i], Country: "US", Continent: "NA",
			Capacity: rapid.SampledFrom([]float64{0.5, 1, 3}).Draw(t, "capacity"),
			BiasKm:   rapid.SampledFrom([]float64{0, 500, -1000}).Draw(t, "bias"),
			MinUp:    rapid.SampledFrom([]float64{0, 0.3, 0.5, 1}).Draw(t, "min-up"),
			Recovery: recovery(t), Entrance: entrance(t, i),
			NoVantage: i > 0 && rapid.IntRange(0, 9).Draw(t, "no vantage") == 0,
		})
	}
	for s := range rapid.IntRange(1, 3).Draw(t, "services") {
		top.Services = append(top.Services, service(t, top, s))
		for n := range s {
			if rapid.IntRange(0, 3).Draw(t, "needs") == 0 {
				top.Services[s].Needs = append(top.Services[s].Needs, n)
			}
		}
	}
	return top
}

func recovery(t *rapid.T) regions.Recovery {
	return regions.Recovery{
		Failback:  rapid.SampledFrom([]regions.Failback{regions.FailbackAuto, regions.FailbackAuto, regions.FailbackAfter, regions.FailbackManual}).Draw(t, "failback"),
		After:     30 * time.Second,
		Hold:      rapid.SampledFrom([]time.Duration{0, 0, 20 * time.Second, 2 * time.Minute}).Draw(t, "hold"),
		SlowStart: rapid.SampledFrom([]time.Duration{0, 0, time.Minute}).Draw(t, "slow start"),
	}
}

func entrance(t *rapid.T, i int) netip.Addr {
	if rapid.IntRange(0, 3).Draw(t, "entrance") > 0 {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
}

// Targets lists what is voted on: endpoints and entrances.
func Targets(top *regions.Topology) []string {
	var ids []string
	for _, svc := range top.Services {
		for _, ep := range svc.Endpoints {
			ids = append(ids, ep.ID)
		}
	}
	for _, r := range top.Regions {
		if r.Entrance.IsValid() {
			ids = append(ids, regions.EntranceID(r.Name))
		}
	}
	return ids
}

func service(t *rapid.T, top *regions.Topology, s int) regions.Service {
	name := fmt.Sprintf("s%d.example.com", s)
	svc := regions.Service{
		Name: name + ".", TTLMin: 5, TTLMax: 60,
		AllDown: regions.AllDown(rapid.IntRange(0, 3).Draw(t, "all-down")),
		Policy:  policy(t, len(top.Regions)),
	}
	if rapid.Bool().Draw(t, "fallback") {
		svc.Fallback = []netip.Addr{netip.MustParseAddr("192.0.2.250")}
	}
	aliases := rapid.IntRange(0, 5).Draw(t, "aliases") == 0
	for r := range top.Regions {
		for e := range rapid.IntRange(0, 3).Draw(t, "endpoints") {
			ep := regions.Endpoint{Region: r, Weight: rapid.SampledFrom([]uint32{1, 1, 5}).Draw(t, "weight")}
			switch {
			case aliases:
				ep.Alias = fmt.Sprintf("a%d.%s.example.com.", e, top.Regions[r].Name)
			case rapid.Bool().Draw(t, "v6"):
				ep.Addr = netip.MustParseAddr(fmt.Sprintf("2001:db8:%x:%x::%x", s, r, e+1))
			default:
				ep.Addr = netip.AddrFrom4([4]byte{198, 51, 100, byte(64*s + 8*r + e)})
			}
			what := ep.Alias
			if !aliases {
				what = ep.Addr.String()
			}
			ep.ID = strings.Join([]string{name, top.Regions[r].Name, what}, "/")
			svc.Endpoints = append(svc.Endpoints, ep)
		}
	}
	return svc
}

// policy draws a chain of stages in any order, or the default.
func policy(t *rapid.T, n int) []regions.Stage {
	if rapid.Bool().Draw(t, "default policy") {
		return regions.DefaultPolicy()
	}
	var tiers [][]int
	for r := range n {
		if rapid.Bool().Draw(t, "tiered") {
			tiers = append(tiers, []int{r})
		}
	}
	chain := []regions.Stage{
		{Kind: regions.StageHealthy}, {Kind: regions.StageNear}, {Kind: regions.StageBalance},
		{Kind: regions.StageTake, Count: rapid.IntRange(1, 4).Draw(t, "take"), MinRegions: rapid.IntRange(1, 3).Draw(t, "from")},
		{Kind: regions.StageTier, Tiers: tiers},
		{Kind: regions.StageFence, Regions: subset(t, n), Fence: fence(t)},
		{Kind: regions.StageFence, Regions: subset(t, n), Fence: fence(t)},
	}
	chain = rapid.Permutation(chain).Draw(t, "order")
	return chain[:rapid.IntRange(0, len(chain)).Draw(t, "stages")]
}

func fence(t *rapid.T) regions.Fence {
	return rapid.SampledFrom([]regions.Fence{
		{Countries: []string{"DE", "FR"}},
		{Continents: []string{"EU"}},
		{ASNs: []uint32{64500}},
		{Prefixes: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/25")}},
	}).Draw(t, "fence")
}

func subset(t *rapid.T, n int) []int {
	var list []int
	for r := range n {
		if rapid.Bool().Draw(t, "inside") {
			list = append(list, r)
		}
	}
	return list
}

// Place draws a client's place.
func Place(t *rapid.T) *geo.Place {
	p := &geo.Place{
		Located:   rapid.IntRange(0, 4).Draw(t, "located") > 0,
		Country:   rapid.SampledFrom([]string{"", "DE", "US", "FR"}).Draw(t, "country"),
		Continent: rapid.SampledFrom([]string{"", "EU", "NA"}).Draw(t, "continent"),
		ASN:       rapid.SampledFrom([]uint32{0, 64500, 64501}).Draw(t, "asn"),
		Prefix:    netip.MustParsePrefix(rapid.SampledFrom([]string{"203.0.113.0/26", "203.0.113.128/26", "2001:db8::/48", "203.0.113.0/24"}).Draw(t, "prefix")),
	}
	if p.Located {
		near := rapid.SampledFrom(points).Draw(t, "near")
		p.Lat = near.Lat + rapid.Float64Range(-8, 8).Draw(t, "north")
		p.Lon = near.Lon + rapid.Float64Range(-8, 8).Draw(t, "east")
	}
	return p
}

// Ballots draws the ballots of up to three instances a region. Votes lean to
// agree, so that verdicts of every kind come up.
func Ballots(t *rapid.T, top *regions.Topology) []regions.Ballot {
	lean := map[string]healthcheck.State{}
	for _, id := range Targets(top) {
		lean[id] = healthcheck.State(rapid.IntRange(1, 2).Draw(t, "lean"))
	}
	var all []regions.Ballot
	for _, r := range top.Regions {
		for i := range rapid.IntRange(0, 3).Draw(t, "instances") {
			all = append(all, ballot(t, fmt.Sprintf("%s-%d", r.Name, i), r.Name, top, lean))
		}
	}
	return all
}

func ballot(t *rapid.T, instance, region string, top *regions.Topology, lean map[string]healthcheck.State) regions.Ballot {
	b := regions.Ballot{Instance: instance, Region: region, Boot: "b", Seq: 1, Beat: time.Second, Votes: map[string]healthcheck.Vote{}}
	b.Blind = rapid.IntRange(0, 19).Draw(t, "doubts itself") == 0
	for _, id := range Targets(top) {
		state := lean[id]
		if rapid.IntRange(0, 3).Draw(t, "dissent") == 0 {
			state = healthcheck.State(rapid.IntRange(0, 2).Draw(t, "state"))
		}
		b.Votes[id] = healthcheck.Vote{
			State: state, Reason: "said " + instance,
			Suspect: rapid.IntRange(0, 9).Draw(t, "suspect") == 0,
			Since:   start.Add(-time.Duration(rapid.IntRange(0, 100).Draw(t, "ago")) * time.Second),
		}
	}
	return b
}

// Overrides draws overrides of every kind, ended ones and unknown names too.
func Overrides(t *rapid.T, top *regions.Topology) []regions.Override {
	var all []regions.Override
	add := func(kind regions.OverrideKind, name string) {
		if rapid.IntRange(0, 5).Draw(t, "override") > 0 {
			return
		}
		ends := start.Add(time.Duration(rapid.IntRange(-1, 3).Draw(t, "ends")) * time.Minute)
		o := regions.Override{Kind: kind, Name: name, Owner: "op", Reason: "test", Created: start, Expires: ends}
		if kind != regions.OverrideFailback && rapid.IntRange(0, 2).Draw(t, "pin") == 0 {
			o.Action = regions.ActionPin
		}
		all = append(all, o)
	}
	add(regions.OverrideRegion, "nowhere")
	for _, r := range top.Regions {
		add(regions.OverrideRegion, r.Name)
		add(regions.OverrideFailback, r.Name)
	}
	for _, svc := range top.Services {
		add(regions.OverrideService, strings.TrimSuffix(svc.Name, "."))
		for _, ep := range svc.Endpoints {
			add(regions.OverrideEndpoint, ep.ID)
		}
	}
	return all
}

// Input draws all of what Judge looks at, without a previous world.
func Input(t *rapid.T) regions.Input {
	top := Topology(t)
	ballots := Ballots(t, top)
	return regions.Input{
		Topology: top, Ballots: ballots, Now: start,
		Picture: &regions.Picture{Cluster: 7, Revision: 42, Ballots: ballots, Overrides: Overrides(t, top)},
	}
}

// World draws a world: judged from votes, perhaps once more with others, and
// perhaps without the store or before any state.
func World(t *rapid.T) *regions.World {
	in := Input(t)
	if rapid.IntRange(0, 19).Draw(t, "cold") == 0 {
		in.Picture = nil
	}
	w := regions.Judge(in)
	if rapid.Bool().Draw(t, "again") {
		in.Previous = w
		in.Now = start.Add(time.Duration(rapid.IntRange(0, 200).Draw(t, "later")) * time.Second)
		in.Ballots = Ballots(t, in.Topology)
		in.StoreLost = rapid.IntRange(0, 3).Draw(t, "lost") == 0
		if len(in.Ballots) > 0 {
			in.Own = &in.Ballots[0]
		}
		w = regions.Judge(in)
	}
	return w
}
