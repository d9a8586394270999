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

	mu      sync.Mutex // one computation at a time; readers never take it
	answers map[answerKey]*compiled
	byRow   map[answerList]*row
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
// variant.
type row struct {
	one      *compiled
	variants *answerList // nil when they are all the same
}

type answerList [steering.Variants]*compiled

// answerKey names an answer by what was decided for a start.
type answerKey struct {
	node     uint32
	qtype    uint16
	decision string
}

func newRows(w *regions.World, zs *zone.Set, atlas locator) *rows {
	return &rows{
		zones:   zs,
		world:   w,
		atlas:   atlas,
		pages:   make([]atomic.Pointer[page], (zs.Nodes()+pageSize-1)/pageSize),
		answers: make(map[answerKey]*compiled),
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

// row returns the row for s and cell, computing it on first use; nil when
// the answers cannot be kept.
func (r *rows) row(s *start, cell geo.Cell) *row {
	id := s.res.Node.ID
	if pg := r.pages[id/pageSize].Load(); pg != nil {
		if t := pg[id%pageSize].Load().find(s.qtype); t != nil {
			if found := t.cells[cell].Load(); found != nil {
				return found
			}
		}
	}
	return r.compute(*s, cell)
}

func (r *rows) compute(s start, cell geo.Cell) *row {
	if typeIndex(s.qtype) == otherType {
		return nil // the types of an alias are without bound
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.table(s)
	if found := t.cells[cell].Load(); found != nil {
		return found
	}
	place := r.atlas.Place(cell)
	var list answerList
	for v := range list {
		if list[v] = r.answer(s, place, uint8(v)); list[v] == nil {
			return nil
		}
	}
	found := r.share(&list)
	t.cells[cell].Store(found)
	return found
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

// answer returns the answer for one place and variant; r.mu is held.
func (r *rows) answer(s start, place *geo.Place, variant uint8) *compiled {
	owners := s.owners()
	if len(owners) == 0 {
		return nil
	}
	makePlan := func(owner []byte) *plan { return r.plan(owner, s, place, variant) }
	first := makePlan(owners[0])
	key := answerKey{s.res.Node.ID, s.qtype, string(first.key)}
	if c := r.answers[key]; c != nil {
		return c
	}
	c, err := compile(s.qtype, owners, makePlan)
	if err != nil {
		return nil
	}
	r.answers[key] = c
	return c
}

func (r *rows) plan(owner []byte, s start, place *geo.Place, variant uint8) *plan {
	p := planner{zones: r.zones, world: r.world, place: place, variant: variant, qtype: s.qtype}
	return p.run(owner, s.res)
}

// share returns the one row with these answers; r.mu is held.
func (r *rows) share(list *answerList) *row {
	if found := r.byRow[*list]; found != nil {
		return found
	}
	found := &row{one: list[0]}
	for _, c := range list {
		if c != list[0] {
			kept := *list
			found.variants = &kept
			break
		}
	}
	r.byRow[*list] = found
	return found
}
