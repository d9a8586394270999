package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/store/protocol"
)

func TestContract(t *testing.T) { contract(t, ground{endpoints: []string{shared}}) }

// contract is what any etcd must give; the e2e tests run it on old peers.
func contract(t *testing.T, g ground) {
	for name, test := range map[string]func(*testing.T, ground){
		"votes travel":                   votesTravel,
		"beats go on":                    beatsGoOn,
		"a beat does not touch others":   samePublishedTwice,
		"the dead leave":                 theDeadLeave,
		"goodbye":                        goodbye,
		"a lost lease is made again":     lostLease,
		"unbelieved, nothing is written": unbelieved,
		"bad values alone":               badValuesAlone,
		"many votes":                     manyVotes,
		"compaction under a watch":       compactionUnderWatch,
		"bounded pace":                   boundedPace,
		"apply":                          applying,
		"apply: one wins":                applyOneWins,
		"apply: too much":                applyTooMuch,
		"apply: numbers never return":    applyNumbers,
		"history is pruned":              historyPruned,
		"override":                       overriding,
		"override: one wins":             overrideOneWins,
		"override: last two regions":     overrideLastTwo,
		"override: expired is no hurdle": overrideExpired,
		"override: bad one is no hurdle": overrideBad,
		"override: stays without leases": overrideStays,
		"override: swept":                overrideSwept,
		"serial: one wins":               serialOneWins,
		"two processes of one name":      twoOfOneName,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, g)
		})
	}
}

func votesTravel(t *testing.T, g ground) {
	a, b := start(t, g.quick(t, "a")), start(t, g.quick(t, "b"))
	a.PublishVotes(vote("us-east", "www.example.com/us-east/192.0.2.1", healthcheck.Down, "connection refused"))
	a.PublishInstance(regions.Instance{Region: "us-east", DNS: []string{"192.0.2.53:53"}, Started: noon})
	p := b.picture("a's ballot and entry", func(p *regions.Picture) bool { return len(p.Ballots) == 1 && len(p.Instances) == 1 })
	got := p.Ballots[0]
	want := healthcheck.Vote{State: healthcheck.Down, Reason: "connection refused", Since: noon}
	if got.Instance != "a" || got.Region != "us-east" || got.Boot == "" || got.Seq == 0 || got.Beat != 300*time.Millisecond ||
		got.Votes["www.example.com/us-east/192.0.2.1"] != want {
		t.Errorf("ballot %+v", got)
	}
	if i := p.Instances[0]; i.Name != "a" || i.DNS[0] != "192.0.2.53:53" || !i.Started.Equal(noon) {
		t.Errorf("instance %+v", i)
	}
	b.PublishVotes(vote("eu-west", "e", healthcheck.Up, ""))
	p = a.picture("both ballots", func(p *regions.Picture) bool { return len(p.Ballots) == 2 })
	if p.Ballots[0].Instance != "a" || p.Ballots[1].Instance != "b" {
		t.Error("ballots are not sorted")
	}
	if s := a.Store.Status(); !s.Connected || s.Reason != "" || s.Cluster != p.Cluster || s.Revision < p.Revision || s.LastContact.IsZero() {
		t.Errorf("status %+v", s)
	}
}

func beatsGoOn(t *testing.T, g ground) {
	a := start(t, g.quick(t, "a"))
	a.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	first := a.picture("a ballot", func(p *regions.Picture) bool { return len(p.Ballots) == 1 }).Ballots[0]
	then := a.picture("three more beats", func(p *regions.Picture) bool { return p.Ballots[0].Seq >= first.Seq+3 }).Ballots[0]
	if then.Boot != first.Boot {
		t.Error("the boot changed within one run")
	}
}

// A store in which nobody writes gives signs of life when it is asked.
func TestQuietIsNotLost(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.start()
	quietIsNotLost(t, ground{endpoints: []string{s.at}})
}

func TestQuietIsNotLostInTheSimulation(t *testing.T) {
	t.Parallel()
	quietIsNotLost(t, ground{endpoints: []string{"http://simulated.example.com:2379"}, connect: newSimulated(t).connect})
}

func quietIsNotLost(t *testing.T, g ground) {
	opt := g.quick(t, "a")
	opt.Silence = time.Second
	a := start(t, opt)
	a.status("a connection", func(s Status) bool { return s.Connected })
	first := a.Status().LastContact
	a.wait("contact for three times the silence", func() bool { return a.Status().LastContact.Sub(first) > 3*opt.Silence })
	if slices.ContainsFunc(a.statuses[1:], func(s Status) bool { return !s.Connected }) || a.Stats().WatchRestarts > 0 {
		t.Errorf("a quiet store was lost: %+v", a.statuses)
	}
}

