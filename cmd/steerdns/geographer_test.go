package main

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/steerdns/steerdns/config"
	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/regions"
)

// A fleet file that no atlas can be made for is told as such, and the next
// good one ends that.
func TestGeographerTellsOfAnUnfitFleet(t *testing.T) {
	g := newGeographer(config.Geo{}, slog.New(slog.DiscardHandler))
	bundles, told := make(chan *bundle, 1), make(chan error, 1)
	g.out = func(b *bundle) { bundles <- b }
	g.unfit = func(err error) { told <- err }
	g.failed = func(err error) {
		if err != nil {
			t.Errorf("a database is blamed: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.run(ctx) }()
	defer func() { cancel(); <-done }()

	good := &assembled{topology: &regions.Topology{Hash: "good"}}
	fence := regions.Stage{Kind: regions.StageFence, Fence: regions.Fence{Prefixes: []netip.Prefix{netip.MustParsePrefix("2001:db8::/65")}}}
	unfit := &assembled{topology: &regions.Topology{Hash: "unfit", Services: []regions.Service{{Policy: []regions.Stage{fence}}}}}
	misplaced := &assembled{topology: good.topology, places: []geo.PlaceRule{{}}}
	for _, f := range []*assembled{unfit, misplaced} {
		g.fleets.put(f)
		if err := <-told; err == nil {
			t.Fatal("an unfit fleet file is told as fit")
		}
		g.fleets.put(good)
		if b := <-bundles; b.fleet != good {
			t.Errorf("bundle of %s", b.fleet.topology.Hash)
		}
		if err := <-told; err != nil {
			t.Errorf("after a good fleet file: %v", err)
		}
	}
}

// A fleet file that only has another number needs no other atlas.
func TestGeographerKeepsTheAtlasOfARenamedFleet(t *testing.T) {
	g := newGeographer(config.Geo{}, slog.New(slog.DiscardHandler))
	bundles := make(chan *bundle, 1)
	g.out = func(b *bundle) { bundles <- b }
	g.failed = func(error) {}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.run(ctx) }()
	defer func() { cancel(); <-done }()
	first := &assembled{topology: &regions.Topology{Hash: "a"}, file: regions.FleetFile{N: 4}}
	g.fleets.put(first)
	before := <-bundles
	second := *first
	second.file.N = 1
	g.fleets.put(&second)
	if after := <-bundles; after.fleet != &second || after.atlas != before.atlas || after.data != before.data {
		t.Errorf("number %d, the same atlas: %v", after.fleet.file.N, after.atlas == before.atlas)
	}
}

// What the follower of a database finds for the places before must not come
// into force after those have changed.
func TestGeographerForgetsFindingsForOldPlaces(t *testing.T) {
	g := newGeographer(config.Geo{}, slog.New(slog.DiscardHandler))
	g.failed = func(error) {}
	ctx, cancel := context.WithCancel(t.Context())
	defer g.tasks.Wait()
	defer cancel()
	if err := g.take(ctx, &assembled{}); err != nil {
		t.Fatal(err)
	}
	before := g.fresh
	if err := g.take(ctx, &assembled{places: []geo.PlaceRule{{
		Prefix: netip.MustParsePrefix("192.0.2.0/24"), Place: geo.Place{Located: true},
	}}}); err != nil {
		t.Fatal(err)
	}
	before.put(g.data)
	if g.fresh == before || len(g.fresh.ch) != 0 {
		t.Error("a database opened for other places waits to be used")
	}
}
