package regions_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// large is a fleet of three regions, two instances each, and 10,000
// endpoints in 100 services.
func large() regions.Input {
	top := &regions.Topology{
		Hash: "feedbeefcafe", Brake: regions.Brake{Share: 0.5, Window: 10 * time.Minute},
		Damping: regions.Damping{HalfLife: 5 * time.Minute, Suppress: 3, Reuse: 1, Longest: time.Hour},
	}
	for r := range 3 {
		top.Regions = append(top.Regions, regions.Region{
			Name: fmt.Sprintf("r%d", r), Capacity: 1, MinUp: 0.5, Recovery: regions.Recovery{Hold: time.Minute, SlowStart: time.Minute},
		})
	}
	for s := range 100 {
		svc := regions.Service{Name: fmt.Sprintf("s%d.example.com.", s), TTLMin: 5, TTLMax: 60}
		for e := range 100 {
			addr := netip.AddrFrom4([4]byte{10, byte(s), byte(e / 34), byte(e)})
			svc.Endpoints = append(svc.Endpoints, regions.Endpoint{
				ID: fmt.Sprintf("s%d.example.com/r%d/%s", s, e/34, addr), Region: e / 34, Addr: addr, Weight: 1,
			})
		}
		top.Services = append(top.Services, svc)
	}
	in := regions.Input{Topology: top, Now: noon.Add(time.Hour)}
	for i := range 6 {
		b := regions.Ballot{Instance: fmt.Sprintf("r%d-%d", i/2, i%2), Region: fmt.Sprintf("r%d", i/2), Votes: map[string]healthcheck.Vote{}, Marks: map[string]regions.Mark{}}
		for _, svc := range top.Services {
			for _, ep := range svc.Endpoints {
				b.Votes[ep.ID] = healthcheck.Vote{State: healthcheck.Up, Reason: "200 OK", Since: noon}
			}
		}
		in.Ballots = append(in.Ballots, b)
	}
	in.Picture = &regions.Picture{Cluster: 1, Revision: 1, Ballots: in.Ballots}
	return in
}

// BenchmarkJudge is one judgement of a large fleet in which all is up, and of
// one in which 1,000 endpoints flap.
func BenchmarkJudge(b *testing.B) {
	for _, flapping := range []int{0, 1000} {
		b.Run(fmt.Sprintf("flapping=%d", flapping), func(b *testing.B) {
			in := large()
			in.Previous = regions.Judge(in)
			n := 0
			for b.Loop() {
				b.StopTimer()
				n++
				state := healthcheck.State(1 + n%2)
				for i := range in.Ballots {
					for e := range flapping {
						ep := in.Topology.Services[e%100].Endpoints[e/100].ID
						in.Ballots[i].Votes[ep] = healthcheck.Vote{State: state, Reason: "refused", Since: in.Now}
					}
					in.Ballots[i].Marks = regions.MarksOf(in.Previous)
				}
				in.Now = in.Now.Add(time.Second)
				b.StartTimer()
				in.Previous = regions.Judge(in)
			}
		})
	}
}
