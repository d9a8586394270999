package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steerdns/steerdns/admin"
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

// The state of another instance, from a data directory that was copied, is not
// this one's.
func TestStateOfAnotherInstanceIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	one := newSaver("one", path, slog.New(slog.DiscardHandler))
	for range 2 { // state.prev as well
		one.save(saving{world: &regions.World{Topology: &regions.Topology{}, Ready: true, Judged: time.Now()}})
	}
	two := newSaver("two", path, slog.New(slog.DiscardHandler))
	var told admin.SavedStatus
	two.tell = func(change func(*admin.SavedStatus)) { change(&told) }
	snap, err := two.load()
	want := path + ` is the state of instance "one", and this one is "two": give each instance a data directory of its own, or remove it and its .prev`
	if err == nil || err.Error() != want || !snap.SavedAt.IsZero() {
		t.Errorf("%v, saved at %v; want %s", err, snap.SavedAt, want)
	}
	if told.Refused != want || told.Previous || !told.At.IsZero() {
		t.Errorf("the status tells %+v", told)
	}
	if snap, err := one.load(); err != nil || snap.SavedAt.IsZero() {
		t.Errorf("its own: %v", err)
	}
}

// What could not be saved is tried again by itself, though the store is away
// and nothing newer comes.
func TestSavingIsTriedAgainWithoutTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "data")
		if err := os.WriteFile(dir, []byte("in the way"), 0o600); err != nil {
			t.Fatal(err)
		}
		s := newSaver("local", filepath.Join(dir, "state"), slog.New(slog.DiscardHandler))
		s.current = func() (saving, bool) { return saving{}, false }
		var failure atomic.Value
		s.tell = func(change func(*admin.SavedStatus)) {
			var told admin.SavedStatus
			change(&told)
			failure.Store(told.Error)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.run(ctx) }()
		confirmed := time.Now()
		s.worlds.put(saving{world: &regions.World{Topology: &regions.Topology{}, Ready: true}, confirmed: confirmed})
		time.Sleep(time.Hour)
		synctest.Wait()
		if failure.Load() == "" {
			t.Error("saved through a file")
		}
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		time.Sleep(saveEvery + savePause)
		synctest.Wait()
		snap, err := s.load()
		if err != nil || !snap.SavedAt.Equal(confirmed) || failure.Load() != "" {
			t.Errorf("saved at %v, want %v: %v %s", snap.SavedAt, confirmed, err, failure.Load())
		}
		cancel()
		<-done
	})
}

// A store that speaks but is not believed confirms nothing.
func TestStateAgeIsNotTheRefusedStores(t *testing.T) {
	in := newTestFollower(t, config.FleetSource{BuiltIn: true}).in
	saved := time.Now().Add(-time.Hour)
	in.state.Restore(regions.Restored{SavedAt: saved, Cluster: 1, Revision: 50})
	if age := in.facts.stateAge(time.Now()); age != nil {
		t.Errorf("no state is %vs old", *age)
	}
	in.facts.confirm(saved)
	age := func() time.Duration {
		seconds := *in.facts.stateAge(time.Now())
		return time.Duration(seconds * float64(time.Second)).Round(time.Minute)
	}

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

// The age that a restart without the store will know is counted from the last
// word of the store, not from the last judgement without it.
func TestTheLossOfTheStoreIsSavedWithItsTime(t *testing.T) {
	in := newTestFollower(t, config.FleetSource{BuiltIn: true}).in
	if err := in.follower.begin(); err != nil {
		t.Fatal(err)
	}
	a := <-in.geographer.fleets.ch
	heard := time.Now().Add(-3 * time.Second)
	in.facts.bundle = &bundle{fleet: a}
	in.state.SetTopology(a.topology)
	in.onPicture(&regions.Picture{Cluster: 1, Revision: 5})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _ = in.state.Run(ctx) }()
	in.facts.confirmed = time.Time{}
	in.onStatus(store.Status{Connected: true, Cluster: 1, Revision: 5, LastContact: heard})
	awaitWorld(t, in.state)
	in.onStatus(store.Status{Cluster: 1, Revision: 5, LastContact: heard})
	select {
	case last := <-in.saver.worlds.ch:
		in.saver.save(last)
	default:
		t.Fatal("the loss of the store saves nothing")
	}
	snap, err := in.saver.load()
	if err != nil || !snap.SavedAt.Equal(heard) || snap.Revision != 5 {
		t.Errorf("saved at %v, revision %d, want %v and 5: %v", snap.SavedAt, snap.Revision, heard, err)
	}
	if saved := in.facts.saved; !saved.At.Equal(heard) || saved.Error != "" || saved.Refused != "" {
		t.Errorf("the status tells %+v", saved)
	}
}

func awaitWorld(t *testing.T, s *regions.State) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); s.Current() == nil || !s.Current().Ready || s.Current().StoreLost; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no world")
		}
	}
}

// What became of the saved state is told until it is written anew, and what
// failed at the start for good.
func TestTroubleWithTheSavedStateIsTold(t *testing.T) {
	dir := t.TempDir()
	s := newSaver("local", filepath.Join(dir, "state"), slog.New(slog.DiscardHandler))
	var told admin.SavedStatus
	s.tell = func(change func(*admin.SavedStatus)) { change(&told) }
	world := saving{world: &regions.World{Topology: &regions.Topology{}, Ready: true, Judged: time.Now()}}
	s.save(world)
	s.save(world)
	if told.At.IsZero() || told.Error != "" {
		t.Errorf("after a save: %+v", told)
	}
	damage := func(name string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("noise"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	damage("state")
	if snap, err := s.load(); err != nil || snap.SavedAt.IsZero() || told.Refused == "" || !told.Previous {
		t.Errorf("with a damaged file: %v, %+v", err, told)
	}
	damage("state.prev")
	if _, err := s.load(); err == nil || told.Refused == "" || told.Previous || !told.At.IsZero() {
		t.Errorf("with both damaged: %v, %+v", err, told)
	}
	s.path = filepath.Join(dir, "state", "below-a-file")
	s.save(world)
	if told.Error == "" {
		t.Errorf("a save that fails: %+v", told)
	}
}
