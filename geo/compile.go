package geo

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Classify appends a key to dst and returns it: places with equal keys rank
// all regions alike. It must depend on nothing but p's location, codes and AS
// number, and on which of the cuts cover p.Prefix; it must not keep dst or p.
// Outside all cuts Prefix is not set.
type Classify func(dst []byte, p *Place) []byte

// blockBits is the depth within a family below which the databases are not
// followed: /24 of IPv4 and /56 of IPv6 are 8 bits above a word's end.
const blockBits = 8

// checkEvery is how many segments are compiled between looks at the context.
const checkEvery = 4096

// Compile divides the address space into cells. Every place that classify
// sees lies wholly inside or wholly outside each of the prefixes in cuts,
// which may nest, repeat and be nil; IPv6 ones have at most 64 bits. A /24
// (IPv6: /56) that the databases divide further gets the cell that holds the
// larger share of it; places and cuts are kept exact. progress, which may be
// nil, is called now and then with the share that is done, 0..1. It fails
// when ctx is done, when a cut is no such prefix, or when there are more
// than 65535 cells.
func Compile(ctx context.Context, d *Data, cuts []netip.Prefix, classify Classify, progress func(done float64)) (*Atlas, error) {
	cut, err := newCuts(cuts)
	if err != nil {
		return nil, err
	}
	if progress == nil {
		progress = func(float64) {}
	}
	c := &compiler{
		data: d, classify: classify, progress: progress,
		byBase: make([]int32, len(d.places)), byCombo: map[combo]Cell{}, byKey: map[string]Cell{},
		total: d.v4.size() + d.v6.size() + len(cut.v4.start) + len(cut.v6.start),
	}
	var atlas Atlas
	if atlas.v4, err = compileChart(ctx, c, &d.v4, &cut.v4); err != nil {
		return nil, err
	}
	if atlas.v6, err = compileChart(ctx, c, &d.v6, &cut.v6); err != nil {
		return nil, err
	}
	atlas.places, atlas.located = c.places, c.located
	atlas.v4.finish(c.located)
	atlas.v6.finish(c.located)
	atlas.leaves4, atlas.leaves6 = atlas.v4.leaves(), atlas.v6.leaves()
	atlas.digest = atlas.sum()
	progress(1)
	return &atlas, nil
}

// size is about how many segments the layers make.
func (l *layers[K]) size() int { return len(l.base.start) + len(l.asn.start) + len(l.rules.start) }

// compiler gives combinations their cells.
type compiler struct {
	data     *Data
	classify Classify
	progress func(float64)

	byBase  []int32 // cell+1 of combinations that are nothing but a base
	byCombo map[combo]Cell
	byKey   map[string]Cell
	places  []Place // by cell
	located []bool  // by cell

	key         []byte
	done, total int // segments
}

// cell classifies each distinct combination once; prefix is one that has it.
func (c *compiler) cell(of combo, prefix netip.Prefix) (Cell, error) {
	plain := of.rule == 0 && of.asn == 0 && of.cut == 0
	if plain && c.byBase[of.base] != 0 {
		return Cell(c.byBase[of.base] - 1), nil
	}
	if !plain {
		if cell, ok := c.byCombo[of]; ok {
			return cell, nil
		}
	}
	cell, err := c.classified(c.data.place(of, prefix))
	if plain {
		c.byBase[of.base] = int32(cell) + 1
	} else {
		c.byCombo[of] = cell
	}
	return cell, err
}

func (c *compiler) classified(p Place) (Cell, error) {
	c.key = c.classify(c.key[:0], &p)
	cell, ok := c.byKey[string(c.key)]
	if !ok {
		if len(c.places) == maxCells {
			return 0, fmt.Errorf("the policies tell more than %d kinds of client apart; use coarser fences or fewer regions", maxCells)
		}
		cell = Cell(len(c.places))
		c.byKey[string(c.key)] = cell
		c.places, c.located = append(c.places, p), append(c.located, false)
	}
	c.located[cell] = c.located[cell] || p.Located
	return cell, nil
}

// step counts a segment, and now and then looks at the context.
func (c *compiler) step(ctx context.Context) error {
	if c.done++; c.done%checkEvery != 0 {
		return nil
	}
	c.progress(min(1, float64(c.done)/float64(c.total)))
	return ctx.Err()
}

// compileChart walks the segments of one family in order.
func compileChart[K word](ctx context.Context, c *compiler, l *layers[K], cut *ranges[K]) (chart[K], error) {
	var out blocks[K]
	if err := ctx.Err(); err != nil {
		return out.chart, err
	}
	for s := range l.segments(cut) {
		if err := c.step(ctx); err != nil {
			return out.chart, err
		}
		var prefix netip.Prefix
		if s.cut != 0 {
			prefix = leafIn(s.first, s.last)
		}
		cell, err := c.cell(s.combo, prefix)
		if err != nil {
			return out.chart, err
		}
		out.add(piece[K]{s.first, s.last, exact{s.rule, s.cut}, uint16(cell)})
	}
	return out.chart, nil
}

// segments yields all segments in order, split where cut changes.
func (l *layers[K]) segments(cut *ranges[K]) func(yield func(segment[K]) bool) {
	return func(yield func(segment[K]) bool) {
		var at K
		for i, j, k, m := 0, 0, 0, 0; ; {
			s := segment[K]{first: at, last: min(l.rules.last(i), l.base.last(j), l.asn.last(k), cut.last(m))}
			s.rule, s.asn, s.cut = l.rules.value[i], l.asn.value[k], cut.value[m]
			if s.rule == 0 {
				s.base = l.base.value[j]
			}
			if !yield(s) || s.last == ^K(0) {
				return
			}
			at = s.last + 1
			i, j, k, m = l.rules.next(i, at), l.base.next(j, at), l.asn.next(k, at), cut.next(m, at)
		}
	}
}

