package geo

import "net/netip"

// Cell names all client prefixes for which the regions rank alike: 0 up to
// Cells()-1 of one Atlas. It means nothing in another Atlas.
type Cell uint32

// maxCells bounds the cells of an Atlas.
const maxCells = 1<<16 - 1

// Atlas maps every address to its cell. It is immutable, needs nothing of the
// Data that it was compiled from, and is safe for concurrent use.
//
// The leaves of an Atlas are the fewest aligned prefixes that divide the whole
// address space of a family so that each lies in one cell. IPv4 leaves are
// 0..32 bits long (longer than 24 only at places and cuts), IPv6 leaves 0..64
// (longer than 56 only there).
type Atlas struct {
	v4 chart[uint32]
	v6 chart[uint64]

	places  []Place // by cell
	located []bool  // by cell: it holds located space
	digest  string
	leaves4 int
	leaves6 int
}

// chart maps the addresses of one family to cells. It stores runs rather than
// leaves: neighbouring runs differ in cell, so the leaf around an address
// follows from the borders of its run.
type chart[K word] struct {
	start  []K      // start[0] is 0
	cell   []uint16 // as long as start
	index  []uint32 // by the upper 16 bits: the run that holds their first address; one more at the end
	coarse []K      // the start of every 32nd run
	most   Cell     // that holds the larger share of the family
}

// stride is how many runs share an entry of chart.coarse: 32 starts are a few
// cache lines.
const stride = 32

// find is the run that holds at. Each of its three steps narrows lo..hi.
func (c *chart[K]) find(at K) int {
	top := at >> (width[K]() - 16)
	lo, hi := c.index[top], c.index[top+1]
	if hi-lo > 2*stride {
		k := search(c.coarse, at, lo/stride, hi/stride)
		lo, hi = max(lo, k*stride), min(hi, k*stride+stride-1)
	}
	return int(search(c.start, at, lo, hi))
}

// search is the last entry of starts in lo..hi that is not above at, or lo.
func search[K word](starts []K, at K, lo, hi uint32) uint32 {
	for n := hi - lo + 1; n > 1; {
		half := n / 2
		if starts[lo+half] <= at {
			lo += half
		}
		n -= half
	}
	return lo
}

// last is the last address of run i.
func (c *chart[K]) last(i int) K {
	if i+1 < len(c.start) {
		return c.start[i+1] - 1
	}
	return ^K(0)
}

func (c *chart[K]) locate(at K) (Cell, uint8) {
	i := c.find(at)
	return Cell(c.cell[i]), uint8(leafBits(at, c.start[i], c.last(i)))
}

// Locate is the cell of an address and the length of the leaf around it, in
// the address's own family: IPv4-mapped addresses count as IPv4. An invalid
// address gets the cell that most of IPv4 is in, and 0. It does not allocate.
func (a *Atlas) Locate(addr netip.Addr) (Cell, uint8) {
	switch {
	case addr.Is4(), addr.Is4In6():
		return a.v4.locate(word4(addr))
	case addr.Is6():
		return a.v6.locate(word6(addr))
	}
	return a.v4.most, 0
}

// LocatePrefix is the cell for a client of whom only a prefix is known, and
// the length for which that holds. Within one leaf it is that leaf's cell and
// length. A prefix that spans several leaves gets the cell that holds the
// larger share of its located space (of all its space when nothing in it is
// located; the lower cell wins a tie) and its own length; beyond 256 runs of
// equal cells the shares are estimated by one probe in each of 64 equal parts. Host bits
// are ignored, prefixes of IPv4-mapped addresses count as IPv4, and an invalid
// prefix counts as 0.0.0.0/0. It does not allocate.
func (a *Atlas) LocatePrefix(p netip.Prefix) (cell Cell, bits uint8) {
	p = unmapPrefix(p)
	switch {
	case !p.IsValid():
		return a.v4.most, 0
	case p.Addr().Is4():
		return a.v4.locatePrefix(word4(p.Addr()), p.Bits(), a.located)
	default:
		return a.v6.locatePrefix(word6(p.Addr()), p.Bits(), a.located)
	}
}

