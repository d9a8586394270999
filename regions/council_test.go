package regions_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/steerdns/steerdns/regions"
)

// council is a fleet of instances, each with a world of its own, that see one
// another's ballots. Time is in seconds after noon.
type council struct {
	t         *testing.T
	top       *regions.Topology
	at        int
	members   []string
	marks     map[string]string // votes on the regions, by region: u or d
	worlds    map[string]*regions.World
	overrides []regions.Override
	alone     map[string]string // votes of one instance only, by "INSTANCE REGION"
	since     map[string]int    // when they came to say so
	silent    map[string]bool
	ahead     map[string]time.Duration // clocks that are wrong
	lost      bool
}

func newCouncil(t *testing.T, n, instances int, change func(*regions.Topology)) *council {
	c := &council{t: t, top: fleetOf(n, 1), marks: map[string]string{}, worlds: map[string]*regions.World{}, since: map[string]int{},
		alone: map[string]string{}, silent: map[string]bool{}, ahead: map[string]time.Duration{}}
	change(c.top)
	for _, r := range c.top.Regions {
		c.marks[r.Name] = "u"
		for i := range instances {
			c.members = append(c.members, fmt.Sprintf("%s-%c", r.Name, 'a'+i))
		}
	}
	c.settle()
	return c
}

func (c *council) now() time.Time { return noon.Add(time.Duration(c.at) * time.Second) }

// ballots is what all say, with what they remember.
func (c *council) ballots() []regions.Ballot {
	var all []regions.Ballot
	for _, m := range c.members {
		if c.silent[m] {
			continue
		}
		b := regions.Ballot{Instance: m, Region: strings.Split(m, "-")[0], Boot: "x", Seq: 1, Beat: time.Second, Marks: regions.MarksOf(c.worlds[m])}
		var marks []string
		for _, r := range c.top.Regions {
			mark, own := c.alone[m+" "+r.Name]
			if !own {
				mark = c.marks[r.Name]
			}
			marks = append(marks, mark)
		}
		b.Votes = says(m, strings.Join(marks, " "), c.top, noon).Votes
		for i, r := range c.top.Regions {
			v := b.Votes[id(i, 0)]
			v.Since = noon.Add(time.Duration(c.since[r.Name]) * time.Second)
			b.Votes[id(i, 0)] = v
		}
		all = append(all, b)
	}
	return all
}

// judge lets every instance judge once, all by the same ballots.
func (c *council) judge() {
	ballots := c.ballots()
	for _, m := range c.members {
		in := c.input(ballots)
		in.Now, in.Previous = in.Now.Add(c.ahead[m]), c.worlds[m]
		c.worlds[m] = regions.Judge(in)
	}
}

func (c *council) input(ballots []regions.Ballot) regions.Input {
	return regions.Input{
		Topology: c.top, Ballots: ballots, StoreLost: c.lost, Now: c.now(),
		Picture: &regions.Picture{Cluster: 1, Revision: 1, Ballots: ballots, Overrides: c.overrides},
	}
}

// settle lets news get around.
func (c *council) settle() {
	for range 3 {
		c.judge()
	}
}

// play runs a script: lines of "SECOND VERB ARGUMENTS".
//
//	vote r0=d r1=u    all instances vote so on all endpoints of the region
//	alone r1-a r0=u   but this one says so
//	silent r1-a ...   their ballots are not fresh any more
//	speaks r1-a ...   they are again
//	ahead r0-a 3600   its clock, by so many seconds
//	is r0=waiting ... the region's label in every instance's world, and in
//	                  that of one that starts now
//	end r0=waiting    the label of the region's endpoint, likewise
//	drain r0 60, failback r0 60, pin r0 60    for so many seconds
//	undo r0           ends the overrides on r0
//	restart r0-a      forgets its world
//	store lost|back
func (c *council) play(script string) {
	c.t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(script), "\n") {
		f := strings.Fields(line)
		second, err := strconv.Atoi(f[0])
		if err != nil {
			c.t.Fatalf("%q: %v", line, err)
		}
		for c.at < second { // the fleet lives through every second
			c.at++
			c.judge()
		}
		c.do(line, f[1], f[2:])
	}
}

func (c *council) do(line, verb string, args []string) {
	c.t.Helper()
	switch verb {
	case "vote":
		for _, a := range args {
			region, mark, _ := strings.Cut(a, "=")
			c.marks[region], c.since[region] = mark, c.at
		}
	case "alone":
		region, mark, _ := strings.Cut(args[1], "=")
		c.alone[args[0]+" "+region] = mark
	case "silent", "speaks":
		for _, m := range args {
			c.silent[m] = verb == "silent"
		}
	case "ahead":
		c.ahead[args[0]] = atoi(args[1]) * time.Second
	case "drain", "failback", "pin":
		o := drain(regions.OverrideRegion, args[0], c.now().Add(atoi(args[1])*time.Second))
		o.Created = c.now()
		switch verb {
		case "failback":
			o.Kind = regions.OverrideFailback
		case "pin":
			o.Action = regions.ActionPin
		}
		c.overrides = append(c.overrides, o)
	case "undo":
		c.overrides = nil
	case "restart":
		for _, m := range args {
			delete(c.worlds, m)
		}
	case "store":
		c.lost = args[0] == "lost"
	case "is", "end":
		c.expect(line, verb, args)
		return
	default:
		c.t.Fatalf("%q: no such verb", line)
	}
	c.settle()
}

func atoi(s string) time.Duration {
	n, _ := strconv.Atoi(s)
	return time.Duration(n)
}

func (c *council) expect(line, verb string, args []string) {
	c.t.Helper()
	worlds := map[string]*regions.World{}
	for name, w := range c.worlds {
		worlds[name] = w
	}
	if !c.lost {
		worlds["a newcomer"] = regions.Judge(c.input(c.ballots()))
	}
	for name, w := range worlds {
		for _, a := range args {
			region, want, _ := strings.Cut(a, "=")
			i, _ := strconv.Atoi(region[1:])
			v := &w.Regions[i]
			if verb == "end" {
				v = &w.Endpoints[0][i]
			}
			got := v.Label()
			if v.Ramp > 0 {
				got += strconv.Itoa(int(v.Ramp))
			}
			if got != want {
				c.t.Errorf("%q: %s says %s %s (%s)", line, name, region, got, v.Why())
			}
		}
	}
}

func recovering(r regions.Recovery) func(*regions.Topology) {
	return func(t *regions.Topology) {
		for i := range t.Regions {
			t.Regions[i].Recovery = r
		}
	}
}
