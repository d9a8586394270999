package config

import "strings"

// kind is what a node of the YAML tree is.
type kind uint8

const (
	kindNull kind = iota
	kindText
	kindNumber
	kindBool
	kindList
	kindTable
)

var kindNames = [...]string{"nothing", "text", "a number", "true or false", "a list", "a table"}

func (k kind) String() string { return kindNames[k] }

// node is one value of the YAML tree, with its position.
type node struct {
	kind  kind
	pos   Pos
	text  string  // of text, number and bool: the value; numbers as written
	block bool    // text: from a literal block
	lines Pos     // of a literal block: where its first line begins
	fold  bool    // text: from a folded block or over several lines, so its lines are not those of the file
	list  []*node // of a list
	table []entry // of a table, in the order of the file; no key twice
}

// entry is one key of a table with its value.
type entry struct {
	key   string
	pos   Pos
	value *node
}

// find returns the entry of key, or nil.
func (n *node) find(key string) *entry {
	for i := range n.table {
		if n.table[i].key == key {
			return &n.table[i]
		}
	}
	return nil
}

// under extends a path by a key; a key with odd characters is quoted.
func under(path, key string) string {
	if !plainKey(key) {
		key = quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func plainKey(key string) bool {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	return key != "" && strings.Trim(key, plain) == ""
}
