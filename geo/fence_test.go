package geo_test

import (
	"bytes"
	"context"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/regionstest"
	"github.com/steerdns/steerdns/regions/steering"
)

// The cell of an address says what steering says of the address itself, also
// where fences are for prefixes: the same key, and the same decisions.
func TestAtlasKnowsPrefixFences(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, near := geo.DrawWorld(t)
		w := regionstest.World(t)
		fence(t, w.Topology)
		classify := steering.Classifier(w.Topology)
		prefixes := steering.FencePrefixes(w.Topology)
		atlas, err := geo.Compile(context.Background(), d, prefixes, classify, nil)
		if err != nil {
			t.Fatal(err)
		}
		variant := uint8(rapid.IntRange(0, steering.Variants-1).Draw(t, "variant"))
		for range 20 {
			at := geo.DrawAddr(t, slices.Concat(prefixes, prefixes, near))
			place := d.Locate(at)
			place.Prefix = netip.PrefixFrom(at, at.BitLen())
			cell, bits := atlas.Locate(at)
			if got, want := classify(nil, atlas.Place(cell)), classify(nil, &place); !bytes.Equal(got, want) {
				t.Fatalf("%v is in cell %d/%d with key %x, but steering gives it %x", at, cell, bits, got, want)
			}
			sameDecisions(t, w, atlas.Place(cell), &place, variant)
		}
	})
}

// fence gives every service fences for drawn prefixes, which nest and touch.
func fence(t *rapid.T, top *regions.Topology) {
	for s := range top.Services {
		svc := &top.Services[s]
		svc.Policy = slices.Clone(svc.Policy)
		for range rapid.IntRange(0, 3).Draw(t, "fences") {
			st := regions.Stage{Kind: regions.StageFence, Regions: []int{rapid.IntRange(0, len(top.Regions)-1).Draw(t, "region")}}
			for range rapid.IntRange(1, 3).Draw(t, "prefixes") {
				st.Fence.Prefixes = append(st.Fence.Prefixes, drawFencePrefix(t))
			}
			if rapid.Bool().Draw(t, "or country") {
				st.Fence.Countries = []string{"DE"}
			}
			svc.Policy = slices.Insert(svc.Policy, 0, st)
		}
	}
}

func drawFencePrefix(t *rapid.T) netip.Prefix {
	if rapid.IntRange(0, 9).Draw(t, "all") == 0 {
		return netip.MustParsePrefix(rapid.SampledFrom([]string{"0.0.0.0/0", "::/0"}).Draw(t, "family"))
	}
	return geo.DrawPrefix(t, 32, 64)
}

func sameDecisions(t *rapid.T, w *regions.World, cell, exact *geo.Place, variant uint8) {
	for s := range w.Topology.Services {
		for _, fam := range []steering.Family{steering.FamilyV4, steering.FamilyV6, steering.FamilyAlias} {
			got, want := steering.Decide(w, s, fam, cell, variant), steering.Decide(w, s, fam, exact, variant)
			for i := range got.Candidates { // distances differ within a cell
				got.Candidates[i].DistanceKm = 0
			}
			for i := range want.Candidates {
				want.Candidates[i].DistanceKm = 0
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("for %v:\n got %+v\nwant %+v", exact.Prefix, got, want)
			}
		}
	}
}
