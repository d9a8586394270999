package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steerdns/steerdns/config"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/store"
)

// However long nothing changes, the saved state is young while the store
// confirms it, and grows old while it does not.
func TestSaverKeepsTheStatesAgeHonest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSaver("local", filepath.Join(t.TempDir(), "state"), slog.New(slog.DiscardHandler))
		var there atomic.Bool
		there.Store(true)
		s.current = func() (saving, bool) {
			return saving{world: &regions.World{Topology: &regions.Topology{}, Ready: true, Judged: time.Now()}}, there.Load()
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.run(ctx) }()
		age := func(d time.Duration) time.Duration {
			time.Sleep(d)
			synctest.Wait()
			snap, err := s.load()
			if err != nil {
				t.Fatal(err)
			}
			return time.Since(snap.SavedAt)
		}
		if got := age(time.Hour); got > saveEvery {
			t.Errorf("saved %v ago, want at most %v", got, saveEvery)
		}
		there.Store(false)
		if got := age(time.Hour); got < time.Hour-saveEvery {
			t.Errorf("without the store the saved state is %v old", got)
		}
		there.Store(true)
		cancel()
		<-done
		if got := age(0); got != 0 {
			t.Errorf("the stop saved a state of %v ago", got)
		}
	})
}

// A store that speaks but is not believed confirms nothing.
func TestStateAgeIsNotTheRefusedStores(t *testing.T) {
	in := newTestFollower(t, config.FleetSource{BuiltIn: true}).in
	saved := time.Now().Add(-time.Hour)
	in.facts.confirm(saved)
	in.state.Restore(regions.Restored{SavedAt: saved, Cluster: 1, Revision: 50})
	age := func() time.Duration { return in.facts.stateAge(time.Now()).Round(time.Minute) }

	in.onStatus(store.Status{Connected: true, Cluster: 2, LastContact: time.Now()}) // the list has come in
	in.onPicture(&regions.Picture{Cluster: 2, Revision: 60})
	in.onStatus(store.Status{Connected: true, Cluster: 2, Revision: 60, LastContact: time.Now()})
	if age() != time.Hour {
		t.Errorf("another cluster made the state %v old", age())
	}
	in.onPicture(&regions.Picture{Cluster: 1, Revision: 51})
	if age() != 0 {
		t.Errorf("the store's own picture leaves the state %v old", age())
	}
}
