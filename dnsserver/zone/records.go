package zone

import (
	"bytes"
	"iter"
	"strings"

	"github.com/miekg/dns"
)

// Nodes yields every node of the zone in canonical order (RFC 4034 section 6.1),
// the apex first: empty non-terminals, steered names, and what lies at and below
// cuts, also where another zone of the set hides it from Lookup.
func (z *Zone) Nodes() iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		for i := range z.nodes {
			if !yield(&z.nodes[i]) {
				return
			}
		}
	}
}

// Records yields the static records of the zone, each one once: names in
// canonical order, then types ascending, then as in the zone's text. The SOA
// comes at its place among those of the apex. Each record is made for the caller. What services answer is not among
// them: Nodes tells which names those are.
func (z *Zone) Records() iter.Seq[dns.RR] {
	return func(yield func(dns.RR) bool) {
		for n := range z.Nodes() {
			for i := range n.sets() {
				for _, rr := range z.unpack(&n.sets()[i], n.String()) {
					if !yield(rr) {
						return
					}
				}
			}
		}
	}
}

// CompareNames orders lower-case wire names canonically (RFC 4034 section 6.1).
func CompareNames(a, b []byte) int { return compareNames(a, b) }

// compareDrafts orders the names of one zone canonically; most pairs are siblings.
func compareDrafts(a, b *draft) int {
	if a.parent != nil && a.parent == b.parent {
		return strings.Compare(a.name[1:1+a.name[0]], b.name[1:1+b.name[0]])
	}
	return compareNames([]byte(a.name), []byte(b.name))
}

func firstLabel(name []byte) []byte { return name[1 : 1+int(name[0])] }

// compareNames orders lower-case wire names as RFC 4034 section 6.1 does: label by
// label from the root, each as octets.
func compareNames(a, b []byte) int {
	var at, bt [maxName / 2]uint8
	n, m := labelOffsets(a, &at), labelOffsets(b, &bt)
	for n > 0 && m > 0 {
		n, m = n-1, m-1
		if c := bytes.Compare(firstLabel(a[at[n]:]), firstLabel(b[bt[m]:])); c != 0 {
			return c
		}
	}
	return n - m
}

// labelOffsets notes where each label of a wire name begins, and returns their number.
func labelOffsets(name []byte, at *[maxName / 2]uint8) (n int) {
	for off := 0; name[off] != 0; off += 1 + int(name[off]) {
		at[n] = uint8(off)
		n++
	}
	return n
}
