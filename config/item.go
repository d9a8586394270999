package config

import (
	"fmt"
	"slices"
	"strconv"
)

// decoder collects the problems of one file.
type decoder struct {
	problems Problems
	hints    int // suggestions made so far
}

// flaw is what is wrong with a value and what to do; the zero flaw means
// nothing.
type flaw struct{ message, fix string }

// item is a value in the file with its path. An item without a node is one
// that was left out. Its methods report what is wrong and then return the
// default, so that one mistake makes one problem.
type item struct {
	*node
	d    *decoder
	path string
	at   Pos // of the value, or of the key or table that lacks it
}

func (v item) given() bool { return v.node != nil }

// fail reports a problem of the value.
func (v item) fail(message, fix string) {
	v.d.problems = append(v.d.problems, Problem{Pos: v.at, Path: v.path, Message: message, Fix: fix})
}

// flawed reports a flaw, and says whether there was one.
func (v item) flawed(f flaw) bool {
	if f != (flaw{}) {
		v.fail(f.message, f.fix)
	}
	return f != (flaw{})
}

// is reports whether the value is given and of the kind; another kind is a
// problem. want names the value for a person, with an article or an example.
func (v item) is(k kind, want, fix string) bool {
	switch {
	case !v.given():
		return false
	case v.kind == k:
		return true
	case v.kind == kindNull:
		v.fail("has no value", "give "+want+", or remove it")
	case v.kind == kindText:
		v.fail("want "+want+", got the text "+quote(v.text), fix)
	default:
		v.fail("want "+want+", got "+v.kind.String(), fix)
	}
	return false
}

// table is a table whose keys are being read.
type table struct {
	item
	known []string
}

// table reads the value as a table with the known keys; other keys are
// problems.
func (v item) table(known ...string) table {
	if !v.is(kindTable, "a table", "write the keys as \"key: value\", indented below this one") {
		return table{item: item{node: &node{}, d: v.d, path: v.path, at: v.at}}
	}
	for _, e := range v.node.table {
		if !slices.Contains(known, e.key) {
			v.sub(e).atKey(e).fail("unknown key "+quote(e.key), v.d.suggest(e.key, known, "keys"))
		}
	}
	return table{item: v, known: known}
}

// sub is the item of an entry of the table v.
func (v item) sub(e entry) item {
	return item{node: e.value, d: v.d, path: under(v.path, e.key), at: e.value.pos}
}

// atKey moves an item to the position of its key.
func (v item) atKey(e entry) item {
	v.at = e.pos
	return v
}

// get is the value of a key, or an item without a node.
func (t table) get(key string) item {
	if e := t.find(key); e != nil {
		return t.sub(*e)
	}
	return item{d: t.d, path: under(t.path, key), at: t.at}
}

// need is get for a key without a default: one that is missing is a problem.
func (t table) need(key, want string) item {
	v := t.get(key)
	if !v.given() && t.kind == kindTable {
		v.fail("is missing", "add "+key+": "+want)
	}
	return v
}

// items reads the value as a list.
func (v item) items(want string) []item {
	if !v.is(kindList, "a list of "+want, "write it as [a, b] or with one \"- \" a line") {
		return nil
	}
	out := make([]item, len(v.list))
	for i, n := range v.list {
		out[i] = item{node: n, d: v.d, path: v.path + "[" + strconv.Itoa(i) + "]", at: n.pos}
	}
	return out
}

// str reads the value as text. want names it, as in "a region name".
func (v item) str(want string) (string, bool) {
	if !v.is(kindText, want, v.quoteFix(want)) {
		return "", false
	}
	return v.text, true
}

func (v item) quoteFix(want string) string {
	if v.given() && (v.kind == kindNumber || v.kind == kindBool) {
		return "put it in quotes if it is meant: " + strconv.Quote(clip(v.text))
	}
	if v.given() && v.kind == kindTable {
		return "write " + want + " as one value, in quotes if it has a colon"
	}
	return "write " + want + " as one value"
}

// choice reads one of a few words.
func (v item) choice(def string, words ...string) string {
	s, ok := v.str("one of " + listed(words))
	switch {
	case !ok:
		return def
	case slices.Contains(words, s):
		return s
	}
	v.fail("unknown word "+quote(s), v.d.suggest(s, words, "words"))
	return def
}

// yes reads true or false.
func (v item) yes(def bool) bool {
	if !v.is(kindBool, "true or false", "write true or false, without quotes") {
		return def
	}
	return v.text == "true"
}

// parsed reads text through a parser of it.
func parsed[T any](v item, want string, parse func(string) (T, flaw)) (T, bool) {
	var zero T
	s, ok := v.str(want)
	if !ok {
		return zero, false
	}
	out, f := parse(s)
	if v.flawed(f) {
		return zero, false
	}
	return out, true
}

// clip shortens a value for a message.
func clip(s string) string {
	const most = 80
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most]) + "..."
}

func quote(s string) string { return fmt.Sprintf("%q", clip(s)) }
