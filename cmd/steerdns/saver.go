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

	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/snapshot"
)

// savePause is the least time between two writes of the state.
const savePause = 2 * time.Second

// saving is what there is to save.
type saving struct {
	world *regions.World
	fleet *regions.FleetFile
}

// saver keeps the last good state on disk. A disk that cannot be written
// costs a warning, never an answer.
type saver struct {
	instance string
	path     string
	log      *slog.Logger
	worlds   *latest[saving]
	failed   bool // owned by run: the last write failed and was said
}

func newSaver(instance, path string, log *slog.Logger) *saver {
	return &saver{instance: instance, path: path, log: log, worlds: newLatest[saving]()}
}

// load returns the zero Snapshot when nothing was saved yet.
func (s *saver) load() (snapshot.Snapshot, error) {
	snap, from, err := snapshot.Load(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return snapshot.Snapshot{}, nil
	}
	if from.Previous {
		s.log.Warn("the saved state was refused; the one before it serves", "file", from.Path, "error", from.Refused)
	}
	return snap, err
}

func (s *saver) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			s.last()
			return nil
		case w := <-s.worlds.ch:
			s.save(w)
		}
		select {
		case <-ctx.Done():
		case <-time.After(savePause):
		}
	}
}

// last saves what came in since the last write.
func (s *saver) last() {
	select {
	case w := <-s.worlds.ch:
		s.save(w)
	default:
	}
}

func (s *saver) save(w saving) {
	err := os.MkdirAll(filepath.Dir(s.path), 0o750)
	if err == nil {
		err = snapshot.Save(s.path, snapshot.Of(s.instance, w.world, w.fleet))
	}
	switch {
	case err != nil && !s.failed:
		s.log.Warn("the state was not saved; a restart without the store would know less", "error", err)
	case err == nil && s.failed:
		s.log.Info("the state is saved again", "file", s.path)
	}
	s.failed = err != nil
}

// checkDataDir says early when the data directory cannot be used.
func checkDataDir(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("data directory: %w (change data in the instance file, or its owner)", err)
	}
	return nil
}
