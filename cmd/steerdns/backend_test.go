package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/steerdns/steerdns/admin"
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
	if err := (backend{in}).AcceptCluster(2); err == nil || !strings.Contains(err.Error(), "nothing to accept") {
		t.Errorf("taken although nothing is refused: %v", err)
	}
	if err := (backend{in}).AcceptCluster(1); err != nil {
		t.Errorf("the cluster that is believed: %v", err)
	}
	other := &regions.Picture{Cluster: 2, Revision: 9}
	if in.onPicture(other); in.state.Refused() == nil {
		t.Fatal("another cluster is believed without a word")
	}
	if !(backend{in}).Facts().Store.Refused {
		t.Error("the status does not tell that the store is refused")
	}
	wrong := "this instance refuses cluster 0000000000000002, not 0000000000000003 (if you know it to be the right one: steerdns accept-cluster 0000000000000002)"
	if err := (backend{in}).AcceptCluster(3); err == nil || err.Error() != wrong {
		t.Errorf("the word for another cluster: %v", err)
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
	in.onStatus(store.Status{Cluster: 1, Behind: true, Reason: "etcd shows an older history"})
	if !(backend{in}).Facts().Store.Refused {
		t.Error("the status does not tell that the store is refused")
	}
	if err := (backend{in}).AcceptCluster(1); err != nil {
		t.Fatal(err)
	}
	in.onPicture(&regions.Picture{Cluster: 1, Revision: 52})
	if r := in.state.Refused(); r != nil {
		t.Errorf("the restored cluster is refused, word or no word: %s", r.Reason)
	}
}

// What nobody here would obey is not written, whatever the store would say to
// it; a fleet file is, since the way out of a loss of data begins with one.
func TestBackendWritesNoOverrideThatItWouldNotObey(t *testing.T) {
	in := newTestFollower(t, config.FleetSource{Etcd: true}).in
	nobody, err := store.New(store.Options{Instance: "a", Prefix: "/t/", Remote: store.Remote{Endpoints: []string{"http://127.0.0.1:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	in.link.attach(nobody)
	in.onStatus(store.Status{Connected: true, Cluster: 1})
	in.onPicture(&regions.Picture{Cluster: 1, Revision: 5})
	asked := "not reachable"
	word := "(if that is right, tell every instance: steerdns accept-cluster %s --admin ADDRESS,ADDRESS,...)"
	for _, step := range []struct {
		what string
		do   func()
		want string
	}{
		{"believed", func() {}, asked},
		{"another cluster", func() { in.onPicture(&regions.Picture{Cluster: 2, Revision: 9}) },
			"overrides cannot be changed, since this instance would not obey: the store is another cluster (0000000000000002, not 0000000000000001): its state is not believed without an operator's word " + strings.Replace(word, "%s", "0000000000000002", 1)},
		{"believed again", func() { in.onPicture(&regions.Picture{Cluster: 1, Revision: 6}) }, asked},
		{"gone back", func() { in.onStatus(store.Status{Cluster: 1, Behind: true, Reason: "etcd shows an older history"}) },
			"overrides cannot be changed, since this instance would not obey: the store's history went back " + strings.Replace(word, "%s", "0000000000000001", 1)},
		{"away", func() { in.onStatus(store.Status{Cluster: 1, Reason: "etcd is not there"}) },
			"overrides cannot be changed while the store is away: etcd is not there"},
	} {
		step.do()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		put := backend{in}.PutOverride(ctx, regions.Override{Kind: regions.OverrideRegion, Name: "local", Owner: "ann", Reason: "drill",
			Created: time.Now(), Expires: time.Now().Add(time.Hour)}, -1, false)
		_, _, end := backend{in}.DeleteOverride(ctx, regions.OverrideRegion, "local")
		for verb, err := range map[string]error{"put": put, "end": end} {
			r, told := errors.AsType[*admin.Refusal](err)
			if !told || r.Status != http.StatusServiceUnavailable || r.Message != step.want && !(step.want == asked && strings.Contains(r.Message, asked)) {
				t.Errorf("%s, %s: %v, want %s", step.what, verb, err, step.want)
			}
		}
		_, err := backend{in}.Apply(ctx, admin.FleetRequest{Text: config.ExampleFleet, By: "ann"})
		if err == nil || !strings.Contains(err.Error(), asked) {
			t.Errorf("%s, apply: %v, want the store's own answer", step.what, err)
		}
	}
}

// The word also helps where only the fleet file is refused, for its number.
func TestBackendTakesTheWordForALowerNumber(t *testing.T) {
	in := newTestFollower(t, config.FleetSource{Etcd: true}).in
	in.onStatus(store.Status{Connected: true, Cluster: 1})
	in.onPicture(&regions.Picture{Cluster: 1, Revision: 5, Fleet: numbered(7, "a")})
	in.follower.follow(<-in.follower.files.ch)
	in.onPicture(&regions.Picture{Cluster: 1, Revision: 6, Fleet: numbered(5, "b")})
	in.follower.follow(<-in.follower.files.ch)
	want := "(if that is right, tell every instance: steerdns accept-cluster 0000000000000001 --admin ADDRESS,ADDRESS,...)"
	if in.follower.last.file.N != 7 || !strings.Contains(in.facts.fleetError, want) {
		t.Fatalf("number %d is in force: %s", in.follower.last.file.N, in.facts.fleetError)
	}
	if err := (backend{in}).AcceptCluster(1); err != nil {
		t.Fatal(err)
	}
	if in.follower.follow(<-in.follower.files.ch); in.follower.last.file.N != 5 {
		t.Errorf("number %d is in force: %s", in.follower.last.file.N, in.facts.fleetError)
	}
	if err := (backend{in}).AcceptCluster(1); err != nil {
		t.Errorf("said once more: %v", err)
	}
	in.onPicture(&regions.Picture{Cluster: 1, Revision: 7, Fleet: numbered(3, "c")})
	if in.follower.follow(<-in.follower.files.ch); in.follower.last.file.N != 5 {
		t.Errorf("the word that was said once more lay in wait: number %d is in force", in.follower.last.file.N)
	}
}