// next is the range that holds at, which is i or the one behind it.
func (r *ranges[K]) next(i int, at K) int {
	if i+1 < len(r.start) && r.start[i+1] == at {
		return i + 1
	}
	return i
}

// piece is a segment with its cell.
type piece[K word] struct {
	first, last K
	exact       exact
	cell        uint16
}

// exact is what a divided block keeps apart.
type exact struct {
	rule, cut uint32
}

// blocks puts pieces, in order, into a chart, and settles the blocks that are
// divided.
type blocks[K word] struct {
	chart   chart[K]
	divided []piece[K] // of the current block
	share   map[exactCell]uint64
}

type exactCell struct {
	exact exact
	cell  uint16
}

// add splits a piece where it enters and leaves divided blocks.
func (b *blocks[K]) add(p piece[K]) {
	const block = 1<<blockBits - 1
	for {
		rest := p
		if p.first&block == 0 && p.last-p.first >= block {
			whole := p.last
			if p.last&block != block {
				whole = p.last&^block - 1
			}
			b.chart.begin(p.first, p.cell)
			rest.last = whole
		} else {
			rest.last = min(p.last, p.first|block)
			b.divided = append(b.divided, rest)
			if rest.last&block == block {
				b.settle()
			}
		}
		if rest.last == p.last {
			return
		}
		p.first = rest.last + 1
	}
}

// settle gives each piece of a divided block the cell that holds the larger
// share of what falls under the same rule and cut, the lower address winning
// a tie.
func (b *blocks[K]) settle() {
	if b.share == nil {
		b.share = map[exactCell]uint64{}
	}
	clear(b.share)
	for _, p := range b.divided {
		b.share[exactCell{p.exact, p.cell}] += uint64(p.last-p.first) + 1
	}
	winner := map[exact]uint16{}
	for _, p := range b.divided {
		best, ok := winner[p.exact]
		if !ok || b.share[exactCell{p.exact, p.cell}] > b.share[exactCell{p.exact, best}] {
			winner[p.exact] = p.cell
		}
	}
	for _, p := range b.divided {
		b.chart.begin(p.first, winner[p.exact])
	}
	b.divided = b.divided[:0]
}

// begin starts a run, unless the one before has the same cell.
func (c *chart[K]) begin(from K, cell uint16) {
	if n := len(c.cell); n > 0 && c.cell[n-1] == cell {
		return
	}
	c.start, c.cell = append(c.start, from), append(c.cell, cell)
}

// finish makes what lookups need besides the runs.
func (c *chart[K]) finish(located []bool) {
	c.start, c.cell = append([]K(nil), c.start...), append([]uint16(nil), c.cell...)
	c.index = make([]uint32, 1<<16+1)
	run := 0
	for top := range uint64(1 << 16) {
		at := K(top) << (width[K]() - 16)
		for c.last(run) < at {
			run++
		}
		c.index[top] = uint32(run)
	}
	c.index[1<<16] = uint32(len(c.start) - 1)
	for i := 0; i < len(c.start); i += stride {
		c.coarse = append(c.coarse, c.start[i])
	}
	c.most = c.largestOfAll(located)
}

// largestOfAll is the cell with the larger share of the whole family, by the
// rule of LocatePrefix.
func (c *chart[K]) largestOfAll(located []bool) Cell {
	share := make([]uint64, len(located)) // less than all of it: else there is one run
	for i, cell := range c.cell {
		share[cell] += uint64(c.last(i)-c.start[i]) + 1
	}
	best := int(c.cell[0])
	for cell := range share {
		if share[cell] == 0 {
			continue
		}
		if a, b := located[cell], located[best]; a && !b || a == b && share[cell] > share[best] {
			best = cell
		}
	}
	return Cell(best)
}

// leaves counts the fewest aligned prefixes that make up the runs.
func (c *chart[K]) leaves() int {
	n := 0
	for i, first := range c.start {
		n += leavesOf(first, c.last(i))
	}
	return n
}

// leavesOf counts the fewest aligned prefixes that make up first..last.
func leavesOf[K word](first, last K) int {
	for n := 1; ; n++ {
		end := first | hostMask[K](leafBits(first, first, last))
		if end == last {
			return n
		}
		first = end + 1
	}
}

// sum is the Atlas's digest.
func (a *Atlas) sum() string {
	h := sha256.New()
	buf := make([]byte, 0, 1<<16)
	flush := func(atLeast int) {
		if len(buf) >= atLeast {
			h.Write(buf)
			buf = buf[:0]
		}
	}
	for i, start := range a.v4.start {
		buf = binary.BigEndian.AppendUint32(buf, start)
		buf = binary.BigEndian.AppendUint16(buf, a.v4.cell[i])
		flush(1<<16 - 16)
	}
	for i, start := range a.v6.start {
		buf = binary.BigEndian.AppendUint64(buf, start)
		buf = binary.BigEndian.AppendUint16(buf, a.v6.cell[i])
		flush(1<<16 - 16)
	}
	flush(0)
	for i := range a.places {
		fmt.Fprintf(h, "%d %t %+v\n", i, a.located[i], a.places[i])
	}
	return fmt.Sprintf("%.6x", h.Sum(nil))
}
