package dnsserver

import (
	"sync"
	"sync/atomic"

	"github.com/steerdns/steerdns/dnsserver/zone"
)

// anyType is the key of an answer that is the same for every type: a
// delegation's.
const anyType = 0

// statics holds the answers that depend on the zones only. They are compiled
// on first use and live as long as the set of zones does, over many views.
// The bound: at most one answer for each node and type it has, one for each
// alias and known type, and two for each zone.
type statics struct {
	zones *zone.Set
	nodes []atomic.Pointer[nodeAnswers] // by Node.ID
	noDat []atomic.Pointer[compiled]    // by Zone.Index
	noNam []atomic.Pointer[compiled]    // by Zone.Index
	mu    sync.Mutex                    // one compilation at a time; readers never take it
}

// nodeAnswers is a node's answers. Immutable: a new one replaces it.
type nodeAnswers []typedAnswer

// typedAnswer is a node's answer for one type.
type typedAnswer struct {
	qtype uint16
	c     *compiled // nil: the answer ends at a service, look in the view's rows
}

func newStatics(zs *zone.Set) *statics {
	return &statics{
		zones: zs,
		nodes: make([]atomic.Pointer[nodeAnswers], zs.Nodes()),
		noDat: make([]atomic.Pointer[compiled], len(zs.Zones())),
		noNam: make([]atomic.Pointer[compiled], len(zs.Zones())),
	}
}

func (n *nodeAnswers) find(qtype uint16) (*compiled, bool) {
	if n == nil {
		return nil, false
	}
	for i := range *n {
		if (*n)[i].qtype == qtype {
			return (*n)[i].c, true
		}
	}
	return nil, false
}

// answer returns the answer for s, compiling it on first use. steered means
// that it ends at a service. Neither means that it is not kept: ask plan.
func (t *statics) answer(s *start) (c *compiled, steered bool) {
	key := s.qtype
	if s.res.Outcome == zone.Delegation {
		key = anyType
	}
	slot := &t.nodes[s.res.Node.ID]
	if c, ok := slot.Load().find(key); ok {
		return c, c == nil
	}
	if s.res.Outcome == zone.Alias && typeIndex(s.qtype) == otherType {
		return nil, false // the types of an alias are without bound
	}
	return t.make(*s, key, slot)
}

func (t *statics) make(s start, key uint16, slot *atomic.Pointer[nodeAnswers]) (*compiled, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	have := slot.Load()
	if c, ok := have.find(key); ok {
		return c, c == nil
	}
	c, steered, err := t.compile(s)
	if err != nil {
		return nil, false
	}
	var next nodeAnswers
	if have != nil {
		next = append(next, *have...)
	}
	next = append(next, typedAnswer{qtype: key, c: c})
	slot.Store(&next)
	return c, steered
}

// compile packs the answer for s, unless it ends at a service.
func (t *statics) compile(s start) (c *compiled, steered bool, err error) {
	c, err = compile(s.qtype, s.owners(), func(owner []byte) *plan {
		p := planner{zones: t.zones, qtype: s.qtype}
		p.run(owner, s.res)
		steered = steered || p.decided
		return &p.plan
	})
	if steered {
		return nil, true, nil
	}
	return c, false, err
}

// negative returns the zone's answer for names that do not exist, or types
// that names do not have: the same octets for all of them.
func (t *statics) negative(s *start) *compiled {
	slots := t.noDat
	if s.res.Outcome == zone.NameError {
		slots = t.noNam
	}
	slot := &slots[s.res.Zone.Index]
	if c := slot.Load(); c != nil {
		return c
	}
	return t.makeNegative(*s, slot)
}

func (t *statics) makeNegative(s start, slot *atomic.Pointer[compiled]) *compiled {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, _, err := t.compile(s)
	if err != nil {
		return nil
	}
	slot.Store(c)
	return c
}
