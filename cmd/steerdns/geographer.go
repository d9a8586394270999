package main

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/steerdns/steerdns/config"
	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/regions/steering"
)

// geoPoll is how often the user's database files are looked at.
const geoPoll = 5 * time.Second

// geographer opens the geography databases, follows their files, and compiles
// an atlas for every new fleet file or database, outside the path of health
// events.
type geographer struct {
	conf   config.Geo
	log    *slog.Logger
	fleets *latest[*assembled]
	out    func(*bundle)
	failed func(error) // a database was refused; nil: all is well again
	unfit  func(error) // the fleet file cannot be put in force; nil: the present one is

	fresh *latest[*geo.Data] // from the present follower; owned by run, as are all below
	fleet *assembled
	data  *geo.Data
	made  *bundle // the last one
	ill   bool    // unfit was told
	stop  context.CancelFunc
	tasks sync.WaitGroup // the followers
}

func newGeographer(conf config.Geo, log *slog.Logger) *geographer {
	return &geographer{
		conf: conf, log: log, fleets: newLatest[*assembled](), fresh: newLatest[*geo.Data](),
		stop: func() {},
	}
}

func (g *geographer) run(ctx context.Context) error {
	defer func() {
		g.stop()
		g.tasks.Wait()
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case f := <-g.fleets.ch:
			if g.renamed(f) {
				continue
			}
			if err := g.take(ctx, f); err != nil {
				g.tell(err)
				continue
			}
		case d := <-g.fresh.ch:
			g.data = d
			g.failed(nil)
			g.log.Info("geography database replaced", "geo", d.Digest())
		}
		if err := g.compile(ctx); ctx.Err() == nil {
			g.tell(err)
		}
	}
}

// tell says that the fleet file is not fit, or no longer so.
func (g *geographer) tell(err error) {
	if err != nil {
		g.log.Error("no atlas could be made for the fleet file; the one before serves on", "error", err)
	}
	if err != nil || g.ill {
		g.unfit(err)
	}
	g.ill = err != nil
}

// renamed hands on a fleet file that is the present one but for its name,
// with the atlas that there is.
func (g *geographer) renamed(f *assembled) bool {
	if g.made == nil || g.ill || f.topology != g.made.fleet.topology || g.data != g.made.data ||
		!reflect.DeepEqual(f.places, g.made.fleet.places) {
		return false
	}
	g.fleet = f
	g.give(&bundle{fleet: f, data: g.made.data, atlas: g.made.atlas})
	return true
}

func (g *geographer) give(b *bundle) {
	g.made = b
	g.out(b)
}

// take makes f current, and opens the databases anew when its places differ.
// It fails, and changes nothing, only when f's places are not fit.
func (g *geographer) take(ctx context.Context, f *assembled) error {
	if g.fleet != nil && reflect.DeepEqual(g.fleet.places, f.places) {
		g.fleet = f
		return nil
	}
	opt := geo.Options{City: g.conf.City, Country: g.conf.Country, ASN: g.conf.ASN, Places: f.places}
	watch, stop := context.WithCancel(ctx)
	fresh := newLatest[*geo.Data]()
	g.tasks.Go(func() { g.follow(watch, opt, fresh) }) // before opening, so that no change is missed
	data, err := g.open(opt)
	if err != nil {
		stop()
		return err
	}
	g.stop() // what the follower before finds is for other places
	g.stop, g.fresh, g.fleet, g.data = stop, fresh, f, data
	return nil
}

// open opens the databases or, when one is refused, the built-in one.
func (g *geographer) open(opt geo.Options) (*geo.Data, error) {
	data, refused := geo.Open(opt)
	if refused != nil {
		var err error
		if data, err = geo.Open(geo.Options{Places: opt.Places}); err != nil {
			return nil, err
		}
		g.log.Error("a geography database was refused; the built-in one serves instead", "error", refused)
	}
	g.failed(refused)
	return data, nil
}

func (g *geographer) follow(ctx context.Context, opt geo.Options, fresh *latest[*geo.Data]) {
	refused := func(err error) {
		if ctx.Err() != nil {
			return // another follower speaks now
		}
		g.failed(err)
		g.log.Error("a geography database was refused; the one before serves on", "error", err)
	}
	if err := geo.Watch(ctx, opt, geoPoll, fresh.put, refused); err != nil && ctx.Err() == nil {
		g.log.Error("geography files are no longer followed", "error", err)
	}
}

func (g *geographer) compile(ctx context.Context) error {
	started, step := time.Now(), 0.25
	progress := func(done float64) {
		if done >= step {
			g.log.Info("compiling the atlas", "done", fmt.Sprintf("%.0f%%", done*100))
			step = done + 0.25
		}
	}
	t := g.fleet.topology
	atlas, err := geo.Compile(ctx, g.data, steering.FencePrefixes(t), steering.Classifier(t), progress)
	if err != nil {
		return err
	}
	v4, v6, cells, bytes := atlas.Stats()
	g.log.Info("atlas compiled", "took", time.Since(started).Round(time.Millisecond), "cells", cells,
		"prefixes4", v4, "prefixes6", v6, "bytes", bytes, "geo", g.data.Digest())
	g.give(&bundle{fleet: g.fleet, data: g.data, atlas: atlas})
	return nil
}
