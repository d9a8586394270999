package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

func TestContract(t *testing.T) { contract(t, shared) }

// contract is what any etcd must give; the e2e tests run it on old peers.
func contract(t *testing.T, endpoints ...string) {
	for name, test := range map[string]func(*testing.T, ...string){
		"votes travel":                   votesTravel,
		"beats go on":                    beatsGoOn,
		"a beat does not touch others":   samePublishedTwice,
		"the dead leave":                 theDeadLeave,
		"goodbye":                        goodbye,
		"a lost lease is made again":     lostLease,
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
		"two processes of one name":      twoOfOneName,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, endpoints...)
		})
	}
}

func votesTravel(t *testing.T, endpoints ...string) {
	a, b := start(t, quick(t, "a", endpoints...)), start(t, quick(t, "b", endpoints...))
	a.PublishVotes(vote("us-east", "www.example.com/us-east/192.0.2.1", healthcheck.Down, "connection refused"))
	a.PublishInstance(regions.Instance{Region: "us-east", DNS: []string{"192.0.2.53:53"}, Started: noon})
	p := b.picture("a's ballot and entry", func(p *regions.Picture) bool { return len(p.Ballots) == 1 && len(p.Instances) == 1 })
	got := p.Ballots[0]
	want := healthcheck.Vote{State: healthcheck.Down, Reason: "connection refused", Since: noon}
	if got.Instance != "a" || got.Region != "us-east" || got.Boot != a.boot || got.Seq == 0 || got.Beat != 300*time.Millisecond ||
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

func beatsGoOn(t *testing.T, endpoints ...string) {
	a := start(t, quick(t, "a", endpoints...))
	a.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	first := a.picture("a ballot", func(p *regions.Picture) bool { return len(p.Ballots) == 1 }).Ballots[0]
	then := a.picture("three more beats", func(p *regions.Picture) bool { return p.Ballots[0].Seq >= first.Seq+3 }).Ballots[0]
	if then.Boot != first.Boot {
		t.Error("the boot changed within one run")
	}
}

func samePublishedTwice(t *testing.T, endpoints ...string) {
	opt := quick(t, "a", endpoints...)
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

func theDeadLeave(t *testing.T, endpoints ...string) {
	a, b := start(t, quick(t, "a", endpoints...)), start(t, quick(t, "b", endpoints...))
	a.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	a.PublishInstance(regions.Instance{Region: "us-east", Started: noon})
	b.picture("a's ballot", func(p *regions.Picture) bool { return len(p.Ballots) == 1 })
	a.stop()
	b.picture("a's absence", func(p *regions.Picture) bool { return len(p.Ballots) == 0 && len(p.Instances) == 0 })
}

func goodbye(t *testing.T, endpoints ...string) {
	opt := quick(t, "a", endpoints...)
	opt.LeaseTTL = time.Hour
	a, b := start(t, opt), start(t, quick(t, "b", endpoints...))
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

func lostLease(t *testing.T, endpoints ...string) {
	a := start(t, quick(t, "a", endpoints...))
	a.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	a.PublishInstance(regions.Instance{Region: "us-east", Started: noon})
	a.picture("a ballot", func(p *regions.Picture) bool { return len(p.Ballots) == 1 && len(p.Instances) == 1 })
	c := raw(t, endpoints...)
	kv, err := c.Get(t.Context(), a.keys.votes("a"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Revoke(t.Context(), clientv3.LeaseID(kv.Kvs[0].Lease)); err != nil {
		t.Fatal(err)
	}
	gone := func(p *regions.Picture) bool { return len(p.Ballots) == 0 }
	a.wait("its end", func() bool { return slices.ContainsFunc(a.pictures[1:], gone) })
	a.picture("its return", func(p *regions.Picture) bool { return len(p.Ballots) == 1 && len(p.Instances) == 1 })
	if f := a.Stats().WriteFailures; f != 0 {
		t.Errorf("%d failures: an expired lease is no failure", f)
	}
}

func badValuesAlone(t *testing.T, endpoints ...string) {
	a := start(t, quick(t, "a", endpoints...))
	a.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	if err := a.PutOverride(t.Context(), drain(regions.OverrideRegion, "eu-west", "ann"), -1, false); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Apply(t.Context(), fleetFile("zones: {}", "ann"), 0); err != nil {
		t.Fatal(err)
	}
	c, prefix := raw(t, endpoints...), a.opt.Prefix
	for _, key := range []string{"votes/x", "instances/x", "overrides/region/x", "overrides/x", "fleet/current", "votes/", "votes/%zz"} {
		put(t, c, prefix+key, "{garbage")
	}
	put(t, c, prefix+"elsewhere/x", "not ours")
	mixed := `{"instance":"m","region":"r","boot":"b","seq":1,"beat":5000000000,"votes":{"good":{"state":"up","reason":"","since":"2026-03-01T12:00:00Z"},"bad":{"state":"sideways"}}}`
	put(t, c, prefix+"votes/m", mixed)
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

func manyVotes(t *testing.T, endpoints ...string) {
	a, b := start(t, quick(t, "a", endpoints...)), start(t, quick(t, "b", endpoints...))
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

func compactionUnderWatch(t *testing.T, endpoints ...string) {
	opt := quick(t, "", endpoints...)
	s, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	client := raw(t, endpoints...)
	var got []*regions.Picture
	c := newConsumer(s, func(p *regions.Picture) { got = append(got, p) })
	if err := c.list(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	rev := put(t, client, s.keys.votes("a"), `{"instance":"a","region":"r","boot":"b","beat":1}`)
	if _, err := client.Compact(t.Context(), rev); err != nil && !strings.Contains(err.Error(), "compacted") {
		t.Fatal(err)
	}
	watch := client.Watch(t.Context(), opt.Prefix, clientv3.WithPrefix(), clientv3.WithRev(1))
	if err := c.hear(<-watch); !errors.Is(err, errRelist) {
		t.Fatalf("a compacted watch: %v", err)
	}
	if err := c.list(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || len(got[1].Ballots) != 1 {
		t.Errorf("pictures %+v", got)
	}
}

func boundedPace(t *testing.T, endpoints ...string) {
	opt := quick(t, "a", endpoints...)
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

func applying(t *testing.T, endpoints ...string) {
	a := start(t, quick(t, "a", endpoints...))
	ctx := t.Context()
	if f, err := a.CurrentFleet(ctx); f != nil || err != nil {
		t.Fatalf("an empty store has %v, %v", f, err)
	}
	one, err := a.Apply(ctx, fleetFile("one", "ann"), 0)
	if err != nil || one.N != 1 || one.At.IsZero() {
		t.Fatalf("first: %+v, %v", one, err)
	}
	two := fleetFile("two", "bob")
	two.Files = map[string]string{"a.zone": "a\t300 IN A 192.0.2.1\n"}
	if two, err = a.Apply(ctx, two, 1); err != nil || two.N != 2 {
		t.Fatalf("second: %+v, %v", two, err)
	}
	var conflict *FleetConflictError
	if _, err := a.Apply(ctx, fleetFile("late", "eve"), 1); !errors.As(err, &conflict) || !errors.Is(err, ErrConflict) ||
		conflict.Current.By != "bob" || !conflict.Current.At.Equal(two.At) || !strings.Contains(err.Error(), "bob") {
		t.Errorf("late: %v", err)
	}
	if three, err := a.Apply(ctx, fleetFile("three", "eve"), -1); err != nil || three.N != 3 {
		t.Errorf("whatever: %+v, %v", three, err)
	}
	history, err := a.History(ctx)
	if err != nil || len(history) != 3 || history[0].Text != "one" || history[2].Text != "three" || !maps.Equal(history[1].Files, two.Files) {
		t.Errorf("history %+v, %v", history, err)
	}
	p := a.picture("the third", func(p *regions.Picture) bool { return p.Fleet != nil && p.Fleet.N == 3 })
	if now, err := a.CurrentFleet(ctx); err != nil || now.Text != p.Fleet.Text {
		t.Errorf("current %+v, %v", now, err)
	}
}

// race runs do n times at once and counts who wins; all others must fail with ErrConflict or ErrStale.
func race(t *testing.T, n int, do func(i int) error) int64 {
	var won wins
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			switch err := do(i); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, ErrConflict) && !errors.Is(err, ErrStale):
				t.Errorf("loser %d: %v", i, err)
			}
		})
	}
	group.Wait()
	return won.Load()
}

func applyOneWins(t *testing.T, endpoints ...string) {
	a := start(t, quick(t, "a", endpoints...))
	for n := range int64(3) {
		won := race(t, 6, func(i int) error {
			_, err := a.Apply(context.Background(), fleetFile(fmt.Sprint(n, i), "ann"), n)
			return err
		})
		if won != 1 {
			t.Errorf("round %d: %d won", n, won)
		}
	}
	if h, err := a.History(t.Context()); err != nil || len(h) != 3 {
		t.Errorf("history of %d, %v", len(h), err)
	}
}

func applyTooMuch(t *testing.T, endpoints ...string) {
	a := start(t, quick(t, "a", endpoints...))
	noise := make([]byte, 0, 1<<21)
	for x := uint32(1); len(noise) < 1<<21; x = x*1664525 + 1013904223 {
		noise = append(noise, "0123456789abcdefghijklmnopqrstuv"[x>>27])
	}
	f := fleetFile("zones: {}", "ann")
	f.Files = map[string]string{"large.zone": string(noise)}
	if _, err := a.Apply(t.Context(), f, -1); err == nil || !strings.Contains(err.Error(), "etcd has room for") {
		t.Errorf("2 MiB of noise: %v", err)
	}
	f.Files["large.zone"] = strings.Repeat("www 300 IN A 192.0.2.1\n", 100_000)
	if _, err := a.Apply(t.Context(), f, -1); err != nil {
		t.Errorf("2.3 MB that packs well: %v", err)
	}
	if now, err := a.CurrentFleet(t.Context()); err != nil || now.Files["large.zone"] != f.Files["large.zone"] {
		t.Errorf("not what was stored: %v", err)
	}
	if _, err := a.Apply(t.Context(), fleetFile(strings.Repeat("x", MaxFleetText+1), "ann"), -1); err == nil {
		t.Error("a text over the limit was taken")
	}
}

func applyNumbers(t *testing.T, endpoints ...string) {
	a := start(t, quick(t, "a", endpoints...))
	ctx, c := t.Context(), raw(t, endpoints...)
	for range 2 {
		if _, err := a.Apply(ctx, fleetFile("text", "ann"), -1); err != nil {
			t.Fatal(err)
		}
	}
	put(t, c, a.keys.current(), "{garbage")
	if _, err := a.CurrentFleet(ctx); err == nil || !strings.Contains(err.Error(), "fleet/current") {
		t.Errorf("garbage is current: %v", err)
	}
	if _, err := a.Apply(ctx, fleetFile("text", "ann"), 2); err == nil {
		t.Error("applied on top of what cannot be read, as if it were known")
	}
	if f, err := a.Apply(ctx, fleetFile("over garbage", "ann"), -1); err != nil || f.N != 3 {
		t.Errorf("over garbage: %d, %v", f.N, err)
	}
	if _, err := c.Delete(ctx, a.keys.current()); err != nil {
		t.Fatal(err)
	}
	if f, err := a.Apply(ctx, fleetFile("after a delete", "ann"), 0); err != nil || f.N != 4 {
		t.Errorf("after a delete: %d, %v", f.N, err)
	}
}

func historyPruned(t *testing.T, endpoints ...string) {
	a := start(t, quick(t, "a", endpoints...))
	c := raw(t, endpoints...)
	for n := int64(1); n <= 60; n++ {
		f := fleetFile("text", "ann")
		f.N, f.At = n, noon
		data, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		put(t, c, a.keys.history(n), string(data))
		put(t, c, a.keys.current(), string(data))
	}
	if _, err := a.Apply(t.Context(), fleetFile("text", "ann"), 60); err != nil {
		t.Fatal(err)
	}
	h, err := a.History(t.Context())
	if err != nil || len(h) != HistoryKept || h[0].N != 12 || h[HistoryKept-1].N != 61 {
		t.Errorf("%d kept, %v", len(h), err)
	}
	all, err := c.Get(t.Context(), a.opt.Prefix+historyFolder, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil || all.Count != HistoryKept {
		t.Errorf("%d stored, %v", all.Count, err)
	}
}

func overriding(t *testing.T, endpoints ...string) {
	a := start(t, quick(t, "a", endpoints...))
	ctx, name := t.Context(), "www.example.com/us-east/2001:db8::1"
	o := drain(regions.OverrideEndpoint, name, "ann")
	if err := a.PutOverride(ctx, o, -1, false); err != nil {
		t.Fatal(err)
	}
	p := a.picture("the override", func(p *regions.Picture) bool { return len(p.Overrides) == 1 })
	if got := p.Overrides[0]; got.Name != name || got.Owner != "ann" || !got.Expires.Equal(o.Expires) || got.Created.IsZero() {
		t.Errorf("%+v", got)
	}
	var conflict *ConflictError
	again := drain(regions.OverrideEndpoint, name, "bob")
	if err := a.PutOverride(ctx, again, p.Revision, false); !errors.As(err, &conflict) || conflict.Existing.Owner != "ann" {
		t.Errorf("a second one: %v", err)
	}
	if err := a.PutOverride(ctx, again, p.Revision, true); err != nil {
		t.Errorf("replacing: %v", err)
	}
	if err := a.PutOverride(ctx, drain(regions.OverrideRegion, "us-east", "eve"), p.Revision, false); !errors.Is(err, ErrStale) || !strings.Contains(err.Error(), "bob") {
		t.Errorf("on an old picture: %v", err)
	}
	gone, found, err := a.DeleteOverride(ctx, regions.OverrideEndpoint, name)
	if err != nil || !found || gone.Owner != "bob" {
		t.Errorf("delete: %+v %v %v", gone, found, err)
	}
	if _, found, err := a.DeleteOverride(ctx, regions.OverrideEndpoint, name); found || err != nil {
		t.Errorf("delete again: %v %v", found, err)
	}
	a.picture("no override", func(p *regions.Picture) bool { return len(p.Overrides) == 0 })
	past := drain(regions.OverrideRegion, "us-east", "eve")
	past.Created, past.Expires = noon, noon.Add(time.Hour)
	if err := a.PutOverride(ctx, past, -1, false); err == nil {
		t.Error("an expired one was taken")
	}
}

func overrideOneWins(t *testing.T, endpoints ...string) {
	a := start(t, quick(t, "a", endpoints...))
	won := race(t, 8, func(i int) error {
		return a.PutOverride(context.Background(), drain(regions.OverrideRegion, "us-east", fmt.Sprint("operator ", i)), -1, false)
	})
	if won != 1 {
		t.Errorf("%d won", won)
	}
}

func overrideLastTwo(t *testing.T, endpoints ...string) {
	a := start(t, quick(t, "a", endpoints...))
	basis := a.picture("any", func(*regions.Picture) bool { return true }).Revision
	won := race(t, 8, func(i int) error {
		return a.PutOverride(context.Background(), drain(regions.OverrideRegion, fmt.Sprint("region-", i), "ann"), basis, false)
	})
	if won != 1 {
		t.Errorf("%d of 8 operators drained a region each from one picture", won)
	}
	leases, err := raw(t, endpoints...).Leases(t.Context())
	if err != nil || len(leases.Leases) > 100 {
		t.Errorf("%d leases left behind, %v", len(leases.Leases), err)
	}
}

func overrideExpired(t *testing.T, endpoints ...string) {
	a := start(t, quick(t, "a", endpoints...))
	old := drain(regions.OverrideRegion, "us-east", "ann")
	old.Created, old.Expires = noon, noon.Add(time.Minute)
	data, err := json.Marshal(old)
	if err != nil {
		t.Fatal(err)
	}
	basis := put(t, raw(t, endpoints...), a.keys.override(old.Kind, old.Name), string(data))
	if err := a.PutOverride(t.Context(), drain(regions.OverrideRegion, "us-east", "bob"), basis, false); err != nil {
		t.Error(err)
	}
}

func overrideBad(t *testing.T, endpoints ...string) {
	a := start(t, quick(t, "a", endpoints...))
	basis := put(t, raw(t, endpoints...), a.keys.override(regions.OverrideRegion, "us-east"), "{garbage")
	if err := a.PutOverride(t.Context(), drain(regions.OverrideRegion, "us-east", "bob"), basis-1, false); !errors.Is(err, ErrStale) {
		t.Errorf("on an older picture: %v", err)
	}
	if err := a.PutOverride(t.Context(), drain(regions.OverrideRegion, "us-east", "bob"), basis, false); err != nil {
		t.Error(err)
	}
}

func twoOfOneName(t *testing.T, endpoints ...string) {
	var log lines
	opt := quick(t, "a", endpoints...)
	opt.Log = log.logger()
	a, twin := start(t, opt), start(t, quick(t, "a", endpoints...))
	a.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	twin.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	a.wait("a word about it", func() bool { return log.contains("another process writes the votes of this instance") })
}
