package config

import "strings"

// maxHints bounds the work of looking for what a wrong word may have meant.
const maxHints = 200

// suggest says which of the known words the wrong one may have meant, or
// which there are. what names them, as in "regions".
func (d *decoder) suggest(wrong string, known []string, what string) string {
	if len(known) == 0 {
		return "there are no " + what + "; add one"
	}
	if d.hints++; d.hints <= maxHints {
		if best := nearest(wrong, known); best != "" {
			return "did you mean " + quote(best) + "?"
		}
	}
	return "known " + what + ": " + listed(known)
}

// listed joins words for a message, a few of them at most.
func listed(words []string) string {
	const most = 16
	if len(words) > most {
		return strings.Join(words[:most], ", ") + ", ..."
	}
	return strings.Join(words, ", ")
}

// nearest returns the known word with the fewest edits from wrong, the first
// of equals, or one that begins it or that it begins; "" when none is near.
func nearest(wrong string, known []string) string {
	best, least := "", 1+max(1, min(3, len(wrong)/3))
	for _, k := range known {
		if n := edits(wrong, k, least); n < least {
			best, least = k, n
		}
	}
	if best != "" {
		return best
	}
	for _, k := range known {
		if min(len(k), len(wrong)) >= 3 && (strings.HasPrefix(wrong, k) || strings.HasPrefix(k, wrong)) {
			return k
		}
	}
	return ""
}

// edits is how many letters must be added, removed, replaced or swapped with
// their neighbour to make b of a; at least limit when it is not less.
func edits(a, b string, limit int) int {
	if abs(len(a)-len(b)) >= limit {
		return limit
	}
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

func abs(n int) int { return max(n, -n) }
