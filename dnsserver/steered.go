package dnsserver

import (
	"sync"
	"sync/atomic"

	"github.com/steerdns/steerdns/dnsserver/zone"
	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/steering"
)

// rows holds the answers of one world that services have a say in. Each
// table belongs to a start, each row to a cell; answers and rows are shared
// by content, so that memory belongs to decisions and not to prefixes.
type rows struct {
	zones *zone.Set
	world *regions.World
	atlas locator
	pages []atomic.Pointer[page] // by Node.ID / pageSize

	mu      sync.Mutex // of what follows and of all writing; held for moments, never by readers
	answers map[answerKey]*compiled
	byOne   map[*compiled]*row
	byRow   map[answerList]*row // complete ones
}

const pageSize = 256

// page holds the tables of pageSize nodes, so that a world costs little for
// zones with many nodes and few services.
type page [pageSize]atomic.Pointer[nodeTables]

// nodeTables is a node's tables. Immutable: a new one replaces it.
type nodeTables []*table

// table is the answers for one start, by cell.
type table struct {
	start
	cells []atomic.Pointer[row]
}

// row is the answers of one cell: one for all clients, or one for each
// variant, of which each is computed on first use. A query waits for one
// decision at most, however many there are.
type row struct {
	one      *compiled
	variants *[steering.Variants]atomic.Pointer[compiled] // nil when they are all the same
}

type answerList [steering.Variants]*compiled

// answerKey names an answer by what was decided for a start.
type answerKey struct {
	node     uint32
	qtype    uint16
	tailored bool
	decision string
}

func newRows(w *regions.World, zs *zone.Set, atlas locator) *rows {
	return &rows{
		zones:   zs,
		world:   w,
		atlas:   atlas,
		pages:   make([]atomic.Pointer[page], (zs.Nodes()+pageSize-1)/pageSize),
		answers: make(map[answerKey]*compiled),
		byOne:   make(map[*compiled]*row),
		byRow:   make(map[answerList]*row),
	}
}

func (n *nodeTables) find(qtype uint16) *table {
	if n == nil {
		return nil
	}
	for _, t := range *n {
		if t.qtype == qtype {
			return t
		}
	}
	return nil
}

// find returns the answer for s and a client, computing it on first use, and
// whether it is for the client's variant only; nil when it cannot be kept.
func (r *rows) find(s *start, at *clientCell) (c *compiled, varies bool) {
	id := s.res.Node.ID
	if pg := r.pages[id/pageSize].Load(); pg != nil {
		if t := pg[id%pageSize].Load().find(s.qtype); t != nil {
			if c, varies = t.cells[at.cell].Load().find(at); c != nil {
				return c, varies
			}
		}
	}
	return r.compute(*s, at.cell, steering.VariantOf(at.addr))
}

func (w *row) find(at *clientCell) (c *compiled, varies bool) {
	switch {
	case w == nil:
		return nil, false
	case w.variants == nil:
		return w.one, false
	}
	return w.variants[steering.VariantOf(at.addr)%steering.Variants].Load(), true
}

// compute makes one answer. Two workers may make the same one at a time; the
// first one to be kept is everyone's.
func (r *rows) compute(s start, cell geo.Cell, variant uint8) (c *compiled, varies bool) {
	if typeIndex(s.qtype) == otherType {
		return nil, false // the types of an alias are without bound
	}
	c, varies = r.answer(s, r.atlas.Place(cell), variant)
	if c == nil {
		return nil, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	slot := &r.table(s).cells[cell]
	if !varies {
		slot.Store(r.single(c))
		return c, false
	}
	have := slot.Load()
	if have == nil {
		have = &row{variants: new([steering.Variants]atomic.Pointer[compiled])}
		slot.Store(have)
	}
	have.variants[variant].CompareAndSwap(nil, c)
	slot.Store(r.share(have))
	return c, true
}

// table returns the table of s; r.mu is held.
func (r *rows) table(s start) *table {
	id := s.res.Node.ID
	pg := r.pages[id/pageSize].Load()
	if pg == nil {
		pg = new(page)
		r.pages[id/pageSize].Store(pg)
	}
	slot := &pg[id%pageSize]
	have := slot.Load()
	if t := have.find(s.qtype); t != nil {
		return t
	}
	var next nodeTables
	if have != nil {
		next = append(next, *have...)
	}
	t := &table{start: s, cells: make([]atomic.Pointer[row], max(r.atlas.Cells(), 1))}
	next = append(next, t)
	slot.Store(&next)
	return t
}

// answer returns the answer for one place and variant, and whether other
// variants may get others.
func (r *rows) answer(s start, place *geo.Place, variant uint8) (c *compiled, varies bool) {
	owners := s.owners()
	if len(owners) == 0 {
		return nil, false
	}
	makePlan := func(owner []byte) *plan { return r.plan(owner, s, place, variant) }
	first := makePlan(owners[0])
	key := answerKey{s.res.Node.ID, s.qtype, first.tailored, string(first.key)}
	if c = r.kept(key, nil); c != nil {
		return c, first.varied
	}
	c, err := compile(s.qtype, owners, makePlan)
	if err != nil {
		return nil, false
	}
	return r.kept(key, c), first.varied
}

// kept returns the answer that is kept under key: c when there was none.
func (r *rows) kept(key answerKey, c *compiled) *compiled {
	r.mu.Lock()
	defer r.mu.Unlock()
	if have := r.answers[key]; have != nil || c == nil {
		return have
	}
	r.answers[key] = c
	return c
}

func (r *rows) plan(owner []byte, s start, place *geo.Place, variant uint8) *plan {
	p := planner{zones: r.zones, world: r.world, place: place, variant: variant, qtype: s.qtype}
	return p.run(owner, s.res)
}

// single returns the one row that is c for all clients; r.mu is held.
func (r *rows) single(c *compiled) *row {
	found := r.byOne[c]
	if found == nil {
		found = &row{one: c}
		r.byOne[c] = found
	}
	return found
}

// share returns the one row with the answers of w when w is complete, and w
// when it is not; r.mu is held.
func (r *rows) share(w *row) *row {
	var list answerList
	for v := range list {
		if list[v] = w.variants[v].Load(); list[v] == nil {
			return w
		}
	}
	found := r.byRow[list]
	if found == nil {
		found = w
		r.byRow[list] = w
	}
	return found
}
