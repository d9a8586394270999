package main

import (
	"testing"
	"time"

	"github.com/steerdns/steerdns/config"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/store"
)

// While a new fleet file waits for its first world, explain and status speak
// of the one that answers.
func TestBackendShowsTheFleetThatAnswers(t *testing.T) {
	in := newTestFollower(t, config.FleetSource{BuiltIn: true}).in
	bundleOf := func(hash string) *bundle {
		return &bundle{fleet: &assembled{topology: &regions.Topology{Hash: hash, Regions: []regions.Region{{Name: "local"}}}}}
	}
	answering, next := bundleOf("a"), bundleOf("b")
	in.facts.set(func(f *facts) {
		f.bundle, f.world = answering, &regions.World{Topology: answering.fleet.topology}
	})
	in.adopt(next)
	if in.facts.bundle != answering || (backend{in}).World().Topology != answering.fleet.topology {
		t.Error("a fleet file that does not answer yet is shown")
	}
}

// The word to believe a store is for one that is refused now, not for later.
func TestBackendKeepsNoWordInStock(t *testing.T) {
	in := newTestFollower(t, config.FleetSource{BuiltIn: true}).in
	in.onPicture(&regions.Picture{Cluster: 1, Revision: 5})
	in.onStatus(store.Status{Connected: true, Cluster: 1, LastContact: time.Now()})
	if err := (backend{in}).AcceptCluster(2); err == nil {
		t.Error("taken although nothing is refused")
	}
	other := &regions.Picture{Cluster: 2, Revision: 9}
	if in.onPicture(other); in.state.Refused() == nil {
		t.Fatal("another cluster is believed without a word")
	}
	if err := (backend{in}).AcceptCluster(2); err != nil || in.state.Refused() != nil {
		t.Errorf("the word did not help: %v", err)
	}
}

// When the same cluster went back, the picture at hand is the last believed
// one: it must not use up the word for the one to come.
func TestBackendKeepsTheWordForTheRestoredCluster(t *testing.T) {
	in := newTestFollower(t, config.FleetSource{BuiltIn: true}).in
	in.onPicture(&regions.Picture{Cluster: 1, Revision: 94})
	in.onStatus(store.Status{Cluster: 1, Reason: "etcd shows revision 52 after 94 had been seen"})
	if err := (backend{in}).AcceptCluster(1); err != nil {
		t.Fatal(err)
	}
	in.onPicture(&regions.Picture{Cluster: 1, Revision: 52})
	if r := in.state.Refused(); r != nil {
		t.Errorf("the restored cluster is refused, word or no word: %s", r.Reason)
	}
}
