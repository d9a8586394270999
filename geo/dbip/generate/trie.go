package main

import (
	"math"
	"slices"
	"sort"
)

// ref names a part of a trie: an inner node by its index, a leaf by its
// label, or empty space.
type ref int32

const empty ref = -1

func leaf(label int32) ref   { return ref(-2 - label) }
func (r ref) isLeaf() bool   { return r <= -2 }
func (r ref) isInner() bool  { return r >= 0 }
func (r ref) asLabel() int32 { return int32(-2 - r) }

// inner is a node with two children, and what it would become as a leaf.
type inner struct {
	child [2]ref
	label int32   // the best label for the whole block
	cost  float64 // weighted regret of saying label everywhere below; infinite: must not collapse
}

// trie is one address family of the source. Children come before parents.
type trie struct {
	nodes []inner
	root  ref
}

// share is how much of a block belongs to a label.
type share struct {
	label  int32
	weight float64
}

// family says how to build the trie of an address family.
type family struct {
	weight    func(bits uint8) float64
	scale     float64 // of all weights
	widest    int     // blocks wider than this prefix length never become one leaf
	fillEmpty int     // space that the source does not locate may join its neighbours in blocks no wider than this
}

type builder struct {
	family
	trie    trie
	label   []int32
	regrets *regrets
}

func buildTrie(networks []network, label []int32, r *regrets, f family) trie {
	b := &builder{family: f, label: label, regrets: r}
	b.trie.root, _ = b.build(networks, 0)
	return b.trie
}

// build makes the part of the trie that holds networks, which all share their
// first depth bits, and says whose labels they are.
func (b *builder) build(networks []network, depth int) (ref, []share) {
	if len(networks) == 0 {
		return empty, nil
	}
	if n := networks[0]; int(n.bits) == depth {
		l := b.label[n.place]
		return leaf(l), []share{{l, b.weight(n.bits) * b.scale}}
	}
	cut := sort.Search(len(networks), func(i int) bool { return networks[i].bit(depth) == 1 })
	left, leftShares := b.build(networks[:cut], depth+1)
	right, rightShares := b.build(networks[cut:], depth+1)
	shares := mergeShares(leftShares, rightShares)
	if left == right && left.isLeaf() && depth >= b.widest {
		return left, shares
	}
	label, cost := b.collapse(shares)
	if depth < b.widest || (left == empty || right == empty) && depth < b.fillEmpty {
		cost = math.Inf(1)
	}
	b.trie.nodes = append(b.trie.nodes, inner{[2]ref{left, right}, label, cost})
	return ref(len(b.trie.nodes) - 1), shares
}

// mergeShares adds two lists that ascend by label.
func mergeShares(a, b []share) []share {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	merged := make([]share, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].label < b[0].label:
			merged, a = append(merged, a[0]), a[1:]
		case a[0].label > b[0].label:
			merged, b = append(merged, b[0]), b[1:]
		default:
			merged = append(merged, share{a[0].label, a[0].weight + b[0].weight})
			a, b = a[1:], b[1:]
		}
	}
	return append(append(merged, a...), b...)
}

// candidateLabels bounds how many of the heaviest labels are tried for a block.
const candidateLabels = 6

// collapse picks the label with the least weighted regret for a block.
func (b *builder) collapse(shares []share) (int32, float64) {
	best, bestCost := shares[0].label, math.Inf(1)
	for _, candidate := range heaviestShares(shares) {
		cost := 0.0
		for _, s := range shares {
			if cost += s.weight * b.regrets.regret(s.label, candidate.label); cost >= bestCost {
				break
			}
		}
		if cost < bestCost {
			best, bestCost = candidate.label, cost
		}
	}
	return best, bestCost
}

func heaviestShares(shares []share) []share {
	if len(shares) <= candidateLabels {
		return shares
	}
	top := make([]share, 0, candidateLabels+1)
	for _, s := range shares {
		at, _ := slices.BinarySearchFunc(top, s, func(a, b share) int {
			if a.weight >= b.weight {
				return -1
			}
			return 1
		})
		if at < candidateLabels {
			top = slices.Insert(top, at, s)[:min(len(top)+1, candidateLabels)]
		}
	}
	return top
}

// prune collapses blocks where a node is worth less than price: it minimises
// (regret + price x nodes) over all prunings of the trie. It returns, for each
// node, whether the node becomes a leaf, and the minimum.
func (t trie) prune(price float64) (collapsed []bool, minimum float64) {
	collapsed = make([]bool, len(t.nodes))
	least := make([]float64, len(t.nodes))
	of := func(r ref) float64 {
		if r.isInner() {
			return least[r]
		}
		return 0
	}
	for i, n := range t.nodes {
		least[i] = price + of(n.child[0]) + of(n.child[1])
		if n.cost <= least[i] {
			least[i], collapsed[i] = n.cost, true
		}
	}
	return collapsed, of(t.root)
}
