package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/steerdns/steerdns/admin"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/snapshot"
)

// savePause is the least time between two writes of the state, and saveEvery
// the most while the store confirms it, or the last one failed: so far off, at
// most, is the age of the state after a restart.
const (
	savePause = 2 * time.Second
	saveEvery = 30 * time.Second
)

// saving is what there is to save.
type saving struct {
	world     *regions.World
	fleet     *regions.FleetFile
	confirmed time.Time // when the store last confirmed it; zero: when it was judged
}

// saver keeps the last good state on disk. A disk that cannot be written
// costs a warning, never an answer.
type saver struct {
	instance string
	path     string
	log      *slog.Logger
	worlds   *latest[saving]
	current  func() (saving, bool) // the state as the store confirms it now; false: it does not
	tell     func(change func(*admin.SavedStatus))
	asked    chan chan struct{} // see saveNow
	unsaved  *saving            // owned by run: what the last write failed on, which was said; nil: it did not
}

func newSaver(instance, path string, log *slog.Logger) *saver {
	return &saver{instance: instance, path: path, log: log, worlds: newLatest[saving](), asked: make(chan chan struct{}), tell: func(func(*admin.SavedStatus)) {}}
}

// load returns the zero Snapshot when nothing was saved yet.
func (s *saver) load() (snapshot.Snapshot, error) {
	snap, from, err := snapshot.Load(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return snapshot.Snapshot{}, nil
	}
	if err == nil && snap.Instance != s.instance {
		err = fmt.Errorf("%s is the state of instance %q, and this one is %q: give each instance a data directory of its own, "+
			"or remove it and its .prev", from.Path, snap.Instance, s.instance)
		snap, from = snapshot.Snapshot{}, snapshot.Source{}
	}
	refused := err
	if from.Previous {
		s.log.Warn("the saved state was refused; the one before it serves", "file", from.Path, "error", from.Refused)
		refused = from.Refused
	}
	s.tell(func(x *admin.SavedStatus) {
		x.File, x.At, x.Refused, x.Previous = s.path, snap.SavedAt, text(refused), from.Previous
	})
	return snap, err
}

func (s *saver) run(ctx context.Context) error {
	again := time.NewTicker(saveEvery)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			s.last()
			return nil
		case w := <-s.worlds.ch:
			s.save(w)
		case done := <-s.asked:
			s.last()
			close(done)
			continue
		case <-again.C:
			if !s.confirm() {
				s.retry()
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(savePause):
		case done := <-s.asked:
			s.last()
			close(done)
		}
	}
}

// retry saves what could not be saved: without the store nothing newer comes.
func (s *saver) retry() {
	if s.unsaved != nil {
		s.save(*s.unsaved)
	}
}

// saveNow saves the present state and waits until that is done, or ctx.
func (s *saver) saveNow(ctx context.Context) {
	done := make(chan struct{})
	select {
	case <-ctx.Done():
	case s.asked <- done:
		<-done
	}
}

// confirm saves the present state once more, with its new time.
func (s *saver) confirm() bool {
	w, ok := s.current()
	if ok {
		s.save(w)
	}
	return ok
}

// last saves the present state or, without the store, what came in since the
// last write.
func (s *saver) last() {
	if s.confirm() {
		return
	}
	select {
	case w := <-s.worlds.ch:
		s.save(w)
	default:
		s.retry()
	}
}

func (s *saver) save(w saving) {
	snap := snapshot.Of(s.instance, w.world, w.fleet)
	if !w.confirmed.IsZero() {
		snap.SavedAt = w.confirmed.Round(0).UTC()
	}
	err := os.MkdirAll(filepath.Dir(s.path), 0o750)
	if err == nil {
		err = snapshot.Save(s.path, snap)
	}
	s.tell(func(x *admin.SavedStatus) {
		x.File, x.Error = s.path, text(err)
		if err == nil {
			x.At = snap.SavedAt
		}
	})
	switch {
	case err != nil && s.unsaved == nil:
		s.log.Warn("the state was not saved; a restart without the store would know less", "error", err)
	case err == nil && s.unsaved != nil:
		s.log.Info("the state is saved again", "file", s.path)
	}
	s.unsaved = nil
	if err != nil {
		s.unsaved = &w
	}
}
