package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/store/protocol"
)

// operate is an operator's deed at an instance's admin surface, which is
// refused while the store is away or not believed.
func (s *sim) operate(f Fault, n *node) {
	if !n.alive || n.judged == nil || !n.judged.Ready || n.session == nil || !n.reader.HasListed() || !n.believed {
		return
	}
	w := n.state.Current()
	switch f.Kind {
	case Drain:
		if leavesOne(w, f.B) {
			s.override(n, w, regions.Override{Kind: regions.OverrideRegion, Name: s.topology.Regions[f.B].Name}, f.For)
		}
	case DrainEndpoint:
		s.override(n, w, regions.Override{Kind: regions.OverrideEndpoint, Name: s.targets[f.B].id}, f.For)
	case DrainService:
		s.override(n, w, regions.Override{Kind: regions.OverrideService, Name: strings.TrimSuffix(s.topology.Services[f.B].Name, ".")}, f.For)
	case Pin:
		s.override(n, w, regions.Override{Kind: regions.OverrideRegion, Name: s.topology.Regions[f.B].Name, Action: regions.ActionPin}, f.For)
	case LetBack:
		s.override(n, w, regions.Override{Kind: regions.OverrideFailback, Name: s.topology.Regions[f.B].Name}, f.For)
	case Undrain:
		for _, o := range w.Overrides {
			if o.Kind == regions.OverrideRegion {
				s.undrain(n, o)
			}
		}
	}
}

// leavesOne is the precondition of a drain: another region is up.
func leavesOne(w *regions.World, but int) bool {
	for i, v := range w.Regions {
		if i != but && v.Drained == nil && v.State != healthcheck.Down {
			return true
		}
	}
	return false
}

// override writes one, on the strength of the world that the instance shows
// now: as package admin, it builds on the revision of that world. It arrives
// when the network lets it.
func (s *sim) override(n *node, w *regions.World, o regions.Override, lasts time.Duration) {
	o.Owner, o.Reason, o.Created, o.Expires = fmt.Sprintf("ann-%d", s.steps), "drill", n.now(), n.now().Add(lasts)
	basis := w.Revision
	s.carry(n, func(do protocol.Carrier) {
		err := protocol.PutOverride(do, keys, n.now(), o, basis, false)
		s.say("an operator at %s: %s %s %s until %s: %v", n.name, o.Kind, o.Name, o.Verb(), o.Expires.Format(time.TimeOnly), err)
		if err == nil {
			s.oracle.overrideWritten()
		}
	})
}

func (s *sim) undrain(n *node, o regions.Override) {
	s.carry(n, func(do protocol.Carrier) {
		_, found, err := protocol.DeleteOverride(do, keys, o.Kind, o.Name)
		s.say("an operator at %s ends the drain of %s %s: %v %v", n.name, o.Kind, o.Name, found, err)
		if found {
			s.oracle.overrideEnded(o.Kind, o.Name)
		}
	})
}

// carry takes an operator's requests to the store, together, after a while.
func (s *sim) carry(n *node, what func(protocol.Carrier)) {
	travel := s.net.span(time.Millisecond, 500*time.Millisecond+n.slow)
	if n.late > 0 {
		travel += callTimeout
	}
	cut, cluster := n.cut > 0, s.store.cluster
	s.after(travel, func() {
		if cut || s.store.down > 0 || s.store.cluster != cluster {
			return
		}
		what(s.store.do)
	})
}

// accept is the operators' word on a store that an instance does not believe.
func (s *sim) accept() {
	for _, n := range s.nodes {
		if !n.alive || n.state.Refused() == nil && !n.reader.Refuses() {
			continue
		}
		if s.oracle.healed || s.net.one(5) {
			s.say("an operator lets %s believe cluster %d", n.name, s.store.cluster.ID())
			n.state.AllowCluster(s.store.cluster.ID())
			n.reader.Allow(s.store.cluster.ID())
			s.oracle.allowed(n, s.store.cluster.ID())
			n.again()
		}
	}
}