func samePublishedTwice(t *testing.T, g ground) {
	opt := g.quick(t, "a")
	opt.VoteBeat, opt.LeaseTTL = time.Minute, 2*time.Minute
	a := start(t, opt)
	for range 50 {
		a.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
		a.PublishInstance(regions.Instance{Region: "us-east", Started: noon})
	}
	a.PublishVotes(vote("us-east", "e", healthcheck.Down, "gone"))
	a.picture("the change", func(p *regions.Picture) bool {
		return len(p.Ballots) == 1 && p.Ballots[0].Votes["e"].State == healthcheck.Down
	})
	if n := a.Stats().Writes; n > 3 {
		t.Errorf("%d writes of two different contents", n)
	}
}

func theDeadLeave(t *testing.T, g ground) {
	a, b := start(t, g.quick(t, "a")), start(t, g.quick(t, "b"))
	a.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	a.PublishInstance(regions.Instance{Region: "us-east", Started: noon})
	b.picture("a's ballot", func(p *regions.Picture) bool { return len(p.Ballots) == 1 })
	a.stop()
	b.picture("a's absence", func(p *regions.Picture) bool { return len(p.Ballots) == 0 && len(p.Instances) == 0 })
}

func goodbye(t *testing.T, g ground) {
	opt := g.quick(t, "a")
	opt.LeaseTTL = time.Hour
	a, b := start(t, opt), start(t, g.quick(t, "b"))
	a.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	b.picture("a's ballot", func(p *regions.Picture) bool { return len(p.Ballots) == 1 })
	if err := a.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.picture("a's absence", func(p *regions.Picture) bool { return len(p.Ballots) == 0 })
	writes := a.Stats().Writes
	a.PublishVotes(vote("us-east", "e", healthcheck.Down, ""))
	b.PublishVotes(vote("us-west", "e", healthcheck.Up, ""))
	p := b.picture("b's second beat", func(p *regions.Picture) bool { return len(p.Ballots) > 0 && p.Ballots[len(p.Ballots)-1].Seq > 2 })
	if ballotOf(p, "a") != nil || a.Stats().Writes != writes {
		t.Error("a wrote after its goodbye")
	}
}

// An instance that does not believe what it lists leaves the store alone, and
// what it had written ends with its lease; believing it again, it votes again.
func unbelieved(t *testing.T, g ground) {
	a, b := start(t, g.quick(t, "a")), start(t, g.quick(t, "b"))
	a.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	b.PublishVotes(vote("eu-west", "e", healthcheck.Up, ""))
	b.picture("both ballots", func(p *regions.Picture) bool { return len(p.Ballots) == 2 })
	a.Believe(false)
	a.PublishVotes(vote("us-east", "e", healthcheck.Down, "wrong cluster"))
	b.picture("a's absence", func(p *regions.Picture) bool { return ballotOf(p, "a") == nil })
	b.wait("no vote of a's since", func() bool {
		return !slices.ContainsFunc(b.pictures, func(p *regions.Picture) bool {
			v := ballotOf(p, "a")
			return v != nil && v.Votes["e"].State == healthcheck.Down
		})
	})
	a.Believe(true)
	b.picture("a's return", func(p *regions.Picture) bool {
		v := ballotOf(p, "a")
		return v != nil && v.Votes["e"].State == healthcheck.Down
	})
}

func lostLease(t *testing.T, g ground) {
	a := start(t, g.quick(t, "a"))
	a.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	a.PublishInstance(regions.Instance{Region: "us-east", Started: noon})
	a.picture("a ballot", func(p *regions.Picture) bool { return len(p.Ballots) == 1 && len(p.Instances) == 1 })
	c := g.hand(t)
	c.do(protocol.Request{Kind: protocol.Revoke, Lease: c.get(a.keys.Votes("a"))[0].Lease})
	gone := func(p *regions.Picture) bool { return len(p.Ballots) == 0 }
	a.wait("its end", func() bool { return slices.ContainsFunc(a.pictures[1:], gone) })
	a.picture("its return", func(p *regions.Picture) bool { return len(p.Ballots) == 1 && len(p.Instances) == 1 })
	if f := a.Stats().WriteFailures; f != 0 {
		t.Errorf("%d failures: an expired lease is no failure", f)
	}
}

