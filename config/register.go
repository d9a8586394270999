package config

import "strconv"

// register holds the names of one kind of thing: where each is defined, and
// who uses them. Names are defined and used in any order.
type register struct {
	what    string // "region"
	defined map[string]Pos
	order   []string
	used    []use
	blind   bool // a definition could not be read, so a missing name proves nothing
}

// use is a place that names something.
type use struct {
	item
	name string
}

func newRegister(what string) *register {
	return &register{what: what, defined: map[string]Pos{}}
}

// define notes that v defines name; a second definition is a problem.
func (r *register) define(v item, name string) {
	if !v.given() || name == "" {
		r.blind = true
		return
	}
	if first, twice := r.defined[name]; twice {
		v.fail(r.what+" "+quote(name)+" is defined twice",
			"the first stands on line "+strconv.Itoa(first.Line)+"; rename or remove one")
		return
	}
	r.defined[name] = v.at
	r.order = append(r.order, name)
}

// use notes that v names something.
func (r *register) use(v item, name string) {
	r.used = append(r.used, use{v, name})
}

// dangling reports the used names that nothing defines.
func (r *register) dangling() {
	if r.blind {
		return
	}
	for _, u := range r.used {
		if _, ok := r.defined[u.name]; !ok {
			u.fail("unknown "+r.what+" "+quote(u.name), u.d.suggest(u.name, r.order, r.what+"s"))
		}
	}
}

// once reports a value that was already seen in its list.
func once[K comparable](seen map[K]Pos, v item, key K, what string) bool {
	if first, twice := seen[key]; twice {
		v.fail(what+" is given twice", "the first stands on line "+strconv.Itoa(first.Line)+"; remove one")
		return false
	}
	seen[key] = v.at
	return true
}
