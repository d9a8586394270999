package main

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

var testPlaces = []place{amsterdam, virginia, oregon, tokyo, sydney}

// testFamily has no floors: every block may collapse.
var testFamily = family{weight: weight4, scale: 1}

// drawNetworks draws disjoint ascending networks below 20.0.0.0/24, some
// space left empty.
func drawNetworks(t *rapid.T) []network {
	var networks []network
	var split func(p netip.Prefix)
	split = func(p netip.Prefix) {
		switch kind := rapid.IntRange(0, 5).Draw(t, "kind"); {
		case p.Bits() < 32 && (kind < 3 || p.Bits() < 26):
			low, high := halves(p)
			split(low)
			split(high)
		case kind < 5:
			networks = append(networks, newNetwork(p, rapid.Int32Range(0, int32(len(testPlaces)-1)).Draw(t, "place")))
		}
	}
	split(netip.MustParsePrefix("20.0.0.0/24"))
	return networks
}

func halves(p netip.Prefix) (low, high netip.Prefix) {
	a := p.Addr().As4()
	a[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	return netip.PrefixFrom(p.Addr(), p.Bits()+1), netip.PrefixFrom(netip.AddrFrom4(a), p.Bits()+1)
}

func identity() []int32 { return []int32{0, 1, 2, 3, 4} }

func buildTest(networks []network) (trie, *regrets) {
	r := newRegrets(testPlaces, 0.25)
	return buildTrie(networks, identity(), r, testFamily), r
}

// lookup follows an address down a DAG.
func lookup(d *dag, root ref, addr netip.Addr) ref {
	n := newNetwork(netip.PrefixFrom(addr, addr.BitLen()), 0)
	for i := 0; root.isInner(); i++ {
		root = d.nodes[root][n.bit(i)]
	}
	return root
}

func treeNodes(t trie, collapsed []bool) int {
	n := 0
	for i, wanted := range t.reachable(collapsed) {
		if wanted && !collapsed[i] {
			n++
		}
	}
	return n
}

// The least weighted regret wins, not the first network: three quarters of
// the block are in Amsterdam, and Tokyo comes first.
func TestMajorityWins(t *testing.T) {
	networks := []network{
		newNetwork(netip.MustParsePrefix("20.0.0.0/24"), 3),
		newNetwork(netip.MustParsePrefix("20.0.1.0/24"), 0),
		newNetwork(netip.MustParsePrefix("20.0.2.0/23"), 0),
	}
	tr, _ := buildTest(networks)
	collapsed, _ := tr.prune(1e9)
	d := newDAG(0)
	root := d.add(tr, collapsed)
	if root != leaf(0) {
		t.Fatalf("collapsed to %v, want one leaf with Amsterdam", root)
	}
}

func TestPruneFindsTheOptimum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr, _ := buildTest(drawNetworks(t))
		price := rapid.Float64Range(0, 200).Draw(t, "price")
		collapsed, got := tr.prune(price)
		var least func(r ref) float64
		least = func(r ref) float64 {
			if !r.isInner() {
				return 0
			}
			n := tr.nodes[r]
			return min(n.cost, price+least(n.child[0])+least(n.child[1]))
		}
		if want := least(tr.root); math.Abs(got-want) > 1e-9 {
			t.Fatalf("minimum %v, want %v", got, want)
		}
		paid := measure(tr, collapsed) + price*float64(treeNodes(tr, collapsed))
		if math.Abs(paid-got) > 1e-6 {
			t.Fatalf("says %v, costs %v", got, paid)
		}
	})
}

// measure adds up the regret of the leaves that nodes became.
func measure(t trie, collapsed []bool) float64 {
	sum := 0.0
	for i, wanted := range t.reachable(collapsed) {
		if wanted && collapsed[i] {
			sum += t.nodes[i].cost
		}
	}
	return sum
}

func TestACollapsedBlockCostsWhatItsNetworksLose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		networks := drawNetworks(t)
		tr, r := buildTest(networks)
		collapsed, _ := tr.prune(rapid.Float64Range(0, 200).Draw(t, "price"))
		d := newDAG(0)
		root := d.add(tr, collapsed)
		lost := 0.0
		for _, n := range networks {
			got := lookup(d, root, n.randomAddr(seeded(1), true))
			if !got.isLeaf() {
				t.Fatalf("network %+v is not located any more", n)
			}
			lost += weight4(n.bits) * r.regret(n.place, got.asLabel())
		}
		if want := measure(tr, collapsed); math.Abs(lost-want) > 1e-6 {
			t.Fatalf("networks lose %v, the trie says %v", lost, want)
		}
	})
}

