package config

import (
	"slices"
	"strconv"
)

// combination reads the keys of any, all and at-least checks.
func (d *fleetDecoder) combination(c *Check, t table) {
	combines := c.Type == CheckAny || c.Type == CheckAll || c.Type == CheckAtLeast
	of := t.get("of")
	if combines {
		of = t.need("of", "[web, db]")
	}
	seen := map[string]Pos{}
	list := of.items("names of checks")
	for _, e := range list {
		if name := d.uses(e, d.checks); name != "" && once(seen, e, name, "check "+quote(name)) {
			c.Of = append(c.Of, name)
		}
	}
	if of.given() && of.kind == kindList && len(list) == 0 {
		of.fail("the list is empty", "write at least one check")
	}
	count := t.get("count")
	if c.Type == CheckAtLeast {
		count = t.need("count", "2")
	}
	c.Count = int(count.integer(1, 1, int64(max(1, len(list)))))
	switch c.Type {
	case CheckAtLeast, CheckAny:
	case CheckAll:
		c.Count = len(c.Of)
	default:
		c.Count = 0
	}
	d.counted = append(d.counted, of)
}

// maxProbes bounds what one check makes of an endpoint.
const maxProbes = 32

// combinations reports checks that count themselves, and those that come to
// more probes than an endpoint should bear.
func (d *fleetDecoder) combinations() {
	w := counter{checks: map[string]int{}, d: d, probes: make([]int, len(d.fleet.Checks))}
	for i, c := range d.fleet.Checks {
		if _, twice := w.checks[c.Name]; !twice {
			w.checks[c.Name] = i
		}
	}
	for i := range d.fleet.Checks {
		w.count(i)
	}
}

// counter counts the probes of each check, each check once.
type counter struct {
	d      *fleetDecoder
	checks map[string]int // index into fleet.Checks, by name
	probes []int          // of each check; 0: not yet known
	path   []int
}

func (w *counter) count(i int) int {
	c := w.d.fleet.Checks[i]
	if at := slices.Index(w.path, i); at >= 0 {
		w.circle(w.path[at:])
		return 1
	}
	if w.probes[i] != 0 {
		return w.probes[i]
	}
	w.path = append(w.path, i)
	sum := 0
	for _, name := range c.Of {
		if part, ok := w.checks[name]; ok {
			sum += w.count(part)
		}
	}
	w.path = w.path[:len(w.path)-1]
	if sum > maxProbes {
		w.d.counted[i].fail("comes to "+strconv.Itoa(sum)+" probes of each endpoint", "combine at most "+strconv.Itoa(maxProbes)+" in all")
		sum = maxProbes
	}
	w.probes[i] = max(1, sum)
	return w.probes[i]
}

func (w *counter) circle(path []int) {
	var names []string
	for _, i := range append(slices.Clone(path), path[0]) {
		names = append(names, w.d.fleet.Checks[i].Name)
	}
	w.d.counted[path[0]].fail("checks in a circle: "+chain(names), "let one of them count other checks only")
}
