package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// shared is the one etcd of this test run; every test has a prefix of its own.
var shared string

func TestMain(m *testing.M) { os.Exit(runWithEtcd(m)) }

func runWithEtcd(m *testing.M) int {
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	e, err := NewEmbedded(EmbeddedOptions{Dir: dir})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() { done <- e.Run(ctx, func(at string) { ready <- at }) }()
	defer func() { cancel(); <-done }()
	select {
	case shared = <-ready:
		return m.Run()
	case err := <-done:
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
}

// patience is how long a test waits for what must happen.
const patience = 15 * time.Second

// quick are options with the waiting taken out.
func quick(t *testing.T, instance string, endpoints ...string) Options {
	prefix := "/" + t.Name() + "/"
	t.Cleanup(func() { sweep(prefix) })
	return Options{
		Instance: instance,
		Prefix:   prefix,
		Remote:   Remote{Endpoints: endpoints},
		VoteBeat: 300 * time.Millisecond, LeaseTTL: time.Second, Silence: 2 * time.Second, Coalesce: 20 * time.Millisecond,
	}
}

// sweep empties a prefix of the shared etcd, so that a test can run again.
func sweep(prefix string) {
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{shared}, DialTimeout: time.Second, Logger: zap.NewNop()})
	if err != nil {
		return
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = c.Delete(ctx, prefix, clientv3.WithPrefix()) // a test of another etcd has nothing here
}

// running is a store under Run, and what it has told.
type running struct {
	*Store
	t      *testing.T
	cancel context.CancelFunc
	done   chan error

	mu       sync.Mutex
	news     chan struct{} // closed and replaced at each picture or status
	pictures []*regions.Picture
	statuses []Status
}

// start runs a store until the test ends or stop is called.
func start(t *testing.T, opt Options) *running {
	t.Helper()
	s, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Store: s, t: t, cancel: cancel, done: make(chan error, 1), news: make(chan struct{})}
	go func() { r.done <- s.Run(ctx, r.onPicture, r.onStatus) }()
	t.Cleanup(r.stop)
	return r
}

func (r *running) stop() {
	r.cancel()
	if err, open := <-r.done; open && err != nil {
		r.t.Errorf("Run: %v", err)
	}
	r.done = closed
}

var closed = func() chan error { c := make(chan error); close(c); return c }()

func (r *running) onPicture(p *regions.Picture) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pictures = append(r.pictures, p)
	r.tell()
}

func (r *running) onStatus(s Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.statuses = append(r.statuses, s)
	r.tell()
}

func (r *running) tell() { close(r.news); r.news = make(chan struct{}) }

// picture waits for a latest picture such that ok.
func (r *running) picture(what string, ok func(*regions.Picture) bool) *regions.Picture {
	r.t.Helper()
	var found *regions.Picture
	r.wait(what, func() bool {
		if len(r.pictures) == 0 || !ok(r.pictures[len(r.pictures)-1]) {
			return false
		}
		found = r.pictures[len(r.pictures)-1]
		return true
	})
	return found
}

// status waits for a latest status such that ok.
func (r *running) status(what string, ok func(Status) bool) {
	r.t.Helper()
	r.wait(what, func() bool { return len(r.statuses) > 0 && ok(r.statuses[len(r.statuses)-1]) })
}

func (r *running) wait(what string, ok func() bool) {
	r.t.Helper()
	limit := time.After(patience)
	for {
		r.mu.Lock()
		good, news := ok(), r.news
		r.mu.Unlock()
		if good {
			return
		}
		select {
		case <-news:
		case <-limit:
			r.mu.Lock()
			defer r.mu.Unlock()
			r.t.Fatalf("waited %v for %s; status %+v, pictures %d, last %+v", patience, what, r.Store.Status(), len(r.pictures), last(r.pictures))
		}
	}
}

func last(p []*regions.Picture) any {
	if len(p) == 0 {
		return nil
	}
	return *p[len(p)-1]
}

// raw is an ordinary etcd client, for what other people do to a store.
func raw(t *testing.T, endpoints ...string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: endpoints, DialTimeout: time.Second, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// vote makes a ballot with one vote.
func vote(region, endpoint string, state healthcheck.State, reason string) regions.Ballot {
	return regions.Ballot{Region: region, Votes: map[string]healthcheck.Vote{endpoint: {State: state, Reason: reason, Since: noon}}}
}

func drain(kind regions.OverrideKind, name, owner string) regions.Override {
	return regions.Override{Kind: kind, Name: name, Owner: owner, Reason: "maintenance", Expires: time.Now().Add(time.Hour)}
}

func fleetFile(text, by string) regions.FleetFile {
	return regions.FleetFile{Text: text, Hash: strings.Repeat("ab", 32), By: by}
}

func ballotOf(p *regions.Picture, instance string) *regions.Ballot {
	i := slices.IndexFunc(p.Ballots, func(b regions.Ballot) bool { return b.Instance == instance })
	if i < 0 {
		return nil
	}
	return &p.Ballots[i]
}

// server is an embedded etcd that a test may stop and start on one directory
// and one port.
type server struct {
	t      *testing.T
	opt    EmbeddedOptions
	cancel context.CancelFunc
	done   chan error
	at     string
}

func newServer(t *testing.T) *server {
	s := &server{t: t, opt: EmbeddedOptions{Dir: filepath.Join(t.TempDir(), "data")}}
	t.Cleanup(func() {
		if s.cancel != nil {
			s.stop()
		}
	})
	return s
}

func (s *server) start() {
	s.t.Helper()
	e, err := NewEmbedded(s.opt)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.done = cancel, make(chan error, 1)
	ready := make(chan string, 1)
	go func() { s.done <- e.Run(ctx, func(at string) { ready <- at }) }()
	select {
	case s.at = <-ready:
	case err := <-s.done:
		s.t.Fatal(err)
	}
	s.opt.ListenClient = strings.TrimPrefix(s.at, "http://")
}

func (s *server) stop() {
	s.t.Helper()
	s.cancel()
	s.cancel = nil
	if err := <-s.done; err != nil {
		s.t.Error(err)
	}
}

// wins counts.
type wins struct{ atomic.Int64 }
