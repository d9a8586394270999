package regions_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/steerdns/steerdns/regions"
)

// guarded is a fleet in which r0 has a check of its own, and what each
// instance says of it.
func guarded(n int, entrance []string, lines ...string) regions.Input {
	top := fleetOf(n, 1)
	top.Regions[0].Entrance = netip.MustParseAddr("203.0.113.1")
	in := input(top, lines...)
	for i, mark := range entrance {
		in.Ballots[i].Votes[regions.EntranceID("r0")] = says(in.Ballots[i].Instance, mark, top, noon).Votes[top.Services[0].Endpoints[0].ID]
	}
	return in
}

// Rule 4: a region is down by its own check as well, by the rules of every
// target.
func TestRegionByItsOwnCheck(t *testing.T) {
	up := []string{"r0-a:u u u", "r1-a:u u u", "r2-a:u u u"}
	tests := []struct {
		name     string
		entrance []string
		votes    []string
		before   string // what all said of the entrance before
		want     string
	}{
		{"up", []string{"u", "u", "u"}, up, "", "up"},
		{"one says down", []string{"u", "d", "u"}, up, "", "up suspect"},
		{"two say down", []string{"u", "d", "d"}, up, "", "down suspect"},
		{"all say down", []string{"d", "d", "d"}, up, "", "down"},
		{"doubted by its voter", []string{"u?", "u", "u"}, up, "", "up suspect"},
		{"nobody votes on it", []string{"-", "-", "-"}, up, "", "up frozen"},
		{"one votes on it, down", []string{"-", "d", "-"}, up, "u", "up frozen demoted suspect"},
		{"it was down, one votes on it", []string{"u", "-", "-"}, up, "d", "down frozen suspect"},
		{"up, but its endpoints are down", []string{"u", "u", "u"}, []string{"r0-a:d u u", "r1-a:d u u", "r2-a:d u u"}, "", "down"},
		{"both", []string{"d", "d", "d"}, []string{"r0-a:d u u", "r1-a:d u u", "r2-a:d u u"}, "", "down"},
		{"both, and one may come back", []string{"d", "d", "d"}, []string{"r0-a:u u u", "r1-a:d u u", "r2-a:d u u"}, "", "down"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := guarded(3, tt.entrance, tt.votes...)
			if tt.before != "" {
				past := guarded(3, []string{tt.before, tt.before, tt.before}, tt.votes...)
				past.Topology = in.Topology
				in.Previous = regions.Judge(past)
			}
			w := regions.Judge(in)
			if got := describe(w.Regions[0]); got != tt.want {
				t.Errorf("r0 is %q, want %q (%s)", got, tt.want, w.Regions[0].Reason)
			}
			if e := w.Regions[0].Entrance; e == nil || len(e.Vantages) != 3 || e.Vantages[1].Since != noon && e.Vantages[1].State != 0 {
				t.Errorf("evidence: %+v", e)
			}
			if got := describe(w.Regions[1]); got != "up" {
				t.Errorf("r1 is %q", got)
			}
		})
	}
}

// A region is suspect when the suspect ones of its endpoints would turn it
// over, and only then.
func TestRegionSuspectNearItsShare(t *testing.T) {
	for votes, want := range map[string]string{
		"u u u u":     "up",
		"u? u u u":    "up",
		"u? u? u u":   "up",
		"u? u? u? u":  "up suspect",
		"d d u? u":    "up suspect",
		"d d u u":     "up",
		"d d d u":     "down",
		"d d d? u":    "down suspect",
		"d d d d?":    "down",
		"d? d? d? d?": "down suspect",
	} {
		top := fleetOf(1, 4)
		top.Brake.Share = 1
		if got := strings.Replace(describe(regions.Judge(input(top, "r0-a:"+votes)).Regions[0]), " held", "", 1); got != want {
			t.Errorf("%q: %q, want %q", votes, got, want)
		}
	}
}

// One instance whose network is broken makes nobody waver; what it says of
// itself is enough, unless most say the same.
func TestBlindInstance(t *testing.T) {
	tests := []struct {
		name  string
		doubt string // instances that doubt themselves
		votes []string
		want  string // of the first endpoint
	}{
		{"contradicted by its mate and the others", "", []string{"r0-a:d d d", "r0-b:u u u", "r1-a:u u u", "r2-a:u u u"}, "up"},
		{"of two regions", "", []string{"r0-a:d d", "r0-b:u u", "r1-a:u u"}, "up suspect"}, // two targets are too few
		{"sees a third down", "", []string{"r0-a:d u u", "r0-b:u u u", "r1-a:u u u", "r2-a:u u u"}, "up suspect"},
		{"is not alone", "", []string{"r0-a:d d d", "r0-b:d d d", "r1-a:d d d", "r2-a:u u u"}, "down suspect"},
		{"doubts itself", "r1-a", []string{"r0-a:u u u", "r1-a:d u u", "r2-a:u u u"}, "up"},
		{"doubts itself, one of two", "r0-a", []string{"r0-a:d u", "r1-a:u u"}, "up"},
		{"most doubt themselves", "r0-a r1-a", []string{"r0-a:d d d", "r1-a:d d d", "r2-a:u u u"}, "down suspect"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			top := fleetOf(len(strings.Fields(tt.votes[0])), 1)
			in := input(top, tt.votes...)
			for i := range in.Ballots {
				in.Ballots[i].Blind = strings.Contains(tt.doubt, in.Ballots[i].Instance)
			}
			v := regions.Judge(in).Endpoints[0][0]
			if got := strings.Replace(describe(v), " held", "", 1); got != tt.want {
				t.Errorf("%q, want %q (%s)", got, tt.want, v.Reason)
			}
		})
	}
}

