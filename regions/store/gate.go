package store

import "sync"

// gate tells the Writer whether it may write: what this session has listed is
// believed.
type gate struct {
	permit func(bool)

	mu      sync.Mutex
	listed  bool // guarded by mu
	refused bool // guarded by mu; the last picture was
}

func (g *gate) set(change func(*gate)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(g)
	g.permit(g.listed && !g.refused)
}

func (g *gate) open() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.listed && !g.refused
}

// Believe says whether the last picture is believed. As long as it is not,
// this instance writes neither votes nor its entry. It never blocks.
func (s *Store) Believe(yes bool) { s.gate.set(func(g *gate) { g.refused = !yes }) }
