package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steerdns/steerdns/admin"
	"github.com/steerdns/steerdns/config"
	"github.com/steerdns/steerdns/dnsserver"
	"github.com/steerdns/steerdns/dnsserver/transfer"
	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/store"
)

// instance is one running steerdns: the parts and the wires between them.
//
//	store ─ pictures ─┬─► state ─ worlds ─► publisher ─ views ─► dns
//	                  └─► follower ─► geographer ─ bundles ─┘
//	runner ─ votes ─► state, store                publisher ─► saver
type instance struct {
	conf    *config.Instance
	log     *slog.Logger
	started time.Time

	facts      facts
	link       *storeLink
	state      *regions.State
	runner     *healthcheck.Runner
	dns        *dnsserver.Server
	publisher  *publisher
	geographer *geographer
	saver      *saver
	follower   *follower
	counters   *transitions
	outcomes   *outcomes
	transfers  *transfer.Server
	secrets    *secretKeeper    // of cookies; nil: a random one serves
	keys       *secretKeeper    // TSIG keys; nil: there are none
	adminLn    *net.TCPListener // nil: the admin surface is off
	before     *predecessor     // nil: this process took over from none
	lock       *os.File         // on the data directory; nil: it cannot be locked
	readied    chan struct{}    // closed with the first world that is ready
	storeEnded chan struct{}    // closed when the store's link has ended
	saverEnded chan struct{}    // closed when the state is written for the last time

	certificates *dnsserver.Certificates // nil: only plain DNS

	reports *reports // nil: endpoints cannot report here
	voted   *latest[struct{}]
}

// newInstance builds the parts and opens the listeners, so that a taken port
// is found before anything else happens. It starts nothing.
func newInstance(conf *config.Instance, log *slog.Logger, given *dnsserver.Sockets, before *predecessor) (*instance, error) {
	in := &instance{
		conf: conf, log: log, started: time.Now(), voted: newLatest[struct{}](), counters: newTransitions(),
		before: before, readied: make(chan struct{}), storeEnded: make(chan struct{}), saverEnded: make(chan struct{}),
	}
	in.link = &storeLink{instance: conf.Name, conf: conf.Store, log: log, after: before.freed()}
	in.transfers = in.newTransfers()
	opt, err := dnsOptions(conf, log)
	if err != nil {
		return nil, err
	}
	in.certificates, opt.Transfers = opt.Certificates, in.transfers
	opt.Sockets, opt.After = given, before.freed()
	in.dns = dnsserver.NewServer(opt)
	if err := in.openSecrets(); err != nil {
		return nil, err
	}
	if err := in.dns.Listen(); err != nil {
		return nil, err
	}
	if !conf.Admin.Off {
		if in.adminLn, err = listenOn(given, adminSocket, conf.Admin.Listen); err != nil {
			return nil, err
		}
	}
	in.wire()
	if in.reports, err = openReports(conf.Push, in.runner, given, log); err != nil {
		return nil, err
	}
	return in, in.unused(given)
}

// openSecrets reads the files of secrets for the first time.
func (in *instance) openSecrets() error {
	var err error
	if path := in.conf.DNS.Cookies.SecretsFile; path != "" {
		in.secrets = newSecretKeeper(path, in.dns.Responder().SetCookieSecrets, in.log)
		err = in.secrets.open()
	}
	if path := in.conf.DNS.TSIGKeys; path != "" {
		in.keys = newKeyKeeper(path, in.useKeys, in.log)
		err = errors.Join(err, in.keys.open())
	}
	return err
}