func (c *chart[K]) locatePrefix(at K, bits int, located []bool) (Cell, uint8) {
	if bits >= width[K]() {
		return c.locate(at)
	}
	host := hostMask[K](bits)
	first, last := at&^host, at|host
	i, j := c.find(first), c.find(last)
	switch {
	case i == j:
		return c.locate(first)
	case bits == 0:
		return c.most, 0
	case j-i < maxTally:
		return c.largest(i, j, first, last, located), uint8(bits)
	}
	return c.probe(first, last, located), uint8(bits)
}

// maxTally is how many runs are counted exactly.
const maxTally = 256

// tally adds up shares by cell.
type tally struct {
	n     int
	cell  [maxTally]uint16
	share [maxTally]uint64
}

func (t *tally) add(cell uint16, share uint64) {
	for i := range t.n {
		if t.cell[i] == cell {
			t.share[i] += share
			return
		}
	}
	t.cell[t.n], t.share[t.n] = cell, share
	t.n++
}

// best is the cell with the largest share, located ones first.
func (t *tally) best(located []bool) Cell {
	best := 0
	for i := 1; i < t.n; i++ {
		if t.beats(i, best, located) {
			best = i
		}
	}
	return Cell(t.cell[best])
}

func (t *tally) beats(i, j int, located []bool) bool {
	if a, b := located[t.cell[i]], located[t.cell[j]]; a != b {
		return a
	}
	if t.share[i] != t.share[j] {
		return t.share[i] > t.share[j]
	}
	return t.cell[i] < t.cell[j]
}

// largest counts first..last, which begins in run i and ends in run j.
func (c *chart[K]) largest(i, j int, first, last K, located []bool) Cell {
	var t tally
	for ; i <= j; i++ {
		from, to := max(first, c.start[i]), min(last, c.last(i))
		t.add(c.cell[i], uint64(to-from)+1)
	}
	return t.best(located)
}

// probes is how many addresses of a long stretch are looked up.
const probes = 64

// probe looks at one address in each of equal parts of first..last, which is
// an aligned prefix. The addresses wander through their parts: networks lie at
// powers of two, and so would addresses in the middle.
func (c *chart[K]) probe(first, last K, located []bool) Cell {
	var t tally
	step := (last-first)/probes + 1
	for n := range uint64(probes) {
		wander := K(n*0x9e3779b97f4a7c15) & (step - 1)
		t.add(c.cell[c.find(first+K(n)*step+wander)], 1)
	}
	return t.best(located)
}

// Cells is the number of cells.
func (a *Atlas) Cells() int { return len(a.places) }

// Place is a place in the cell: the one that stands for all places whose keys
// are alike, so that its key is the cell's. Its prefix is one of them, and not
// set when it lies outside all cuts. It is shared; do not change it. nil when
// there is no such cell.
func (a *Atlas) Place(c Cell) *Place {
	if int(c) >= len(a.places) {
		return nil
	}
	return &a.places[c]
}

// Digest is 12 hex digits over the division into cells and their
// representative places: two Atlases with one digest answer alike.
func (a *Atlas) Digest() string { return a.digest }

// Stats tells how large the Atlas is: leaves by family, cells, and bytes of
// memory.
func (a *Atlas) Stats() (leaves4, leaves6, cells int, bytes int) {
	const placeSize = 120 // of Place on 64-bit systems, without its strings
	bytes = a.v4.bytes() + a.v6.bytes() + placeSize*len(a.places)
	return a.leaves4, a.leaves6, len(a.places), bytes
}

func (c *chart[K]) bytes() int {
	return (len(c.start)+len(c.coarse))*width[K]()/8 + 2*len(c.cell) + 4*len(c.index)
}
