package store

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/steerdns/steerdns/regions/sim/simetcd"
	"github.com/steerdns/steerdns/regions/store/protocol"
)

// TestContractOfTheSimulation holds the simulation's store to what etcd gives.
func TestContractOfTheSimulation(t *testing.T) {
	s := newSimulated(t)
	contract(t, ground{endpoints: []string{"http://simulated.example.com:2379"}, connect: s.connect})
}

// simulated lets goroutines share a simulated etcd, in real time.
type simulated struct {
	mu      sync.Mutex
	cluster *simetcd.Cluster
	news    chan struct{} // closed and replaced when anything may have changed
	asked   uint64        // grows when progress is asked for
}

func newSimulated(t *testing.T) *simulated {
	s := &simulated{cluster: simetcd.New(7), news: make(chan struct{})}
	ticks, done := time.NewTicker(20*time.Millisecond), make(chan struct{})
	t.Cleanup(func() { ticks.Stop(); close(done) })
	go func() {
		for {
			select {
			case <-done:
				return
			case now := <-ticks.C:
				s.change(func(c *simetcd.Cluster) { c.Expire(now) })
			}
		}
	}()
	return s
}

func (s *simulated) connect(context.Context, []string) (peer, error) { return s, nil }

func (s *simulated) change(f func(*simetcd.Cluster)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.cluster)
	close(s.news)
	s.news = make(chan struct{})
}

func (s *simulated) Do(_ context.Context, r protocol.Request) (reply protocol.Reply, err error) {
	s.change(func(c *simetcd.Cluster) { reply, err = c.Do(time.Now(), r) })
	return reply, err
}

func (s *simulated) Watch(ctx context.Context, prefix string, from int64) <-chan protocol.Word {
	words := make(chan protocol.Word)
	go func() {
		defer close(words)
		w := simetcd.NewWatch(prefix, from)
		for seen := uint64(0); ; {
			list, news := s.poll(w, &seen)
			for _, word := range list {
				select {
				case words <- word:
				case <-ctx.Done():
					return
				}
				if word.Err != nil {
					return
				}
			}
			select {
			case <-news:
			case <-ctx.Done():
				return
			}
		}
	}()
	return words
}

func (s *simulated) poll(w *simetcd.Watch, seen *uint64) ([]protocol.Word, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.cluster.Poll(w)
	if *seen != s.asked {
		*seen = s.asked
		if word, alive := s.cluster.Progress(w); alive {
			list = append(list, word)
		}
	}
	return list, s.news
}

func (s *simulated) Progress(context.Context) error {
	s.change(func(*simetcd.Cluster) { s.asked++ })
	return nil
}

func (s *simulated) Lost(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func (s *simulated) Close() error { return nil }
func (s *simulated) Compact(revision int64) {
	s.change(func(c *simetcd.Cluster) { c.Compact(revision) })
}