// wire connects the parts.
func (in *instance) wire() {
	in.publisher = newPublisher(in.log)
	in.geographer = newGeographer(in.conf.Geo, in.log)
	in.saver = newSaver(in.conf.Name, filepath.Join(in.conf.Data, "state"), in.log)
	in.follower = newFollower(in)
	in.outcomes = newOutcomes(in.log)
	in.runner = healthcheck.NewRunner(healthcheck.Options{
		Prober:      healthcheck.NewProber(healthcheck.ProberOptions{Version: release, AllowExec: in.conf.Checks.AllowExec}),
		MaxInFlight: in.conf.Checks.MaxInFlight, MaxPerAddress: in.conf.Checks.MaxPerAddress,
		Seed: seedOf(in.conf.Name), Log: in.log, OnChange: func() { in.voted.put(struct{}{}) },
	})
	in.state = regions.NewState(regions.StateOptions{
		Instance: in.conf.Name, Region: in.conf.Region, Log: in.log,
		Publish: in.publisher.worlds.put, OnTransition: in.counters.add,
		OnMarks: func() { in.voted.put(struct{}{}) },
	})
	in.geographer.out = in.publisher.bundles.put
	in.geographer.failed = func(err error) { in.facts.set(func(f *facts) { f.geoError = text(err) }) }
	in.geographer.unfit = in.follower.loaded
	in.saver.current = in.confirmed
	in.saver.tell = func(change func(*admin.SavedStatus)) { in.facts.set(func(f *facts) { change(&f.saved) }) }
	in.publisher.adopt = in.adopt
	in.publisher.publish = in.published
}

// adopt makes a fleet file the one that is probed and judged.
func (in *instance) adopt(b *bundle) {
	in.missingKeys(b.fleet.transfer)
	in.runner.Update(targetsOf(b.fleet.topology))
	in.state.SetTopology(b.fleet.topology)
	if !hasRegion(b.fleet.topology, in.conf.Region) {
		in.log.Warn("the fleet does not have this instance's region: its votes count for nothing", "region", in.conf.Region)
	}
}

// published puts a view in force and lets everybody know.
func (in *instance) published(v *dnsserver.View, w *regions.World, b *bundle) {
	in.dns.Publish(v)
	in.transfers.Offer(transfer.Input{World: w, Zones: b.fleet.zones, Rules: b.fleet.transfer})
	before, confirmed := "", time.Time{}
	in.facts.set(func(f *facts) {
		before, confirmed = f.epoch, f.confirmed
		f.world, f.bundle, f.epoch = w, b, v.Epoch()
	})
	if w.Ready {
		in.nowReady()
	}
	if before != v.Epoch() {
		in.outcomes.look(w)
		in.log.Info("epoch", "epoch", v.Epoch(), "revision", w.Revision)
		in.announce(v.Epoch(), b.data.Digest())
	}
	if w.Ready && !w.StoreLost {
		in.saver.worlds.put(saving{world: w, fleet: &b.fleet.file, confirmed: confirmed})
	}
}

// nowReady notes that there is a world to answer from.
func (in *instance) nowReady() {
	select {
	case <-in.readied:
	default:
		close(in.readied)
	}
}

// announce tells the fleet what this instance is and which epoch it is in.
func (in *instance) announce(epoch, geoDigest string) {
	self := regions.Instance{
		Name: in.conf.Name, Region: in.conf.Region, DNS: addrStrings(in.dns.Addrs()), Version: versionString(),
		Epoch: epoch, Geo: geoDigest, Started: in.started.UTC(),
	}
	if in.adminLn != nil {
		self.Admin = in.adminLn.Addr().String()
	}
	in.link.publishInstance(self)
}

// confirmed is the state as the store confirms it now: the published world
// judged anew. While the store is away or refused there is none.
func (in *instance) confirmed() (saving, bool) {
	in.facts.mu.Lock()
	defer in.facts.mu.Unlock()
	if !in.facts.status.Connected {
		return saving{}, false
	}
	return in.believed()
}

// believed is the state while the world is of a store that is believed. The
// caller holds the lock of the facts.
func (in *instance) believed() (saving, bool) {
	w, b := in.state.Current(), in.facts.bundle
	if in.state.Refused() != nil || b == nil || w.Topology != b.fleet.topology || w.StoreLost || !w.Ready {
		return saving{}, false
	}
	return saving{world: w, fleet: &b.fleet.file, confirmed: in.facts.confirmed}, true
}

