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

	fresh *latest[*geo.Data]
	fleet *assembled // owned by run
	data  *geo.Data  // owned by run
	stop  context.CancelFunc
	tasks sync.WaitGroup // the follower
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
			if err := g.take(ctx, f); err != nil {
				return err
			}
		case d := <-g.fresh.ch:
			if g.fleet == nil {
				continue
			}
			g.data = d
			g.failed(nil)
			g.log.Info("geography database replaced", "geo", d.Digest())
		}
		if err := g.compile(ctx); err != nil && ctx.Err() == nil {
			g.failed(err)
			g.log.Error("the atlas was not compiled; the one before serves on", "error", err)
		}
	}
}

// take makes f current, and opens the databases anew when its places differ.
func (g *geographer) take(ctx context.Context, f *assembled) error {
	same := g.fleet != nil && reflect.DeepEqual(g.fleet.places, f.places)
	g.fleet = f
	if same {
		return nil
	}
	opt := geo.Options{City: g.conf.City, Country: g.conf.Country, ASN: g.conf.ASN, Places: f.places}
	data, err := geo.Open(opt)
	if err != nil {
		g.log.Error("a geography database was refused; the built-in one serves instead", "error", err)
		g.failed(err)
		if data, err = geo.Open(geo.Options{Places: f.places}); err != nil {
			return fmt.Errorf("opening the built-in geography: %w", err)
		}
	}
	g.data = data
	g.stop()
	watch, stop := context.WithCancel(ctx)
	g.stop = stop
	g.tasks.Go(func() { g.follow(watch, opt) })
	return nil
}

func (g *geographer) follow(ctx context.Context, opt geo.Options) {
	refused := func(err error) {
		g.failed(err)
		g.log.Error("a geography database was refused; the one before serves on", "error", err)
	}
	if err := geo.Watch(ctx, opt, geoPoll, g.fresh.put, refused); err != nil && ctx.Err() == nil {
		g.log.Error("geography files are no longer followed", "error", err)
	}
}

func (g *geographer) compile(ctx context.Context) error {
	if g.fleet == nil || g.data == nil {
		return nil
	}
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
	g.out(&bundle{fleet: g.fleet, data: g.data, atlas: atlas})
	return nil
}
