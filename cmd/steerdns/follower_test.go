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
		if refused := f.in.facts.fleetError != ""; refused != s.refused || f.in.facts.reloadOK == refused || f.last.file.N != s.number {
			t.Errorf("%s: refused %v, number %d; want %v, %d (%s)", s.what, refused, f.last.file.N, s.refused, s.number, f.in.facts.fleetError)
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
	if f.in.facts.fleetError != "" || f.last.file.N != 6 {
		t.Errorf("after the restored store's 5, 6 was refused: %s", f.in.facts.fleetError)
	}
	f.follow(numbered(4, "c"))
	if f.in.facts.fleetError == "" || f.last.file.N != 6 {
		t.Error("the word served twice")
	}
}

// What is applied once more, perhaps in a cluster that begins to count anew,
// is in force under its new name, here and on disk, and is no other topology.
func TestFollowerTakesOverTheNewName(t *testing.T) {
	f := newTestFollower(t, config.FleetSource{Etcd: true})
	followed := func(cluster uint64, n int64, note, by string) *assembled {
		t.Helper()
		file := numbered(n, note)
		file.By = by
		f.look(&regions.Picture{Cluster: cluster, Fleet: file})
		f.follow(<-f.files.ch)
		if f.in.facts.fleetError != "" {
			t.Fatalf("number %d of cluster %d is refused: %s", n, cluster, f.in.facts.fleetError)
		}
		return <-f.in.geographer.fleets.ch
	}
	before := followed(1, 4, "a", "ann")
	after := followed(2, 1, "a", "bob")
	if after.file.N != 1 || after.file.By != "bob" || after.file.Cluster != 2 || after.topology != before.topology {
		t.Errorf("in force: number %d by %s of cluster %d", after.file.N, after.file.By, after.file.Cluster)
	}

	world := regions.Judge(regions.Input{Topology: after.topology, Picture: &regions.Picture{Cluster: 2, Revision: 1}, Now: time.Now()})
	f.in.saver.save(saving{world: world, fleet: &after.file})
	f.in.follower = newFollower(f.in)
	f = f.in.follower
	if err := f.begin(); err != nil {
		t.Fatal(err)
	}
	<-f.in.geographer.fleets.ch
	followed(2, 2, "b", "ann")
}

// A cluster without a fleet file is believed, and the instance starts anew
// before one is applied: the number on disk is of the cluster before.
func TestFollowerKnowsWhoseNumberItSaved(t *testing.T) {
	f := newTestFollower(t, config.FleetSource{Etcd: true})
	file := numbered(4, "a")
	file.Cluster = 1
	f.follow(file)
	a := <-f.in.geographer.fleets.ch
	world := regions.Judge(regions.Input{Topology: a.topology, Picture: &regions.Picture{Cluster: 2, Revision: 1}, Now: time.Now()})
	f.in.saver.save(saving{world: world, fleet: &a.file})
	again := newFollower(f.in)
	if err := again.begin(); err != nil {
		t.Fatal(err)
	}
	again.look(&regions.Picture{Cluster: 2, Fleet: numbered(1, "b")})
	if again.follow(<-again.files.ch); again.last.file.N != 1 {
		t.Errorf("number 1 of another cluster is refused: %s", f.in.facts.fleetError)
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
