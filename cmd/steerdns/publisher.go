package main

import (
	"context"
	"log/slog"

	"github.com/steerdns/steerdns/dnsserver"
	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/regions"
)

// bundle is a fleet file together with the geography compiled for it: all
// that a view needs besides a world. Immutable.
type bundle struct {
	fleet *assembled
	data  *geo.Data
	atlas *geo.Atlas
}

// publisher joins worlds and bundles into views. A world is published only
// with the bundle of its own topology, so that a new fleet file, its zones,
// its atlas and its verdicts take effect in one step.
type publisher struct {
	log     *slog.Logger
	worlds  *latest[*regions.World]
	bundles *latest[*bundle]

	adopt   func(*bundle)                                  // a bundle with a new topology is ready
	publish func(*dnsserver.View, *regions.World, *bundle) // a view is made

	current *bundle // owned by run
	pending *bundle // owned by run; waits for the first world of its topology
	world   *regions.World
	view    *dnsserver.View
}

func newPublisher(log *slog.Logger) *publisher {
	return &publisher{log: log, worlds: newLatest[*regions.World](), bundles: newLatest[*bundle]()}
}

func (p *publisher) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case b := <-p.bundles.ch:
			p.takeBundle(b)
		case w := <-p.worlds.ch:
			p.takeWorld(w)
		}
	}
}

func (p *publisher) takeBundle(b *bundle) {
	if p.current != nil && b.fleet.topology == p.current.fleet.topology { // new geography only
		p.current = b
		p.compile()
		return
	}
	p.pending = b
	p.adopt(b)
}

func (p *publisher) takeWorld(w *regions.World) {
	p.world = w
	if p.pending != nil && p.pending.fleet.topology == w.Topology {
		p.current, p.pending = p.pending, nil
	}
	p.compile()
}

func (p *publisher) compile() {
	if p.current == nil || p.world == nil || p.world.Topology != p.current.fleet.topology {
		return // the world of the new topology is on its way
	}
	p.view = dnsserver.Compile(p.world, p.current.fleet.zones, p.current.atlas, p.view)
	p.publish(p.view, p.world, p.current)
}
