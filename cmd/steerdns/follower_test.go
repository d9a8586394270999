package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steerdns/steerdns/config"
	"github.com/steerdns/steerdns/dnsserver"
	"github.com/steerdns/steerdns/regions"
)

// newTestFollower is the follower of an instance that is not run.
func newTestFollower(t *testing.T, source config.FleetSource) *follower {
	t.Helper()
	conf := config.DefaultInstance()
	conf.Data, conf.Fleet = t.TempDir(), source
	log := slog.New(slog.DiscardHandler)
	in := &instance{
		conf: conf, log: log, voted: newLatest[struct{}](), counters: newTransitions(),
		link: &storeLink{conf: conf.Store, log: log}, dns: dnsserver.NewServer(dnsserver.Options{}),
	}
	in.wire()
	return in.follower
}

// numbered is the example fleet as it was applied under a number; the same
// note makes the same hash.
func numbered(n int64, note string) *regions.FleetFile {
	text := config.ExampleFleet + "# " + note + "\n"
	return &regions.FleetFile{N: n, By: "ann", Text: text, Hash: config.Hash([]byte(text), nil)}
}

func bad(n int64) *regions.FleetFile {
	return &regions.FleetFile{N: n, By: "bob", Text: "zones: 1\n", Hash: config.Hash([]byte("zones: 1\n"), nil)}
}

func TestFollowerTellsOfRefusalsWhileTheyLast(t *testing.T) {
	f := newTestFollower(t, config.FleetSource{Etcd: true})
	steps := []struct {
		file    *regions.FleetFile
		refused bool
		number  int64
		what    string
	}{
		{numbered(1, "a"), false, 1, "the first"},
		{bad(2), true, 1, "a bad one"},
		{bad(2), true, 1, "the bad one in the next picture"},
		{numbered(3, "a"), false, 3, "the good one again: nothing is wrong any more"},
		{bad(4), true, 3, "the bad one again: told again"},
		{numbered(2, "b"), true, 3, "an older one"},
		{numbered(5, "b"), false, 5, "the same text applied once more, as the refusal asks"},
	}
	for _, s := range steps {
		f.follow(s.file)
		if refused := f.in.facts.fleetError != ""; refused != s.refused || f.in.facts.reloadOK == refused || f.number != s.number {
			t.Errorf("%s: refused %v, number %d; want %v, %d (%s)", s.what, refused, f.number, s.refused, s.number, f.in.facts.fleetError)
		}
	}
}

// The operator's word is for what comes next, and does not lie in wait.
func TestFollowerTakesTheWordOnce(t *testing.T) {
	f := newTestFollower(t, config.FleetSource{Etcd: true})
	f.follow(numbered(7, "a"))
	f.older.Store(true)
	f.follow(numbered(5, "a"))
	f.follow(numbered(6, "b"))
	if f.in.facts.fleetError != "" || f.number != 6 {
		t.Errorf("after the restored store's 5, 6 was refused: %s", f.in.facts.fleetError)
	}
	f.follow(numbered(4, "c"))
	if f.in.facts.fleetError == "" || f.number != 6 {
		t.Error("the word served twice")
	}
}

// A start from the saved state, because the file is bad, is no success.
func TestFollowerTellsOfTheBadFileItStartedWithout(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fleet.yaml")
	if err := os.WriteFile(path, []byte(config.ExampleFleet), 0o644); err != nil {
		t.Fatal(err)
	}
	f := newTestFollower(t, config.FleetSource{Path: path})
	if err := f.begin(); err != nil {
		t.Fatal(err)
	}
	a := <-f.in.geographer.fleets.ch
	world := regions.Judge(regions.Input{Topology: a.topology, Picture: &regions.Picture{Cluster: 1, Revision: 1}, Now: time.Now()})
	f.in.saver.save(saving{world: world, fleet: &a.file})
	if err := os.WriteFile(path, []byte("zones: 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	again := newFollower(f.in)
	if err := again.begin(); err != nil {
		t.Fatal(err)
	}
	if got := &f.in.facts; got.reloadOK || !strings.Contains(got.fleetError, "fleet.yaml:1") {
		t.Errorf("the status says that all is well: reload %v, error %q", got.reloadOK, got.fleetError)
	}
}
