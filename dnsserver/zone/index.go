package zone

import (
	"bytes"
	"hash/maphash"
	"math/bits"
)

// index finds nodes by their names: a table with open addressing that holds, for
// one node, the four octets of its ID instead of a name and a pointer. Its seed
// is its own, so that nobody can choose names that collide.
type index struct {
	seed  maphash.Seed
	slots []uint32 // Node.ID + 1; 0 is free
}

// newIndex makes an index with room for n names.
func newIndex(n int) index {
	return index{seed: maphash.MakeSeed(), slots: make([]uint32, 1<<bits.Len(uint(n+n/2)))}
}

// find returns the slot that holds the name's node, or the free one it would take.
func (x *index) find(nodes []Node, name []byte) *uint32 {
	mask := uint64(len(x.slots) - 1)
	for at := maphash.Bytes(x.seed, name) & mask; ; at = (at + 1) & mask {
		if slot := &x.slots[at]; *slot == 0 || bytes.Equal(nodes[*slot-1].Name, name) {
			return slot
		}
	}
}
