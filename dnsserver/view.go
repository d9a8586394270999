// Package dnsserver answers DNS queries: bytes in, bytes out. A View is what
// all answers are made from; a Responder turns one query into one reply; a
// Server moves packets between sockets and the Responder.
package dnsserver

import (
	"net/netip"

	"github.com/steerdns/steerdns/dnsserver/zone"
	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/regions"
)

// locator says which cell a client is in. It is what a View needs of a
// geo.Atlas.
type locator interface {
	Locate(netip.Addr) (geo.Cell, uint8)
	LocatePrefix(netip.Prefix) (geo.Cell, uint8)
	Cells() int
	Place(geo.Cell) *geo.Place
	Digest() string
}

// View is what all answers are made from: one world, the zones and one
// atlas. It is immutable for its readers; answers are compiled on first use.
type View struct {
	epoch   string
	world   *regions.World
	zones   *zone.Set
	atlas   locator
	statics *statics // shared by all views of one set of zones
	rows    *rows
	serials []uint32 // of the SOA, by Zone.Index
}

// Compile makes the View of a world. Answers that depend on the zones only
// are taken over from prev when it has the same zones, and the steered answers
// that prev was asked for are made ahead, for 50 ms at most; prev may be nil.
// Without an atlas every client is nowhere known. A nil world answers like
// one that is not ready. The arguments must not change any more.
func Compile(w *regions.World, zs *zone.Set, atlas *geo.Atlas, prev *View) *View {
	if atlas == nil {
		return compileView(w, zs, nowhere{}, prev)
	}
	return compileView(w, zs, atlas, prev)
}

func compileView(w *regions.World, zs *zone.Set, atlas locator, prev *View) *View {
	if w == nil {
		w = &regions.World{}
	}
	v := &View{epoch: epochOf(w, atlas), world: w, zones: zs, atlas: atlas, rows: newRows(w, zs, atlas), serials: serialsOf(w, zs)}
	if prev == nil || prev.zones != zs {
		v.statics = newStatics(zs)
		return v
	}
	v.statics = prev.statics
	if prev.atlas.Cells() == atlas.Cells() && prev.atlas.Digest() == atlas.Digest() {
		v.rows.warm(prev.rows)
	}
	return v
}

// serialsOf are the zones' serials: what is written, or for zones that change by
// themselves what the fleet agreed on.
func serialsOf(w *regions.World, zs *zone.Set) []uint32 {
	agreed := make(map[string]uint32, len(w.Serials))
	for _, s := range w.Serials {
		agreed[s.Zone] = s.Serial
	}
	serials := make([]uint32, len(zs.Zones()))
	for i, z := range zs.Zones() {
		serials[i] = z.SOA().Serial
		if counted, ok := agreed[z.String()]; ok && z.Counted {
			serials[i] = counted
		}
	}
	return serials
}

func epochOf(w *regions.World, atlas locator) string {
	digest := atlas.Digest()
	return w.Epoch + "-" + digest[:min(6, len(digest))]
}

// Epoch names what v answers from: the world's epoch and the first six
// characters of the atlas' digest. Two instances in one epoch answer alike.
func (v *View) Epoch() string { return v.epoch }

// World is the world that v answers from.
func (v *View) World() *regions.World { return v.world }

// nowhere is the locator without an atlas.
type nowhere struct{}

func (nowhere) Locate(netip.Addr) (geo.Cell, uint8)         { return 0, 0 }
func (nowhere) LocatePrefix(netip.Prefix) (geo.Cell, uint8) { return 0, 0 }
func (nowhere) Cells() int                                  { return 1 }
func (nowhere) Place(geo.Cell) *geo.Place                   { return &geo.Place{} }
func (nowhere) Digest() string                              { return "nowhere" }
