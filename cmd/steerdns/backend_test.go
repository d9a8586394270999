package main

import (
	"testing"

	"github.com/steerdns/steerdns/config"
	"github.com/steerdns/steerdns/regions"
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
