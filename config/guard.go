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

// nesting counts how deep a stream of tokens has nested: brackets, and the
// columns at which keys and dashes stand.
type nesting struct {
	brackets int
	columns  []int
}

func (n *nesting) step(tk *token.Token) int {
	switch tk.Type {
	case token.SequenceStartType, token.MappingStartType:
		n.brackets++
	case token.SequenceEndType, token.MappingEndType:
		n.brackets = max(0, n.brackets-1)
	}
	if n.brackets == 0 && tk.Position != nil && (isKey(tk) || tk.Type == token.SequenceEntryType) {
		n.open(tk.Position.Column)
	}
	return n.brackets + len(n.columns)
}

// open notes that a table or list has its keys or dashes at column.
func (n *nesting) open(column int) {
	for len(n.columns) > 0 && n.columns[len(n.columns)-1] >= column {
		n.columns = n.columns[:len(n.columns)-1]
	}
	n.columns = append(n.columns, column)
}
