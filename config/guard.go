package config

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// Bounds on a configuration file. They keep the YAML parser, which recurses
// and in places takes quadratic time, from being hurt by hostile text.
const (
	maxText  = 1 << 20 // bytes of a file
	maxDepth = 16      // tables and lists inside one another
	maxKey   = 255     // bytes of a key
	maxBlank = 100     // lines without text in a row
	maxKeys  = 3000    // keys of a table, or elements between brackets
)

// checkBytes reports the first thing that the text as bytes must not have.
// text is canonical.
func checkBytes(file string, text []byte) *Problem {
	if len(text) > maxText {
		return &Problem{Pos: Pos{file, 1, 1}, Message: "the file has more than " + strconv.Itoa(maxText) + " bytes",
			Fix: "move static records to zone files of their own"}
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return &Problem{Pos: Pos{file, 1, 1}, Message: "the file is empty",
			Fix: "write at least the keys that have no default"}
	}
	blank := 0
	for i, line := range bytes.Split(text, []byte("\n")) {
		if p := checkLine(Pos{file, i + 1, 1}, line); p != nil {
			return p
		}
		blank++
		if len(bytes.TrimSpace(line)) > 0 {
			blank = 0
		}
		if blank > maxBlank {
			return &Problem{Pos: Pos{file, i + 1, 1}, Message: "more than " + strconv.Itoa(maxBlank) + " blank lines in a row",
				Fix: "remove some of them"}
		}
	}
	return nil
}

// checkLine wants valid UTF-8 without control characters other than tabs.
func checkLine(pos Pos, line []byte) *Problem {
	for len(line) > 0 {
		r, size := utf8.DecodeRune(line)
		switch {
		case r == utf8.RuneError && size <= 1:
			return &Problem{Pos: pos, Message: fmt.Sprintf("byte 0x%02x is not UTF-8", line[0]),
				Fix: "save the file as UTF-8"}
		case r < ' ' && r != '\t' || r == 0x7f:
			return &Problem{Pos: pos, Message: fmt.Sprintf("control character 0x%02x", line[0]),
				Fix: "remove it"}
		}
		line = line[size:]
		pos.Col++
	}
	return nil
}

// refused maps the notations that we do not read to what to do instead.
var refused = map[token.Type][2]string{
	token.AliasType:      {"YAML aliases (*name) are not read here", `write the value out; put a text that begins with "*" in quotes`},
	token.AnchorType:     {"YAML anchors (&name) are not read here", `write the value out where it is needed; put a text that begins with "&" in quotes`},
	token.MergeKeyType:   {"YAML merge keys (<<) are not read here", "write the keys out"},
	token.TagType:        {"YAML tags (!name) are not read here", `remove the tag; put a text that begins with "!" in quotes`},
	token.MappingKeyType: {`complex keys ("? ") are not read here`, "write key: value"},
	token.DirectiveType:  {"YAML directives (%) are not read here", `remove the line; put a text that begins with "%" in quotes`},
}

// checkTokens refuses notations we do not read and text nested too deeply,
// before the parser recurses over it.
func checkTokens(file string, tokens token.Tokens) Problems {
	var out Problems
	var depth nesting
	for _, tk := range tokens {
		if why, bad := refused[tk.Type]; bad {
			out = append(out, Problem{Pos: tokenPos(file, tk), Message: why[0], Fix: why[1]})
		}
		if depth.step(tk) > maxDepth {
			return append(out, Problem{Pos: tokenPos(file, tk),
				Message: "nested more than " + strconv.Itoa(maxDepth) + " deep",
				Fix:     "no key of ours lies that deep; check the brackets and the indentation"})
		}
		if depth.entries() > maxKeys {
			return append(out, Problem{Pos: tokenPos(file, tk),
				Message: "a table or list of more than " + strconv.Itoa(maxKeys) + " entries", Fix: "divide it"})
		}
		if f := checkDash(tk, depth.inBrackets()); f != (flaw{}) {
			return append(out, Problem{Pos: tokenPos(file, tk), Message: f.message, Fix: f.fix})
		}
		if isKey(tk) && len(tk.Value) > maxKey {
			return append(out, Problem{Pos: tokenPos(file, tk),
				Message: "a key of more than " + strconv.Itoa(maxKey) + " bytes", Fix: "check the quotes and the colon"})
		}
	}
	return out
}

func isKey(tk *token.Token) bool {
	return tk.Next != nil && tk.Next.Type == token.MappingValueType
}

// checkDash refuses a dash between brackets, and one with nothing behind it
// but the next.
func checkDash(tk *token.Token, inBrackets bool) flaw {
	if tk.Type != token.SequenceEntryType || tk.Position == nil {
		return flaw{}
	}
	next := tk.Next
	switch {
	case inBrackets:
		return flaw{"a dash between brackets", "close the bracket that is open here, or write the list without dashes"}
	case next != nil && next.Type == token.SequenceEntryType &&
		next.Position != nil && next.Position.Column <= tk.Position.Column:
		return flaw{"a dash without a value", "write the value behind it, or remove it"}
	}
	return flaw{}
}

// nesting counts how deep a stream of tokens has nested, and how many entries
// the innermost table or list has so far.
type nesting struct {
	brackets []int // commas of each open bracket
	columns  []column
}

// column is where the keys of a table or the dashes of a list stand.
type column struct{ at, keys int }

func (n *nesting) inBrackets() bool { return len(n.brackets) > 0 }

// step takes a token and returns the depth after it.
func (n *nesting) step(tk *token.Token) int {
	last := len(n.brackets) - 1
	switch {
	case tk.Type == token.SequenceStartType || tk.Type == token.MappingStartType:
		n.brackets = append(n.brackets, 0)
	case last >= 0 && (tk.Type == token.SequenceEndType || tk.Type == token.MappingEndType):
		n.brackets = n.brackets[:last]
	case last >= 0 && tk.Type == token.CollectEntryType:
		n.brackets[last]++
	case last < 0 && tk.Position != nil && isKey(tk):
		n.open(tk.Position.Column, 1)
	case last < 0 && tk.Position != nil && tk.Type == token.SequenceEntryType:
		n.open(tk.Position.Column, 0)
	}
	return len(n.brackets) + len(n.columns)
}

// open notes that a key or dash stands at a column.
func (n *nesting) open(at, keys int) {
	for len(n.columns) > 0 && n.columns[len(n.columns)-1].at > at {
		n.columns = n.columns[:len(n.columns)-1]
	}
	if len(n.columns) == 0 || n.columns[len(n.columns)-1].at < at {
		n.columns = append(n.columns, column{at: at})
	}
	n.columns[len(n.columns)-1].keys += keys
}

// entries is how many keys or commas the innermost table or list has.
func (n *nesting) entries() int {
	if len(n.brackets) > 0 {
		return n.brackets[len(n.brackets)-1]
	}
	if len(n.columns) > 0 {
		return n.columns[len(n.columns)-1].keys
	}
	return 0
}