func TestDearerNodesMakeSmallerTries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr, _ := buildTest(drawNetworks(t))
		last := math.MaxInt
		for _, price := range []float64{0, 0.1, 1, 5, 20, 1000} {
			collapsed, _ := tr.prune(price)
			n := treeNodes(tr, collapsed)
			if n > last {
				t.Fatalf("%d nodes at price %v, %d at a lower one", n, price, last)
			}
			last = n
		}
	})
}

func TestWithoutAPriceNothingIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		networks := drawNetworks(t)
		tr, _ := buildTest(networks)
		collapsed, _ := tr.prune(0)
		d := newDAG(0)
		root := d.add(tr, collapsed)
		for _, n := range networks {
			if got := lookup(d, root, n.randomAddr(seeded(2), true)); got != leaf(n.place) {
				t.Fatalf("network %+v is now %v", n, got)
			}
		}
	})
}

func TestWideEmptySpaceStaysEmpty(t *testing.T) {
	networks := []network{newNetwork(netip.MustParsePrefix("20.0.0.0/18"), 1)}
	f := testFamily
	f.fillEmpty = 16
	tr := buildTrie(networks, identity(), newRegrets(testPlaces, 0.25), f)
	collapsed, _ := tr.prune(1e9)
	d := newDAG(0)
	root := d.add(tr, collapsed)
	if got := lookup(d, root, netip.MustParseAddr("20.0.128.1")); got != leaf(1) {
		t.Errorf("the rest of the /16 is %v, want to join its neighbour", got)
	}
	if got := lookup(d, root, netip.MustParseAddr("20.1.0.1")); got != empty {
		t.Errorf("the next /16 is %v, want nothing", got)
	}
}

func TestHeaviestSharesAreTheHeaviest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var shares []share
		for i, w := range rapid.SliceOfN(rapid.IntRange(1, 20), 1, 40).Draw(t, "weights") {
			shares = append(shares, share{int32(i), float64(w)})
		}
		var got, want []float64
		for _, s := range heaviestShares(shares) {
			got = append(got, s.weight)
		}
		for _, s := range shares {
			want = append(want, s.weight)
		}
		slices.Sort(want)
		slices.Reverse(want)
		slices.Sort(got)
		slices.Reverse(got)
		if want = want[:min(len(want), candidateLabels)]; !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestMergeSharesAddsUp(t *testing.T) {
	lists := rapid.Custom(func(t *rapid.T) []share {
		var list []share
		for _, l := range rapid.SliceOfDistinct(rapid.Int32Range(0, 9), rapid.ID[int32]).Draw(t, "labels") {
			list = append(list, share{l, float64(l + 1)})
		}
		slices.SortFunc(list, func(a, b share) int { return int(a.label - b.label) })
		return list
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := lists.Draw(t, "a"), lists.Draw(t, "b")
		want := map[int32]float64{}
		for _, s := range slices.Concat(a, b) {
			want[s.label] += s.weight
		}
		got := mergeShares(a, b)
		if len(got) != len(want) || !slices.IsSortedFunc(got, func(a, b share) int { return int(a.label - b.label) }) {
			t.Fatalf("%v + %v = %v", a, b, got)
		}
		for _, s := range got {
			if want[s.label] != s.weight {
				t.Fatalf("%v + %v = %v", a, b, got)
			}
		}
	})
}

func TestDifferingCountsBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a, b signature
		want := 0
		random := seeded(rapid.Uint64().Draw(t, "seed"))
		for i := range a {
			var x, y [8]byte
			for j := range x {
				x[j], y[j] = byte(random.IntN(12)), byte(random.IntN(12))
				if x[j] != y[j] {
					want++
				}
			}
			a[i], b[i] = binary.LittleEndian.Uint64(x[:]), binary.LittleEndian.Uint64(y[:])
		}
		if got := a.differing(&b); got != want {
			t.Fatalf("%d differ, want %d", got, want)
		}
	})
}

func TestRegretGrowsWithWhatFleetsNotice(t *testing.T) {
	r := newRegrets(append(testPlaces, place{"BE", 50.85, 4.35}, place{"NL", 51.92, 4.48}), 0.25)
	rotterdam, brussels, far := r.regret(0, 6), r.regret(0, 5), r.regret(0, 3)
	if r.regret(0, 0) != 0 || !(0 < rotterdam && rotterdam < brussels && brussels < far) {
		t.Errorf("from Amsterdam: Rotterdam %v, Brussels %v, Tokyo %v", rotterdam, brussels, far)
	}
}
