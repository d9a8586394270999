package main

import "net/netip"

// dag is a search tree in which equal parts are stored once. The mmdb format
// allows that: a record may point to any node.
type dag struct {
	nodes [][2]ref
	index map[[2]ref]ref
}

func newDAG(capacity int) *dag { return &dag{index: make(map[[2]ref]ref, capacity)} }

// join is the node with these children, or the one thing both are.
func (d *dag) join(left, right ref) ref {
	if left == right && !left.isInner() {
		return left
	}
	key := [2]ref{left, right}
	if r, ok := d.index[key]; ok {
		return r
	}
	r := ref(len(d.nodes))
	d.nodes = append(d.nodes, key)
	d.index[key] = r
	return r
}

func (d *dag) children(r ref) [2]ref {
	if r.isInner() {
		return d.nodes[r]
	}
	return [2]ref{r, r}
}

// add stores a pruned trie.
func (d *dag) add(t trie, collapsed []bool) ref {
	stored := make([]ref, len(t.nodes))
	of := func(r ref) ref {
		if r.isInner() {
			return stored[r]
		}
		return r
	}
	wanted := t.reachable(collapsed)
	for i, n := range t.nodes {
		switch {
		case collapsed[i]:
			stored[i] = leaf(n.label)
		case wanted[i]:
			stored[i] = d.join(of(n.child[0]), of(n.child[1]))
		}
	}
	return of(t.root)
}

// reachable says which nodes are left once collapsed ones are leaves.
func (t trie) reachable(collapsed []bool) []bool {
	wanted := make([]bool, len(t.nodes))
	if t.root.isInner() {
		wanted[t.root] = true
	}
	for i := len(t.nodes) - 1; i >= 0; i-- {
		if !wanted[i] || collapsed[i] {
			continue
		}
		for _, c := range t.nodes[i].child {
			if c.isInner() {
				wanted[c] = true
			}
		}
	}
	return wanted
}

// graft returns the tree at root with part put in place of all that lies
// under the prefix.
func (d *dag) graft(root ref, prefix netip.Prefix, part ref) ref {
	return d.graftAt(root, newNetwork(prefix, 0), 0, part)
}

func (d *dag) graftAt(at ref, n network, depth int, part ref) ref {
	if depth == int(n.bits) {
		return part
	}
	c := d.children(at)
	b := n.bit(depth)
	c[b] = d.graftAt(c[b], n, depth+1, part)
	return d.join(c[0], c[1])
}

// order numbers the nodes below root from 0, parents first, and the labels in
// use from 0 in the order met.
func (d *dag) order(root ref) (nodes []ref, number []int32, labels []int32) {
	number = make([]int32, len(d.nodes))
	labelSeen := map[int32]bool{}
	stack := []ref{root}
	for len(stack) > 0 {
		r := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		switch {
		case r.isLeaf() && !labelSeen[r.asLabel()]:
			labelSeen[r.asLabel()] = true
			labels = append(labels, r.asLabel())
		case r.isInner() && number[r] == 0:
			nodes = append(nodes, r)
			number[r] = int32(len(nodes)) // from 1, so that 0 is "not met"
			stack = append(stack, d.nodes[r][1], d.nodes[r][0])
		}
	}
	for i := range number {
		number[i]--
	}
	return nodes, number, labels
}
