package admin

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// TestPrecondition drains what others need, and what alone has IPv6.
func TestPrecondition(t *testing.T) {
	top := &regions.Topology{Hash: "feedbeefcafe", Brake: regions.Brake{Share: 0.5, Window: time.Minute}}
	for _, name := range []string{"us-east", "us-west"} {
		top.Regions = append(top.Regions, regions.Region{Name: name, Capacity: 1, MinUp: 0.5})
	}
	endpoint := func(service string, region int, addr string) regions.Endpoint {
		return regions.Endpoint{ID: service + "/" + top.Regions[region].Name + "/" + addr, Region: region, Addr: netip.MustParseAddr(addr), Weight: 1}
	}
	top.Services = []regions.Service{
		{Name: "www.example.com.", Policy: regions.DefaultPolicy(), Needs: []int{1}, Endpoints: []regions.Endpoint{endpoint("www.example.com", 0, "192.0.2.1")}},
		{Name: "login.example.com.", Policy: regions.DefaultPolicy(), Endpoints: []regions.Endpoint{
			endpoint("login.example.com", 0, "192.0.2.2"), endpoint("login.example.com", 1, "192.0.2.3"),
			endpoint("login.example.com", 1, "2001:db8::3"),
		}},
	}
	ballot := regions.Ballot{Instance: "a", Region: "us-east", Votes: map[string]healthcheck.Vote{}}
	for _, s := range top.Services {
		for _, e := range s.Endpoints {
			ballot.Votes[e.ID] = healthcheck.Vote{State: healthcheck.Up}
		}
	}
	ballots := []regions.Ballot{ballot}
	w := regions.Judge(regions.Input{Topology: top, Ballots: ballots, Now: time.Now(), Picture: &regions.Picture{Revision: 1, Ballots: ballots}})

	for _, test := range []struct{ kind, name, want string }{
		{"endpoint", "login.example.com/us-east/192.0.2.2", "would leave www.example.com without a region that is up"},
		{"endpoint", "login.example.com/us-west/192.0.2.3", ""},
		{"endpoint", "login.example.com/us-west/2001:db8::3", "would leave login.example.com without an IPv6 address in a region that is up"},
		{"region", "us-west", "without an IPv6 address"},
		{"region", "us-east", "would leave www.example.com without a region that is up"},
	} {
		r := OverrideRequest{Kind: regions.OverrideKind(test.kind), Name: test.name, For: "1h", Owner: "ada", Reason: "upgrade"}
		_, err := MakeOverride(w, r, time.Now())
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("drain %s %s: %v, want %q", test.kind, test.name, err, test.want)
		}
		r.Force = true
		if _, err := MakeOverride(w, r, time.Now()); err != nil {
			t.Errorf("drain %s %s by force: %v", test.kind, test.name, err)
		}
	}
}
