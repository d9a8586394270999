package transfer

import (
	"context"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steerdns/steerdns/dnsserver/tsig"
	"github.com/steerdns/steerdns/dnsserver/wire"
	"github.com/steerdns/steerdns/dnsserver/zone"
	"github.com/steerdns/steerdns/regions"
)

// Options is what a Server needs to know.
type Options struct {
	Instance string // for the store
	// Bind binds a zone's content to a serial in the store, as store.BindSerial does.
	Bind func(ctx context.Context, before *regions.ZoneSerial, z regions.ZoneSerial) error
	// Source is the address to send NOTIFY from to a target; the zero Addr leaves
	// it to the system. Nil does so always.
	Source func(target netip.Addr) netip.Addr
	Log    *slog.Logger // default: nothing is logged
}

// Input is what zones are made from at one moment. Immutable.
type Input struct {
	World *regions.World
	Zones *zone.Set
	Rules []Rule
}

// Server gives zones out. Queries and Offer may come at any time from any
// goroutine; nothing but Run waits for the store or for secondaries.
type Server struct {
	opt    Options
	keys   atomic.Pointer[tsig.Ring]
	table  atomic.Pointer[table]
	inputs chan Input
	bound  chan bindResult
	slots  slots
	frames frames
	notify *notifier
	counts [outcomes]atomic.Uint64

	// Owned by run.
	zones   map[string]*ledger
	input   Input     // the latest
	dirty   bool      // it has not been looked at
	rested  time.Time // when the next one may be
	adopted *zone.Set // of the input that was looked at last
}

// NewServer returns a Server that has no zones yet.
func NewServer(opt Options) *Server {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		opt: opt, inputs: make(chan Input, 1), bound: make(chan bindResult, 1),
		zones: map[string]*ledger{},
	}
	s.notify = newNotifier(opt, s.Keys)
	s.table.Store(&table{})
	return s
}

// SetKeys replaces all keys.
func (s *Server) SetKeys(r *tsig.Ring) { s.keys.Store(r) }

// Keys are the keys in force. A nil Server has none.
func (s *Server) Keys() *tsig.Ring {
	if s == nil {
		return nil
	}
	return s.keys.Load()
}

// Offer tells what zones are made from now. It never blocks; of several only the
// last one counts.
func (s *Server) Offer(in Input) {
	for {
		select {
		case s.inputs <- in:
			return
		default:
		}
		select {
		case <-s.inputs:
		default:
		}
	}
}

// Run makes versions, agrees on serials and sends NOTIFY until ctx is done.
func (s *Server) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.notify.run(ctx) })
	group.Go(func() error { return s.run(ctx, group) })
	return group.Wait()
}

func (s *Server) run(ctx context.Context, group *errgroup.Group) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case s.input = <-s.inputs:
			s.dirty = true
		case b := <-s.bound:
			s.bindingDone(b)
		case <-timer.C:
		}
		timer.Reset(s.advance(ctx, group))
	}
}

// Served is one zone as it is given out.
type Served struct {
	Zone   string
	Serial uint32
}

// Stats counts what was asked for, by outcome, and tells what is served.
func (s *Server) Stats() (byOutcome map[string]uint64, underWay int, served []Served) {
	byOutcome = make(map[string]uint64, outcomes)
	for i := range outcomes {
		byOutcome[outcomeNames[i]] = s.counts[i].Load()
	}
	s.slots.mu.Lock()
	underWay = s.slots.all
	s.slots.mu.Unlock()
	for _, v := range s.table.Load().versions {
		served = append(served, Served{v.content.zone.String(), v.serial})
	}
	return byOutcome, underWay, served
}

// Notified counts NOTIFY messages: those that were answered, and changes that no
// attempt told a secondary of.
func (s *Server) Notified() (acknowledged, failed uint64) {
	return s.notify.acknowledged.Load(), s.notify.failed.Load()
}

// outcome is how a query for a zone ended.
type outcome uint8

const (
	sentAXFR outcome = iota
	sentIXFR
	sentIXFRWhole
	sentSOA
	refusedKey
	refusedClient
	notOurs
	notReady
	busy
	broken
	outcomes
)

var outcomeNames = [outcomes]string{"axfr", "ixfr", "ixfr_as_axfr", "up_to_date", "bad_signature", "refused",
	"not_our_zone", "not_ready", "busy", "broken_off"}

func (s *Server) note(_ *wire.Query, o outcome) { s.counts[o].Add(1) }
