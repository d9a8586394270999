package regions_test

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const service = "www.example.com"

// fleetOf makes a topology of regions named r0, r1, ... with perRegion
// endpoints each.
func fleetOf(n, perRegion int) *regions.Topology {
	t := &regions.Topology{Hash: "feedbeefcafe", Brake: regions.Brake{Share: 0.5, Window: 10 * time.Minute}}
	svc := regions.Service{Name: service + ".", TTLMin: 5, TTLMax: 60, Policy: regions.DefaultPolicy()}
	for r := range n {
		t.Regions = append(t.Regions, regions.Region{Name: fmt.Sprintf("r%d", r), Capacity: 1, MinUp: 0.5})
		for e := range perRegion {
			addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(16*r + e)})
			svc.Endpoints = append(svc.Endpoints, regions.Endpoint{ID: id(r, e), Region: r, Addr: addr, Weight: 1})
		}
	}
	t.Services = []regions.Service{svc}
	return t
}

func id(region, endpoint int) string {
	return fmt.Sprintf("%s/r%d/192.0.2.%d", service, region, 16*region+endpoint)
}

// says makes the ballot of an instance "rN-i": marks has one word a vote,
// "u", "d" or "-", with "?" after it for suspect, in the order of endpoints.
func says(instance, marks string, t *regions.Topology, since time.Time) regions.Ballot {
	region, _, _ := strings.Cut(instance, "-")
	b := regions.Ballot{Instance: instance, Region: region, Boot: "boot", Seq: 1, Beat: time.Second, Votes: map[string]healthcheck.Vote{}}
	for i, mark := range strings.Fields(marks) {
		v := healthcheck.Vote{Since: since, Reason: "refused", Suspect: strings.HasSuffix(mark, "?")}
		switch mark[0] {
		case 'u':
			v.State, v.Reason = healthcheck.Up, "200"
		case 'd':
			v.State = healthcheck.Down
		}
		b.Votes[t.Services[0].Endpoints[i].ID] = v
	}
	return b
}

// input makes an Input from lines of "instance: marks", all since noon.
func input(t *regions.Topology, lines ...string) regions.Input {
	in := regions.Input{Topology: t, Now: noon.Add(time.Second), Picture: &regions.Picture{Cluster: 1, Revision: 1}}
	for _, line := range lines {
		instance, marks, _ := strings.Cut(line, ":")
		in.Ballots = append(in.Ballots, says(instance, marks, t, noon))
	}
	in.Picture.Ballots = in.Ballots
	return in
}

func drain(kind regions.OverrideKind, name string, until time.Time) regions.Override {
	return regions.Override{Kind: kind, Name: name, Owner: "ada", Reason: "maintenance", Created: noon, Expires: until}
}
