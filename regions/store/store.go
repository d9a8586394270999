package store

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/steerdns/steerdns/regions"
)

// Store is one instance's end of the fleet's shared state.
type Store struct {
	opt     Options
	keys    keys
	boot    string
	report  reporter
	count   counters
	out     *outbox
	running atomic.Bool
	allowed atomic.Uint64 // a cluster that an operator believes although its history went back; 0: none
	writing chan struct{} // whoever has put the one token in owns mine
	mine    mine          // owned by the holder of writing
}

// mine is what this instance holds in etcd; it outlives sessions.
type mine struct {
	lease   clientv3.LeaseID // 0: none
	seq     uint64           // of the last ballot that was tried
	written int64            // the revision of the last ballot written under lease; 0: none
	left    bool             // goodbye was said: nothing is written any more
}

// New checks the options, reads the TLS files once to see that they are good,
// and starts nothing. All problems are reported at once.
func New(opt Options) (*Store, error) {
	opt = opt.withDefaults()
	if err := opt.problems(); err != nil {
		return nil, err
	}
	s := &Store{
		opt:     opt,
		keys:    keys(opt.Prefix),
		boot:    rand.Text(),
		out:     newOutbox(),
		writing: make(chan struct{}, 1),
	}
	s.report.now = time.Now
	return s, nil
}

// AllowCluster is the operator's word that this cluster's next list is to be
// believed although its history went back. It serves once.
func (s *Store) AllowCluster(id uint64) { s.allowed.Store(id) }

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
	var retry backoff
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
		}
		s.lost(s.explain(err, []string{endpoint}, silent), c.listed || turn == 0)
		if c.listed && time.Since(began) > s.opt.Silence {
			retry.reset()
		}
		pause(ctx, retry.next())
	}
	return nil
}

// lost reports the end of a session, and logs the first of a row.
func (s *Store) lost(err error, first bool) {
	if first {
		s.opt.Log.Warn("store lost, the last world stands", "reason", err)
	}
	s.report.lost(err.Error())
}

// session reads and writes through one endpoint until something breaks.
func (s *Store) session(ctx context.Context, endpoint string, c *consumer) error {
	c.listed = false
	client, err := s.dial(ctx, []string{endpoint})
	if err != nil {
		return err
	}
	defer client.Close()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return guard(ctx, client) })
	group.Go(func() error { return c.run(ctx, client) })
	group.Go(func() error { return newKeeper(s, client).run(ctx) })
	return group.Wait()
}

// backoff is the time between sessions: it doubles from 100 ms to 5 s, with
// half of it left to chance.
type backoff struct{ failures int }

const (
	shortestPause = 100 * time.Millisecond
	longestPause  = 5 * time.Second
)

func (b *backoff) reset() { b.failures = 0 }

func (b *backoff) next() time.Duration {
	d := min(shortestPause<<b.failures, longestPause)
	b.failures = min(b.failures+1, 10)
	return d/2 + mathrand.N(d/2)
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

// vary is d by up to a quarter more or less, so that a fleet does not beat in
// step.
func vary(d time.Duration) time.Duration {
	return d*3/4 + mathrand.N(d/2+1)
}