func badValuesAlone(t *testing.T, g ground) {
	a := start(t, g.quick(t, "a"))
	a.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	if err := a.PutOverride(t.Context(), drain(regions.OverrideRegion, "eu-west", "ann"), -1, false); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Apply(t.Context(), fleetFile("zones: {}", "ann"), 0); err != nil {
		t.Fatal(err)
	}
	a.picture("the good ones", func(p *regions.Picture) bool { return p.Fleet != nil && len(p.Ballots) == 1 })
	c, prefix := g.hand(t), a.opt.Prefix
	for _, key := range []string{"votes/x", "instances/x", "overrides/region/x", "overrides/x", "fleet/current", "votes/", "votes/%zz"} {
		c.put(prefix+key, "{garbage")
	}
	c.put(prefix+"elsewhere/x", "not ours")
	mixed := `{"instance":"m","region":"r","boot":"b","seq":1,"beat":5000000000,"votes":{"good":{"state":"up","reason":"","since":"2026-03-01T12:00:00Z"},"bad":{"state":"sideways"}}}`
	c.put(prefix+"votes/m", mixed)
	p := a.picture("eight refusals", func(p *regions.Picture) bool { return len(p.Rejected) == 8 })
	if len(p.Ballots) != 2 || len(p.Overrides) != 1 || p.Fleet == nil || p.Fleet.Text != "zones: {}" {
		t.Errorf("the good ones suffered: %+v", p)
	}
	if b := ballotOf(p, "m"); len(b.Votes) != 1 || b.Votes["good"].State != healthcheck.Up {
		t.Errorf("ballot of m: %+v", b)
	}
	if n := a.Stats().Rejected; n != 8 {
		t.Errorf("Stats say %d refused", n)
	}
}

func manyVotes(t *testing.T, g ground) {
	opt := g.quick(t, "a")
	opt.VoteBeat, opt.LeaseTTL = 5*time.Second, 15*time.Second
	a, b := start(t, opt), start(t, g.quick(t, "b"))
	all := regions.Ballot{Region: "us-east", Votes: map[string]healthcheck.Vote{}}
	for i := range MaxVotes + 10 {
		all.Votes[fmt.Sprintf("www%05d.gslb.example.com/us-east/192.0.2.1", i)] = healthcheck.Vote{State: healthcheck.Up, Reason: "200 OK in 12 ms", Since: noon}
	}
	a.PublishVotes(all)
	p := b.picture("a large ballot", func(p *regions.Picture) bool { return len(p.Ballots) == 1 })
	if n := len(p.Ballots[0].Votes); n != MaxVotes || len(p.Rejected) != 0 {
		t.Errorf("%d votes arrived, %d refused", n, len(p.Rejected))
	}
}

func compactionUnderWatch(t *testing.T, g ground) {
	opt := g.quick(t, "")
	s, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	client := g.hand(t)
	var got []*regions.Picture
	c := newConsumer(s, func(p *regions.Picture) { got = append(got, p) })
	if err := c.list(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	rev := client.put(s.keys.Votes("a"), `{"instance":"a","region":"r","boot":"b","beat":1}`)
	client.compact(rev)
	word := <-client.Watch(t.Context(), opt.Prefix, 1)
	if !errors.Is(word.Err, protocol.ErrCompacted) || word.Compacted < rev {
		t.Fatalf("a compacted watch says %+v", word)
	}
	if err := c.hear(word, true); err != nil {
		t.Fatalf("a compacted watch ended the session: %v", err)
	}
	if step, err := c.reader.Next(time.Now().Add(time.Second)); step != protocol.List || err != nil {
		t.Fatalf("step %d, %v after a compaction, want a list", step, err)
	}
	if err := c.list(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || len(got[1].Ballots) != 1 {
		t.Errorf("pictures %+v", got)
	}
}

func boundedPace(t *testing.T, g ground) {
	opt := g.quick(t, "a")
	opt.Coalesce = 50 * time.Millisecond
	a := start(t, opt)
	began := time.Now()
	for i := range 3000 {
		a.PublishVotes(vote("us-east", "e", healthcheck.Up, fmt.Sprint(i)))
	}
	a.picture("the last of them", func(p *regions.Picture) bool { return len(p.Ballots) == 1 && p.Ballots[0].Votes["e"].Reason == "2999" })
	most := 1 + uint64(time.Since(began)/opt.Coalesce)
	if n := a.Stats().Writes; n > most {
		t.Errorf("%d writes in %v, at most %d are allowed", n, time.Since(began), most)
	}
}
