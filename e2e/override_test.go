//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// order is one `steerdns drain` by somebody at some instance.
type order struct {
	owner, region string
	at            *part
	more          []string
}

func (o order) args() []string {
	return append([]string{"drain", "region", o.region, "--owner", o.owner, "--reason", o.owner + " has a reason",
		"--for", "10m", "--admin", o.at.Admin}, o.more...)
}

// atOnce gives orders at the same time.
func atOnce(t *testing.T, orders ...order) []result {
	t.Helper()
	results := make([]result, len(orders))
	var all sync.WaitGroup
	for i, o := range orders {
		all.Go(func() { results[i] = steerdns(t, o.args()...) })
	}
	all.Wait()
	return results
}

func winners(results []result) (list []int) {
	for i, r := range results {
		if r.status == 0 {
			list = append(list, i)
		}
	}
	return list
}

func (d *demo) undrainByHand(t *testing.T, region string) {
	t.Helper()
	steerdns(t, "undrain", "region", region, "--admin", d.Instances[0].Admin).must(t)
}

func TestTwoDrainsOfOneRegion(t *testing.T) {
	d := wholeDemo(t)
	for round := range 5 {
		orders := []order{
			{owner: "alice", region: "eu-west", at: d.find(t, "us-east-1")},
			{owner: "bob", region: "eu-west", at: d.find(t, "us-west-1")},
		}
		results := atOnce(t, orders...)
		won := winners(results)
		if len(won) != 1 {
			t.Fatalf("round %d: winners %v of\n%+v", round, won, results)
		}
		winner, loser := orders[won[0]], results[1-won[0]]
		if !strings.Contains(loser.errs, winner.owner) || loser.status != 1 {
			t.Errorf("round %d: the loser does not read that %s won: status %d, %q", round, winner.owner, loser.status, loser.errs)
		}
		await(t, patience, "all instances obey the winner", func() error { return d.drainedBy("eu-west", winner.owner) })
		d.undrainByHand(t, "eu-west")
		d.awaitWhole(t)
	}
}

// drainedBy wants all instances to have a region drained by somebody.
func (d *demo) drainedBy(region, owner string) error {
	for _, in := range d.Instances {
		s, err := in.status()
		if err != nil {
			return err
		}
		for _, r := range s.Regions {
			if r.Name == region && (r.Drained == nil || r.Drained.Owner != owner) {
				return fmt.Errorf("%s: drained %+v", in.Name, r.Drained)
			}
		}
		if got := answered(d, in); slices.Contains(got, region) {
			return fmt.Errorf("%s still answers %v", in.Name, got)
		}
	}
	return nil
}

// answered is the regions in an instance's answer to London.
func answered(d *demo, in *part) []string {
	r, err := ask(in.DNS, london)
	if err != nil {
		return nil
	}
	return d.regions(r)
}

// Of two who drain the two last regions at once, each alone would be right.
func TestTwoDrainsOfTheLastRegions(t *testing.T) {
	d := wholeDemo(t)
	for round := range 5 {
		steerdns(t, order{owner: "carol", region: "us-east", at: d.Instances[0]}.args()...).must(t)
		await(t, patience, "us-east is drained", func() error { return d.drainedBy("us-east", "carol") })
		orders := []order{
			{owner: "alice", region: "us-west", at: d.find(t, "us-east-1")},
			{owner: "bob", region: "eu-west", at: d.find(t, "us-west-1")},
		}
		results := atOnce(t, orders...)
		won := winners(results)
		if len(won) != 1 {
			t.Fatalf("round %d: winners %v of\n%+v", round, won, results)
		}
		if loser := results[1-won[0]]; loser.errs == "" || loser.status != 1 {
			t.Errorf("round %d: the loser reads nothing: %+v", round, loser)
		}
		d.undrainByHand(t, "us-east")
		d.undrainByHand(t, orders[won[0]].region)
		d.awaitWhole(t)
	}
}

func TestLastRegionNeedsForce(t *testing.T) {
	d := wholeDemo(t)
	p := probe(t, d.Instances, london)
	for _, region := range []string{"us-east", "us-west"} {
		steerdns(t, order{owner: "alice", region: region, at: d.Instances[0]}.args()...).must(t)
		await(t, patience, region+" is drained", func() error { return d.drainedBy(region, "alice") })
	}
	last := order{owner: "alice", region: "eu-west", at: d.Instances[5]}
	refused := steerdns(t, last.args()...)
	if refused.status != 1 || !strings.Contains(refused.errs, "--force") || !strings.Contains(refused.errs, "www.gslb.example.com") {
		t.Fatalf("draining the last region: %+v", refused)
	}
	if got := answered(d, d.Instances[0]); !slices.Equal(got, []string{"eu-west"}) {
		t.Errorf("after the refusal the answer has %v", got)
	}
	last.more = []string{"--force"}
	steerdns(t, last.args()...).must(t)
	await(t, patience, "everything is drained, so everything is answered", func() error {
		if got := answered(d, d.Instances[0]); len(got) != 3 {
			return fmt.Errorf("regions %v", got)
		}
		return nil
	})
	for _, region := range []string{"us-east", "us-west", "eu-west"} {
		d.undrainByHand(t, region)
	}
	d.awaitWhole(t)
	p.stop()
	p.wantNoFailure(t)
}

// An override ends on every instance's own clock, with the store or without.
func TestOverrideEndsByItself(t *testing.T) {
	d := wholeDemo(t)
	t.Run("with the store", func(t *testing.T) { d.wantEnd(t, func() {}) })
	t.Run("store stopped meanwhile", func(t *testing.T) {
		d.wantEnd(t, func() { d.signal(t, syscall.SIGSTOP, "etcd") })
		d.signal(t, syscall.SIGCONT, "etcd")
		d.awaitWhole(t)
	})
	t.Run("store killed meanwhile", func(t *testing.T) {
		d.wantEnd(t, func() { d.signal(t, syscall.SIGKILL, "etcd") })
		d.revive(t, "etcd")
		d.awaitWhole(t)
	})
}

// wantEnd drains for three seconds and times the end on the last instance.
func (d *demo) wantEnd(t *testing.T, meanwhile func()) {
	t.Helper()
	const length = 3 * time.Second
	p := probe(t, d.Instances, london)
	began := time.Now()
	steerdns(t, "drain", "region", "eu-west", "--owner", "e2e", "--reason", "short", "--for", length.String(), "--admin", d.Instances[0].Admin).must(t)
	set := time.Now()
	await(t, length, "all instances obey", func() error { return d.drainedBy("eu-west", "e2e") })
	meanwhile()
	last := p.last(t, began, not(d.has("eu-west")))
	p.stop()
	p.wantNoFailure(t)
	if early, late := began.Add(length-spread()), set.Add(length+spread()); last.Before(early) || last.After(late) {
		t.Errorf("the drain ended %s after it was ordered, want %s within %s", last.Sub(began), length, spread())
	}
	t.Logf("a drain of %s: last answer without eu-west %s after the order", length, last.Sub(began).Round(time.Millisecond))
}
