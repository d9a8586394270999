package dnsserver

import (
	"time"

	"github.com/steerdns/steerdns/geo"
)

// warmFor bounds how long a new view is held back to compute the answers that
// the view before it was asked for. What is left is computed on first use.
const warmFor = 50 * time.Millisecond

// warm computes the answers that old had computed, so that the first queries of
// an epoch need not. Both must have the same zones and cells. Nobody else may
// use r yet.
func (r *rows) warm(old *rows) {
	until := time.Now().Add(warmFor)
	old.used(func(s start, cell geo.Cell, variant uint8) bool {
		r.compute(s, cell, variant)
		return time.Now().Before(until)
	})
}

// used calls yield for every answer that has been computed, by variant where
// that matters, until it returns false.
func (r *rows) used(yield func(start, geo.Cell, uint8) bool) {
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

func (n *nodeTables) used(yield func(start, geo.Cell, uint8) bool) bool {
	if n == nil {
		return true
	}
	for _, t := range *n {
		for cell := range t.cells {
			for v := range t.cells[cell].Load().used() {
				if !yield(t.start, geo.Cell(cell), v) {
					return false
				}
			}
		}
	}
	return true
}

// used yields the variants that have been computed, or 0 for all.
func (w *row) used() func(yield func(uint8) bool) {
	return func(yield func(uint8) bool) {
		if w == nil {
			return
		}
		if w.variants == nil {
			yield(0)
			return
		}
		for v := range w.variants {
			if w.variants[v].Load() != nil && !yield(uint8(v)) {
				return
			}
		}
	}
}
