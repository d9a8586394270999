package dnsserver

import (
	"time"

	"github.com/steerdns/steerdns/geo"
)

// warmFor bounds how long a new view is held back to compute the answers that
// the view before it was asked for. What is left is computed on first use.
const warmFor = 50 * time.Millisecond

// warm computes the rows that old had computed, so that the first queries of
// an epoch need not. Both must have the same zones and cells. Nobody else may
// use r yet.
func (r *rows) warm(old *rows) {
	until := time.Now().Add(warmFor)
	old.used(func(s start, cell geo.Cell) bool {
		r.row(&s, cell)
		return time.Now().Before(until)
	})
}

// used calls yield for every row that has been computed until it returns
// false.
func (r *rows) used(yield func(start, geo.Cell) bool) {
	for i := range r.pages {
		pg := r.pages[i].Load()
		if pg == nil {
			continue
		}
		for j := range pg {
			if !pg[j].Load().used(yield) {
				return
			}
		}
	}
}

func (n *nodeTables) used(yield func(start, geo.Cell) bool) bool {
	if n == nil {
		return true
	}
	for _, t := range *n {
		for cell := range t.cells {
			if t.cells[cell].Load() != nil && !yield(t.start, geo.Cell(cell)) {
				return false
			}
		}
	}
	return true
}