// Where no instance runs, nobody is waited for, and nobody counts.
func TestNoVantage(t *testing.T) {
	top := fleetOf(3, 1)
	top.Regions[1].NoVantage, top.Regions[2].NoVantage = true, true
	for votes, want := range map[string]string{
		"r0-a:u d u": "down", "r0-a:u u u": "up", "r1-a:u d u": "unknown frozen",
	} {
		if got := describe(regions.Judge(input(top, votes)).Endpoints[0][1]); got != want {
			t.Errorf("%s: %q, want %q", votes, got, want)
		}
	}
}

// needy is a fleet of two regions: www needs login, which needs db. Each has
// two endpoints in either region, but for db, which only r0 has.
func needy() *regions.Topology {
	top := fleetOf(2, 2)
	for s, name := range []string{"login.example.com", "db.example.com"} {
		svc := top.Services[0]
		svc.Name, svc.Endpoints = name+".", nil
		for _, ep := range top.Services[0].Endpoints {
			if s == 1 && ep.Region == 1 {
				continue
			}
			ep.ID = name + strings.TrimPrefix(ep.ID, service)
			svc.Endpoints = append(svc.Endpoints, ep)
		}
		top.Services = append(top.Services, svc)
	}
	top.Services[0].Needs, top.Services[1].Needs = []int{1}, []int{2}
	return top
}

func TestNeeds(t *testing.T) {
	tests := []struct {
		name    string
		down    string // endpoints that are voted down
		suspect string
		drained string
		want    string // labels of www's endpoints, "?" after one that is suspect
	}{
		{"all is up", "", "", "", "up up up up"},
		{"one login of two", "login.example.com/r0/192.0.2.0", "", "", "up up up up"},
		{"both logins", "login.example.com/r0/192.0.2.0 login.example.com/r0/192.0.2.1", "", "", "lacking lacking up up"},
		{"what login needs", "db.example.com/r0/192.0.2.0 db.example.com/r0/192.0.2.1", "", "", "lacking lacking up up"},
		{"drained and down", "login.example.com/r0/192.0.2.0", "", "login.example.com/r0/192.0.2.1", "lacking? lacking? up up"},
		{"the last login is doubted", "login.example.com/r0/192.0.2.0", "login.example.com/r0/192.0.2.1", "", "up? up? up up"},
		{"one of two is doubted", "", "login.example.com/r0/192.0.2.1", "", "up up up up"},
		{"where db is had from elsewhere", "login.example.com/r1/192.0.2.16 login.example.com/r1/192.0.2.17", "", "", "up up lacking lacking"},
		{"down by its own votes", service + "/r0/192.0.2.0", "", "", "down up up up"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			top := needy()
			in := input(top, "r0-a:", "r1-a:")
			for i := range in.Ballots {
				for _, svc := range top.Services {
					for _, ep := range svc.Endpoints {
						mark := "u"
						if strings.Contains(tt.down, ep.ID) {
							mark = "d"
						}
						v := says("r0-a", mark, top, noon).Votes[top.Services[0].Endpoints[0].ID]
						v.Suspect = tt.suspect == ep.ID
						in.Ballots[i].Votes[ep.ID] = v
					}
				}
			}
			if tt.drained != "" {
				in.Picture.Overrides = []regions.Override{drain(regions.OverrideEndpoint, tt.drained, in.Now.Add(100))}
			}
			w := regions.Judge(in)
			var got []string
			for i := range w.Endpoints[0] {
				word := w.Endpoints[0][i].Label()
				if w.Endpoints[0][i].Shaky {
					word += "?"
				}
				got = append(got, word)
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("%s, want %s", s, tt.want)
			}
			if w.Regions[0].State != 1 || w.Regions[1].State != 1 {
				t.Error("a need took a region down")
			}
		})
	}
}

// A pin reaches all endpoints of what is pinned; a drain is stronger.
func TestPins(t *testing.T) {
	tests := []struct {
		name      string
		overrides []regions.Override
		want      string
	}{
		{"none", nil, "down down up"},
		{"region", []regions.Override{pin(regions.OverrideRegion, "r0")}, "pinned down up"},
		{"service", []regions.Override{pin(regions.OverrideService, service)}, "pinned pinned pinned"},
		{"endpoint", []regions.Override{pin(regions.OverrideEndpoint, id(1, 0))}, "down pinned up"},
		{"drain of an endpoint", []regions.Override{pin(regions.OverrideRegion, "r0"), drain(regions.OverrideEndpoint, id(0, 0), noon.Add(1e12))}, "drained down up"},
		{"a newer program's action", []regions.Override{newer(pin(regions.OverrideRegion, "r0"))}, "down down up"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := input(fleetOf(3, 1), "r0-a:d d u", "r1-a:d d u", "r2-a:d d u")
			in.Topology.Brake.Share = 1
			in.Picture.Overrides = tt.overrides
			w := regions.Judge(in)
			var got []string
			for i := range w.Endpoints[0] {
				got = append(got, w.Endpoints[0][i].Label())
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("%s, want %s", s, tt.want)
			}
			if out := strings.Join(w.Brake.Out, " "); tt.name == "region" && out != "r1" {
				t.Errorf("out %q: a pinned region is no matter of the brake", out)
			}
		})
	}
}

func pin(kind regions.OverrideKind, name string) regions.Override {
	o := drain(kind, name, noon.Add(1e12))
	o.Action = regions.ActionPin
	return o
}

func newer(o regions.Override) regions.Override {
	o.Action = "unheard-of"
	return o
}
