package regions

import (
	"fmt"
	"sync"
	"time"
)

// news is what came in since the last look; of each kind only the latest.
type news struct {
	topology  *Topology
	picture   *Picture
	own       *Ballot
	connected *bool
	believed  *bool // whether the last picture was
	gap       bool  // the store was away, or not believed, for a while
	restored  *Restored
}

// inbox hands news over to Run without making anyone wait.
type inbox struct {
	wake  chan struct{} // holds one token while there is news
	mu    *sync.Mutex
	news  news
	fence fence
}

func newInbox() inbox {
	return inbox{wake: make(chan struct{}, 1), mu: new(sync.Mutex)}
}

func (in *inbox) put(f func(*news)) {
	in.mu.Lock()
	f(&in.news)
	in.mu.Unlock()
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

func (in *inbox) empty() news {
	in.mu.Lock()
	defer in.mu.Unlock()
	n := in.news
	in.news = news{}
	return n
}

// fence lets only pictures through that go forward (rule 10): of the cluster
// that was first seen, at no lower a revision than the last one.
type fence struct {
	known    bool
	cluster  uint64
	revision int64
	behind   bool // the cluster's history went back: refused for good, since its own writes soon hide it
	allowed  bool // the operator's word for one change of cluster or step back
	allow    uint64
}

// Refusal says why a picture was not applied.
type Refusal struct {
	Cluster  uint64    `json:"cluster"`
	Revision int64     `json:"revision"`
	At       time.Time `json:"at"` // since when this cluster is refused
	Reason   string    `json:"reason"`
}

// pass returns why a picture may not pass, or "".
func (f *fence) pass(cluster uint64, revision int64) string {
	switch {
	case f.allowed && (f.allow == 0 || f.allow == cluster):
		f.allowed, f.behind = false, false
	case f.known && cluster != f.cluster:
		return fmt.Sprintf("the store is another cluster (%016x, not %016x): its state is not believed without an operator's word", cluster, f.cluster)
	case f.known && (f.behind || revision < f.revision):
		f.behind = true
		return fmt.Sprintf("its history went back behind the applied revision %d of the same cluster (it is at %d): an old backup, or lost data", f.revision, revision)
	}
	f.known, f.cluster, f.revision = true, cluster, revision
	return ""
}

// SetTopology gives the configuration; t must not change afterwards.
func (s *State) SetTopology(t *Topology) { s.inbox.put(func(n *news) { n.topology = t }) }

// SetOwnVotes gives this instance's own votes (see Input.Own); the ballot must
// not change afterwards.
func (s *State) SetOwnVotes(b Ballot) { s.inbox.put(func(n *news) { n.own = &b }) }

// SetStoreConnected tells whether the store can be reached. A State begins
// unconnected.
func (s *State) SetStoreConnected(up bool) {
	s.inbox.put(func(n *news) { n.connected, n.gap = &up, n.gap || !up })
}

// SetPicture gives what the store says; p must not change afterwards. A
// picture of another cluster, or of a lower revision than one given before,
// is refused: as long as no other one is given the store counts as away, the
// last world stands, and Refused tells why. It returns whether the picture is
// believed.
func (s *State) SetPicture(p *Picture) bool {
	s.inbox.mu.Lock()
	why := s.inbox.fence.pass(p.Cluster, p.Revision)
	believed := why == ""
	s.inbox.news.believed = &believed
	s.inbox.news.gap = s.inbox.news.gap || !believed
	if believed {
		s.inbox.news.picture = p
	}
	s.inbox.mu.Unlock()
	if believed {
		s.refused.Store(nil)
	} else {
		s.refuse(p, why)
	}
	s.inbox.put(func(*news) {})
	return believed
}

// refuse keeps the refusal, and logs it unless the one before it was of the
// same cluster: then it goes on.
func (s *State) refuse(p *Picture, why string) {
	r := &Refusal{Cluster: p.Cluster, Revision: p.Revision, At: time.Now(), Reason: why}
	last := s.refused.Load()
	goesOn := last != nil && last.Cluster == r.Cluster
	if goesOn {
		r.At = last.At
	}
	s.refused.Store(r)
	if !goesOn {
		s.opts.Log.Error("store state refused, the last world stands", "cluster", fmt.Sprintf("%016x", r.Cluster), "revision", r.Revision, "reason", why)
	}
}

// Refused is the picture that was refused last, or nil when one was applied
// since.
func (s *State) Refused() *Refusal { return s.refused.Load() }

// AllowCluster is the operator's word that the next picture of this cluster
// is to be believed, whatever its revision: after a restore from a backup, or
// a move to a new cluster. 0 stands for any cluster. It serves once.
func (s *State) AllowCluster(id uint64) {
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	s.inbox.fence.allowed, s.inbox.fence.allow = true, id
}

// Restore gives what was remembered over a restart; it counts until the first
// picture comes, and keeps older pictures out. It must be called before the
// first SetPicture.
func (s *State) Restore(r Restored) {
	s.inbox.mu.Lock()
	if !s.inbox.fence.known && r.Revision > 0 {
		s.inbox.fence.known, s.inbox.fence.cluster, s.inbox.fence.revision = true, r.Cluster, r.Revision
	}
	s.inbox.mu.Unlock()
	s.inbox.put(func(n *news) { n.restored = &r })
}
