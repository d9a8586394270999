//go:build e2e

package e2e

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// inquiry is one question of the comparison.
type inquiry struct {
	name, qtype string
}

func (q inquiry) String() string { return q.name + " " + q.qtype }

var askedTypes = []string{"A", "A", "A", "A", "AAAA", "AAAA", "MX", "TXT", "NS", "NS", "SOA", "CNAME", "DNAME", "DS", "DS", "SRV", "HTTPS", "SVCB", "PTR", "NAPTR", "ANY", "TYPE65280", "TYPE4711", "CAA"}

// questions draws n questions about names in and near the zone.
func (z *drawn) questions(n int) []inquiry {
	out := make([]inquiry, 0, n)
	owners := z.owners()
	for len(out) < n {
		name := pick(z.rnd, owners)
		switch z.rnd.IntN(8) {
		case 0, 1:
			name = z.label() + "." + name
		case 2:
			name = z.label() + "." + z.label() + "." + name
		case 3:
			name = z.name()
		case 4:
			if up := above(name); name != z.apex && up != "" {
				name = up
			}
		case 5:
			if z.rnd.IntN(4) == 0 {
				name = strings.Repeat(strings.Repeat("q", 40)+".", 1+z.rnd.IntN(3)) + name
			}
		}
		qtype := pick(z.rnd, askedTypes)
		if own := z.types[name]; len(own) > 0 && z.rnd.IntN(2) == 0 {
			qtype = pick(z.rnd, sortedKeys(own))
		}
		if !packs(name) {
			continue
		}
		out = append(out, inquiry{mixCase(z.rnd, name), qtype})
	}
	return out
}

func sortedKeys(m map[string][]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// mixCase is 0x20: the case of letters is the client's.
func mixCase(rnd *rand.Rand, name string) string {
	if rnd.IntN(2) == 0 {
		return name
	}
	out := []byte(name)
	for i, c := range out {
		if 'a' <= c && c <= 'z' && rnd.IntN(2) == 0 {
			out[i] = c - 'a' + 'A'
		}
	}
	return string(out)
}

func pick[T any](rnd *rand.Rand, list []T) T { return list[rnd.IntN(len(list))] }
