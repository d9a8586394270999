package store

import (
	"context"
	"crypto/rand"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/store/protocol"
)

// Store is one instance's end of the fleet's shared state.
type Store struct {
	opt     Options
	keys    protocol.Keys
	report  reporter
	count   counters
	gate    gate
	out     *protocol.Outbox
	reader  *protocol.Reader // owned by Run
	running atomic.Bool
	writing chan struct{}    // whoever has put the one token in owns writer
	writer  *protocol.Writer // owned by the holder of writing
	failing bool             // the last round of writing did; owned like writer
	twinAt  time.Time        // when another process had last written our votes; owned like writer
}

// New checks the options, reads the TLS files once to see that they are good,
// and starts nothing. All problems are reported at once.
func New(opt Options) (*Store, error) {
	opt = opt.withDefaults()
	if err := opt.problems(); err != nil {
		return nil, err
	}
	keys, timing := protocol.Keys(opt.Prefix), opt.timing()
	s := &Store{
		opt:     opt,
		keys:    keys,
		out:     protocol.NewOutbox(opt.Instance, rand.Text(), opt.VoteBeat),
		reader:  protocol.NewReader(keys, timing),
		writing: make(chan struct{}, 1),
	}
	s.writer = protocol.NewWriter(keys, timing, s.out)
	s.gate.permit = s.writer.Permit
	s.report.now = time.Now
	return s, nil
}

// PublishVotes makes b the votes of this instance: the latest wins. It never
// blocks on the network. Instance, Boot, Seq and Beat are stamped by the
// store; the votes are copied. Votes beyond MaxVotes (in order of endpoint)
// are left out, and reasons are cut to what others accept.
func (s *Store) PublishVotes(b regions.Ballot) { s.out.PublishVotes(b) }

// PublishInstance makes i what this instance says of itself, under the same
// lease as its votes. Name is stamped by the store.
func (s *Store) PublishInstance(i regions.Instance) { s.out.PublishInstance(i) }

// AllowCluster is the operator's word that this cluster's next list is to be
// believed although its history went back. It serves once.
func (s *Store) AllowCluster(id uint64) { s.reader.Allow(id) }

// Status is the latest status. It never blocks.
func (s *Store) Status() Status { return s.report.status() }

// Stats counts what has happened so far. It never blocks.
func (s *Store) Stats() Stats { return s.count.stats() }

// Run reads and writes until ctx ends, through any number of sessions, and
// then returns nil: that the store is away is never an error. It may be
// called once.
//
// onPicture gets every picture that differs from the last one, in order, from
// one goroutine; onStatus gets changes of the status, one at a time. Both may
// be nil and must return soon: reading waits for them.
func (s *Store) Run(ctx context.Context, onPicture func(*regions.Picture), onStatus func(Status)) error {
	if !s.running.CompareAndSwap(false, true) {
		return errors.New("store: Run called twice")
	}
	s.report.start(onStatus)
	c := newConsumer(s, onPicture)
	retry, said := protocol.NewBackoff(s.opt.timing()), map[cause]bool{}
	for turn := 0; ctx.Err() == nil; turn++ {
		began := time.Now()
		endpoint := s.opt.Remote.Endpoints[turn%len(s.opt.Remote.Endpoints)]
		err := s.session(ctx, endpoint, c)
		if ctx.Err() != nil {
			break
		}
		silent := time.Since(began)
		if c.listed {
			silent = time.Since(s.report.status().LastContact)
			clear(said)
		}
		s.lost(err, s.explain(err, []string{endpoint}, silent), said)
		if c.listed && time.Since(began) > s.opt.Silence {
			retry.Reset()
		}
		pause(ctx, retry.Next())
	}
	return nil
}

// cause is the kind of a session's end.
type cause uint8

const (
	causeUnreachable cause = iota // nobody answers
	causeBehind                   // the store's history went back
	causeOther
)

func (s *Store) causeOf(err error) cause {
	switch {
	case unreachable(err):
		return causeUnreachable
	case s.reader.Refuses():
		return causeBehind
	}
	return causeOther
}

// lost reports the end of a session and why, and logs the first of each cause
// in a row.
func (s *Store) lost(err, why error, said map[cause]bool) {
	if c := s.causeOf(err); !said[c] {
		said[c] = true
		s.opt.Log.Warn("store lost", "reason", why)
	}
	s.report.lost(why.Error(), s.reader.Refuses())
}

// session reads and writes through one endpoint until something breaks.
func (s *Store) session(ctx context.Context, endpoint string, c *consumer) error {
	c.listed = false
	s.gate.set(func(g *gate) { g.listed = false })
	to, err := s.connect(ctx, []string{endpoint})
	if err != nil {
		return err
	}
	defer to.Close()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return to.Lost(ctx) })
	group.Go(func() error { return c.run(ctx, to) })
	group.Go(func() error { return s.keep(ctx, to, []string{endpoint}) })
	return group.Wait()
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
