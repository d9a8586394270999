package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/steerdns/steerdns/config"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/snapshot"
)

// follower decides which fleet file is in force: the file of the instance
// file, the one applied in etcd, or, until that is heard of, the last good
// one from disk. A bad one is refused and the one before stays.
type follower struct {
	in      *instance
	files   *latest[*regions.FleetFile] // applied in the store
	current string                      // hash of the file in force; owned by run (and begin, before it)
	last    *assembled                  // the same file, assembled; owned like current
	seen    applied                     // the last one looked at, so that each is judged once
	older   atomic.Bool                 // an operator's word: the next file counts whatever its number
	lower   atomic.Uint64               // the cluster whose file is refused for its number; 0: none is
}

// applied names one fleet file that was applied: the same text applied once
// more is another one.
type applied struct {
	cluster uint64
	number  int64
	hash    string
}

func newFollower(in *instance) *follower {
	return &follower{in: in, files: newLatest[*regions.FleetFile]()}
}

// begin loads what is known before the store answers. It fails only when the
// instance's own fleet file is bad and there is no saved one to go on with.
func (f *follower) begin() error {
	saved, found := f.restore()
	switch source := f.in.conf.Fleet; {
	case source.Path != "":
		return f.beginFile(saved, found)
	case source.BuiltIn:
		return f.take(f.assembleBuiltIn())
	case found && saved.Fleet != nil:
		f.in.log.Info("fleet file from the saved state, until the store answers", "saved", saved.SavedAt)
		if saved.Fleet.Cluster == 0 { // saved by a version that did not note it
			saved.Fleet.Cluster = saved.Cluster
		}
		return f.take(assembleFile("etcd", *saved.Fleet, f.last))
	}
	f.in.log.Info("no saved state: waiting for the store")
	return nil
}

func (f *follower) beginFile(saved snapshot.Snapshot, found bool) error {
	err := f.take(f.load())
	if err == nil || !found || saved.Fleet == nil {
		return err
	}
	f.in.log.Error("the fleet file was refused; the last good one from the saved state serves on", "problems", err)
	if err := f.take(assembleFile(f.in.conf.Fleet.Path, *saved.Fleet, f.last)); err != nil {
		return err
	}
	f.loaded(err) // the status tells until the file is repaired
	return nil
}

// load reads the fleet file that the instance file names.
func (f *follower) load() (*assembled, error) {
	path := f.in.conf.Fleet.Path
	file, problems := config.LoadFleet(path)
	a, err := assemble(file, problems, f.last)
	if err != nil {
		return nil, err
	}
	return a, checkRegion(f.in.conf, file).Err()
}

func (f *follower) assembleBuiltIn() (*assembled, error) {
	return assembleFile("built-in", regions.FleetFile{
		Text: config.ExampleFleet, Hash: config.Hash([]byte(config.ExampleFleet), nil),
	}, f.last)
}

// restore reads the saved state and hands the verdicts to the judge.
func (f *follower) restore() (snapshot.Snapshot, bool) {
	s, err := f.in.saver.load()
	if err != nil {
		f.in.log.Warn("no saved state could be used", "error", err)
		return s, false
	}
	if s.SavedAt.IsZero() {
		return s, false
	}
	f.in.facts.set(func(x *facts) { x.confirmed = s.SavedAt })
	f.in.state.Restore(s.Restored())
	f.in.log.Info("verdicts from the saved state", "saved", s.SavedAt, "revision", s.Revision)
	return s, true
}

// loaded tells how the last load of a fleet file went.
func (f *follower) loaded(err error) {
	f.in.facts.set(func(x *facts) {
		x.fleetError, x.reloadOK, x.reloadAt = text(err), err == nil, time.Now()
	})
}

// take puts a fleet file in force unless it is already.
func (f *follower) take(a *assembled, err error) error {
	f.loaded(err)
	if err != nil {
		return err
	}
	if a.topology.Hash == f.current {
		f.rename(a.file)
		return nil
	}
	f.current, f.last = a.topology.Hash, a
	f.in.log.Info("fleet file accepted", "source", a.source, "fleet", fleetSummary(a))
	f.in.geographer.fleets.put(a)
	return nil
}

// rename gives the file in force the number, the hand and the time that it was
// applied with now: the same text was applied once more, perhaps in another
// cluster, which counts anew.
func (f *follower) rename(file regions.FleetFile) {
	was := f.last.file
	if file.N == 0 || file.N == was.N && file.Cluster == was.Cluster && file.By == was.By && file.At.Equal(was.At) {
		return
	}
	again := *f.last
	again.file = file
	f.last = &again
	f.in.log.Info("the fleet file in force was applied once more", "n", file.N, "by", file.By)
	f.in.geographer.fleets.put(&again)
}

// look notes what the store says is applied.
func (f *follower) look(p *regions.Picture) {
	if f.in.conf.Fleet.Etcd && p.Fleet != nil {
		file := *p.Fleet
		file.Cluster = p.Cluster
		f.files.put(&file)
	}
}

func (f *follower) run(ctx context.Context, reload <-chan struct{}) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case file := <-f.files.ch:
			f.follow(file)
		case <-reload:
			f.reload()
		}
	}
}

// follow switches to the file that is applied in the store.
func (f *follower) follow(file *regions.FleetFile) {
	this, word := applied{file.Cluster, file.N, file.Hash}, f.older.Swap(false)
	if this == f.seen && !word {
		return
	}
	f.seen = this
	a, err := assembleFile("etcd", *file, f.last)
	f.lower.Store(0)
	if f.goesBack(file) && !word {
		f.lower.Store(file.Cluster)
		err = fmt.Errorf("number %d is older than %d, which is in force: was etcd restored from a backup? (if that is right, tell every instance: steerdns accept-cluster %016x --admin ADDRESS,ADDRESS,...)",
			file.N, f.last.file.N, file.Cluster)
	}
	if err := f.take(a, err); err != nil {
		f.in.log.Error("the applied fleet file was refused; the one before serves on", "n", file.N, "by", file.By, "problems", err)
	}
}

// goesBack says whether a file is older than the one in force. Each cluster
// has numbers of its own.
func (f *follower) goesBack(file *regions.FleetFile) bool {
	return f.last != nil && file.Cluster == f.last.file.Cluster && file.N < f.last.file.N && file.Hash != f.current
}

// reload answers SIGHUP.
func (f *follower) reload() {
	if f.in.certificates != nil {
		f.in.certificates.Reload()
	}
	if f.in.conf.Fleet.Path == "" {
		f.in.log.Info("nothing to reload: the fleet file comes from the store, and geography files are followed")
		return
	}
	if err := f.take(f.load()); err != nil {
		f.in.log.Error("the fleet file was refused; the one before serves on", "problems", err)
		return
	}
	f.in.log.Info("reloaded", "fleet", f.in.conf.Fleet.Path)
}

// fleetName is how messages call the fleet file's source.
func (in *instance) fleetName() string {
	switch {
	case in.conf.Fleet.Etcd:
		return "etcd"
	case in.conf.Fleet.BuiltIn:
		return "the built-in example"
	}
	return fmt.Sprintf("%q", in.conf.Fleet.Path)
}
