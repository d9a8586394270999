package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/store/protocol"
)

func applying(t *testing.T, g ground) {
	a := start(t, g.quick(t, "a"))
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

func applyOneWins(t *testing.T, g ground) {
	a := start(t, g.quick(t, "a"))
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

func applyTooMuch(t *testing.T, g ground) {
	a := start(t, g.quick(t, "a"))
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

func applyNumbers(t *testing.T, g ground) {
	a := start(t, g.quick(t, "a"))
	ctx, c := t.Context(), g.hand(t)
	for range 2 {
		if _, err := a.Apply(ctx, fleetFile("text", "ann"), -1); err != nil {
			t.Fatal(err)
		}
	}
	c.put(a.keys.Current(), "{garbage")
	if _, err := a.CurrentFleet(ctx); err == nil || !strings.Contains(err.Error(), "fleet/current") {
		t.Errorf("garbage is current: %v", err)
	}
	if _, err := a.Apply(ctx, fleetFile("text", "ann"), 2); err == nil {
		t.Error("applied on top of what cannot be read, as if it were known")
	}
	if f, err := a.Apply(ctx, fleetFile("over garbage", "ann"), -1); err != nil || f.N != 3 {
		t.Errorf("over garbage: %d, %v", f.N, err)
	}
	c.commit(protocol.Op{Kind: protocol.Delete, Key: a.keys.Current()})
	if f, err := a.Apply(ctx, fleetFile("after a delete", "ann"), 0); err != nil || f.N != 4 {
		t.Errorf("after a delete: %d, %v", f.N, err)
	}
}

func historyPruned(t *testing.T, g ground) {
	a := start(t, g.quick(t, "a"))
	c := g.hand(t)
	for n := int64(1); n <= 60; n++ {
		f := fleetFile("text", "ann")
		f.N, f.At = n, noon
		data, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		c.put(a.keys.History(n), string(data))
		c.put(a.keys.Current(), string(data))
	}
	if _, err := a.Apply(t.Context(), fleetFile("text", "ann"), 60); err != nil {
		t.Fatal(err)
	}
	h, err := a.History(t.Context())
	if err != nil || len(h) != HistoryKept || h[0].N != 12 || h[HistoryKept-1].N != 61 {
		t.Errorf("%d kept, %v", len(h), err)
	}
	from, to := a.keys.HistoryFolder()
	if all := c.commit(protocol.Op{Key: from, End: to}).Parts[0]; len(all) != HistoryKept {
		t.Errorf("%d stored", len(all))
	}
}

func overriding(t *testing.T, g ground) {
	a := start(t, g.quick(t, "a"))
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

func overrideOneWins(t *testing.T, g ground) {
	a := start(t, g.quick(t, "a"))
	won := race(t, 8, func(i int) error {
		return a.PutOverride(context.Background(), drain(regions.OverrideRegion, "us-east", fmt.Sprint("operator ", i)), -1, false)
	})
	if won != 1 {
		t.Errorf("%d won", won)
	}
}

func overrideLastTwo(t *testing.T, g ground) {
	a := start(t, g.quick(t, "a"))
	basis := a.picture("any", func(*regions.Picture) bool { return true }).Revision
	won := race(t, 8, func(i int) error {
		return a.PutOverride(context.Background(), drain(regions.OverrideRegion, fmt.Sprint("region-", i), "ann"), basis, false)
	})
	if won != 1 {
		t.Errorf("%d of 8 operators drained a region each from one picture", won)
	}
}

// A store that ends every lease at once brings back nothing that is drained.
func overrideStays(t *testing.T, g ground) {
	a := start(t, g.quick(t, "a"))
	o := drain(regions.OverrideRegion, "us-east", "ann")
	if err := a.PutOverride(t.Context(), o, -1, false); err != nil {
		t.Fatal(err)
	}
	if e := g.hand(t).get(a.keys.Override(o.Kind, o.Name)); len(e) != 1 || e[0].Lease != 0 {
		t.Errorf("the override hangs on a lease: %+v", e)
	}
}

// What ended long ago is deleted, what ended lately is not.
func overrideSwept(t *testing.T, g ground) {
	opt := g.quick(t, "a")
	h, k := g.hand(t), protocol.Keys(opt.Prefix)
	for name, ended := range map[string]time.Duration{"old": 25 * time.Hour, "late": 23 * time.Hour} {
		o := drain(regions.OverrideRegion, name, "ann")
		o.Expires = time.Now().Add(-ended)
		o.Created = o.Expires.Add(-time.Hour)
		data, err := protocol.Pack(o)
		if err != nil {
			t.Fatal(err)
		}
		h.put(k.Override(o.Kind, o.Name), string(data))
	}
	a := start(t, opt)
	p := a.picture("one override", func(p *regions.Picture) bool { return len(p.Overrides) == 1 })
	if p.Overrides[0].Name != "late" {
		t.Errorf("swept the wrong one: %+v", p.Overrides)
	}
}

func overrideExpired(t *testing.T, g ground) {
	a := start(t, g.quick(t, "a"))
	old := drain(regions.OverrideRegion, "us-east", "ann")
	old.Created, old.Expires = noon, noon.Add(time.Minute)
	data, err := json.Marshal(old)
	if err != nil {
		t.Fatal(err)
	}
	basis := g.hand(t).put(a.keys.Override(old.Kind, old.Name), string(data))
	if err := a.PutOverride(t.Context(), drain(regions.OverrideRegion, "us-east", "bob"), basis, false); err != nil {
		t.Error(err)
	}
}

func overrideBad(t *testing.T, g ground) {
	a := start(t, g.quick(t, "a"))
	basis := g.hand(t).put(a.keys.Override(regions.OverrideRegion, "us-east"), "{garbage")
	if err := a.PutOverride(t.Context(), drain(regions.OverrideRegion, "us-east", "bob"), basis-1, false); !errors.Is(err, ErrStale) {
		t.Errorf("on an older picture: %v", err)
	}
	if err := a.PutOverride(t.Context(), drain(regions.OverrideRegion, "us-east", "bob"), basis, false); err != nil {
		t.Error(err)
	}
}

func twoOfOneName(t *testing.T, g ground) {
	var log lines
	opt := g.quick(t, "a")
	opt.Log = log.logger()
	a, twin := start(t, opt), start(t, g.quick(t, "a"))
	a.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	twin.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	a.status("a word about it", func(s Status) bool { return s.Twin })
	a.picture("some beats", func(p *regions.Picture) bool { return len(p.Ballots) == 1 && p.Ballots[0].Seq > 5 })
	if n := log.count("another process writes the votes of this instance"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	twin.stop()
	a.status("the end of it", func(s Status) bool { return !s.Twin })
}

// An entry that is written before any vote is no vote of somebody else's.
func TestEntryBeforeVotes(t *testing.T) {
	var log lines
	opt := quick(t, "a", shared)
	opt.Log = log.logger()
	a := start(t, opt)
	a.PublishInstance(regions.Instance{Region: "us-east", Started: noon})
	a.picture("the entry", func(p *regions.Picture) bool { return len(p.Instances) == 1 })
	a.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	a.picture("two beats", func(p *regions.Picture) bool { return len(p.Ballots) == 1 && p.Ballots[0].Seq >= 2 })
	if log.contains("another process writes") {
		t.Error("this instance takes itself for another process")
	}
}

// What can never be stored is told apart from a store that does not answer.
func TestInvalidIsNotUnavailable(t *testing.T) {
	a := start(t, quick(t, "a", shared))
	bell := drain(regions.OverrideRegion, "eu-west", "ann")
	bell.Reason = "a bell \a rings"
	if err := a.PutOverride(t.Context(), bell, -1, false); !errors.Is(err, ErrInvalid) {
		t.Errorf("an unprintable reason: %v, want ErrInvalid", err)
	}
	if _, err := a.Apply(t.Context(), fleetFile("", "ann"), -1); !errors.Is(err, ErrInvalid) {
		t.Errorf("an empty fleet file: %v, want ErrInvalid", err)
	}
}