// onPicture is called by the store with all that it holds.
func (in *instance) onPicture(p *regions.Picture) {
	believed := in.state.SetPicture(p)
	in.link.believe(believed)
	in.facts.set(func(f *facts) {
		f.picture = p
		if believed {
			f.cluster = p.Cluster
			f.confirm(time.Now())
		}
	})
	if believed {
		in.follower.look(p)
	}
}

// onStatus saves the state once more when the store goes away, so that a
// restart without it knows how old the state is.
func (in *instance) onStatus(s store.Status) {
	in.facts.set(func(f *facts) {
		gone := f.status.Connected && !s.Connected
		f.status = s
		if (s.Connected || gone) && s.Cluster == f.cluster && in.state.Refused() == nil {
			f.confirm(s.LastContact)
		}
		if last, ok := in.believed(); gone && ok {
			in.saver.worlds.put(last)
		}
	})
	in.state.SetStoreConnected(s.Connected)
}

// castVotes hands the runner's votes, and what the state remembers, to the
// store and to the state whenever they change. It rests four times as long as
// that took, at most longestRest: with thousands of endpoints, of which some
// change at each moment, it takes a fifth of a core at most.
func (in *instance) castVotes(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-in.voted.ch:
			began := time.Now()
			in.cast()
			if rest := min(4*time.Since(began), longestRest); rest > time.Millisecond {
				time.Sleep(rest)
			}
		}
	}
}

const longestRest = 100 * time.Millisecond

func (in *instance) cast() {
	b := regions.Ballot{
		Instance: in.conf.Name, Region: in.conf.Region, Votes: in.runner.Votes(), Blind: in.runner.Blind(), Marks: in.state.Marks(),
	}
	in.state.SetOwnVotes(b)
	in.link.publishVotes(b)
}

// run works until ctx ends. Then all parts stop at once, each in its own
// order: DNS answers what is in flight, the store is told goodbye within 2 s,
// and the last state is saved.
func (in *instance) run(ctx context.Context, reload <-chan struct{}, ready func()) error {
	if err := in.follower.begin(); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return in.serve(ctx, ready) })
	g.Go(func() error { return in.handovers(ctx, stop) })
	g.Go(func() error { return named("judging", in.state.Run(ctx)) })
	g.Go(func() error { return named("probing", in.runner.Run(ctx)) })
	g.Go(func() error { return named("publishing", in.publisher.run(ctx)) })
	g.Go(func() error { return named("geography", in.geographer.run(ctx)) })
	g.Go(func() error {
		defer close(in.saverEnded)
		return named("saving", in.saver.run(ctx))
	})
	g.Go(func() error { return in.castVotes(ctx) })
	g.Go(func() error { return in.follower.run(ctx, reload) })
	g.Go(func() error {
		defer close(in.storeEnded)
		return named("store", in.link.run(ctx, in.onPicture, in.onStatus))
	})
	g.Go(func() error { return named("transfers", in.transfers.Run(ctx)) })
	for _, k := range []*secretKeeper{in.secrets, in.keys} {
		if k != nil {
			g.Go(func() error { return k.run(ctx) })
		}
	}
	if in.certificates != nil {
		g.Go(func() error { return in.certificates.Run(ctx) })
	}
	if in.reports != nil {
		g.Go(func() error { return named("reports", in.reports.run(ctx)) })
	}
	err := g.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// serve answers DNS and the admin surface: at once, or when there is something
// to answer from and the process before may stop.
func (in *instance) serve(ctx context.Context, ready func()) error {
	in.takeOver(ctx)
	in.facts.set(func(f *facts) { f.alive = true })
	ready()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return named("dns", in.dns.Run(ctx)) })
	if in.adminLn != nil {
		srv := admin.NewServer(backend{in}, in.metrics(), in.log)
		g.Go(func() error { return named("admin", srv.Run(ctx, in.adminLn)) })
	}
	return g.Wait()
}

// named says which part failed.
func named(part string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("%s: %w", part, err)
}

func seedOf(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	return h.Sum64()
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
