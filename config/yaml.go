package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parseTree turns text into a tree of nodes. It returns nil and at least one
// problem when the text is not the strict YAML that we read: one document,
// UTF-8, no anchors, aliases, merge keys, tags or complex keys, no key twice.
// A table with duplicate keys alone still yields a tree, so that later steps
// find the rest.
func parseTree(file string, text []byte) (root *node, problems Problems) {
	if p := checkBytes(file, text); p != nil {
		return nil, Problems{*p}
	}
	t := &treeMaker{file: file, lines: strings.Split(string(text), "\n")}
	defer func() {
		// The parser is not ours, and other people's text finds its panics.
		if r := recover(); r != nil {
			root = nil
			problems = Problems{{Pos: t.near(), Message: "the YAML parser gave up on this text", Fix: fixYAML}}
		}
	}()
	tokens := lexer.Tokenize(string(text))
	if t.problems = checkTokens(file, tokens); len(t.problems) > 0 {
		return nil, t.problems.Sorted()
	}
	parsed, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, Problems{syntaxProblem(file, err)}
	}
	return t.document(parsed), t.problems
}

const fixYAML = "check the indentation, quotes and brackets here and on the line before"

// syntaxProblem translates the parser's complaint.
func syntaxProblem(file string, err error) Problem {
	p := Problem{Pos: Pos{file, 1, 1}, Message: "the YAML cannot be read", Fix: fixYAML}
	var syntax *yaml.SyntaxError
	if errors.As(err, &syntax) {
		p.Message = syntax.Message
		p.Pos = tokenPos(file, syntax.Token)
	}
	switch {
	case strings.Contains(p.Message, "tab character"), strings.Contains(p.Message, "'\t' that cannot"):
		p.Fix = "indent with spaces, never with tabs"
	case strings.Contains(p.Message, "could not find end character"):
		p.Fix = "close the quote that opens here"
	case strings.Contains(p.Message, "reserved character"):
		p.Fix = "put the value in quotes"
	}
	p.Message = "not valid YAML: " + p.Message
	return p
}

// tokenPos is a token's position, 1:1 for a token without one.
func tokenPos(file string, tk *token.Token) Pos {
	if tk == nil || tk.Position == nil {
		return Pos{file, 1, 1}
	}
	return Pos{file, max(1, tk.Position.Line), max(1, tk.Position.Column)}
}

// treeMaker turns the parser's nodes into ours.
type treeMaker struct {
	file     string
	lines    []string
	last     Pos // of the node being made, to say where a panic struck
	problems Problems
}

func (t *treeMaker) near() Pos {
	if t.last.Line == 0 {
		return Pos{t.file, 1, 1}
	}
	return t.last
}

func (t *treeMaker) fail(pos Pos, message, fix string) {
	t.problems = append(t.problems, Problem{Pos: pos, Message: message, Fix: fix})
}

func (t *treeMaker) document(parsed *ast.File) *node {
	var bodies []ast.Node
	for _, doc := range parsed.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	switch len(bodies) {
	case 0:
		t.fail(Pos{t.file, 1, 1}, "the file holds no keys", "write at least the keys that have no default")
		return nil
	case 1:
		return t.node(bodies[0], Pos{t.file, 1, 1})
	}
	t.fail(t.node(bodies[1], Pos{t.file, 1, 1}).pos, "a second YAML document begins here",
		`keep one document a file; remove the line "---"`)
	return nil
}

// node converts n; at is where it stands if it has no text of its own.
func (t *treeMaker) node(n ast.Node, at Pos) *node {
	if n == nil {
		return &node{pos: at}
	}
	out := &node{pos: tokenPos(t.file, n.GetToken())}
	t.last = out.pos
	switch n := n.(type) {
	case *ast.NullNode:
		out.pos = at
	case *ast.BoolNode:
		out.kind, out.text = kindBool, n.GetToken().Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		out.kind, out.text = kindNumber, n.GetToken().Value
	case *ast.StringNode:
		t.text(out, n)
	case *ast.LiteralNode:
		t.literal(out, n)
	case *ast.SequenceNode:
		t.list(out, n)
	case *ast.MappingNode:
		t.table(out, n.Values)
		if !n.IsFlowStyle && len(out.table) > 0 {
			out.pos = out.table[0].pos
		}
	case *ast.MappingValueNode:
		t.table(out, []*ast.MappingValueNode{n})
		out.pos = out.table[0].pos
	default:
		t.fail(out.pos, "this YAML notation is not read here", "write plain keys, lists and values")
	}
	return out
}

func (t *treeMaker) text(out *node, n *ast.StringNode) {
	out.kind, out.text = kindText, n.Value
	tk := n.GetToken()
	out.fold = strings.Contains(strings.TrimSpace(tk.Origin), "\n") || strings.Contains(n.Value, "\n")
}

// literal makes text of a block, whose lines begin below its "|".
func (t *treeMaker) literal(out *node, n *ast.LiteralNode) {
	out.kind, out.text = kindText, n.Value.Value
	out.fold = strings.HasPrefix(n.Start.Value, ">")
	if out.fold {
		return
	}
	out.block = true
	line := out.pos.Line + 1
	out.lines = Pos{t.file, line, 1 + t.indent(line, out.text)}
}

// indent is by how many columns the file's lines from line on are indented
// more than the text that was made of them.
func (t *treeMaker) indent(line int, text string) int {
	for i, s := range strings.Split(text, "\n") {
		if s == "" {
			continue
		}
		if at := line - 1 + i; at < len(t.lines) {
			return max(0, len(t.lines[at])-len(s))
		}
		break
	}
	return 0
}

func (t *treeMaker) list(out *node, n *ast.SequenceNode) {
	out.kind = kindList
	for i, v := range n.Values {
		at := out.pos
		if i < len(n.Entries) && n.Entries[i] != nil {
			at = tokenPos(t.file, n.Entries[i].Start)
		}
		out.list = append(out.list, t.node(v, at))
	}
}

func (t *treeMaker) table(out *node, values []*ast.MappingValueNode) {
	out.kind = kindTable
	first := make(map[string]Pos, len(values))
	for _, v := range values {
		tk := v.Key.GetToken()
		e := entry{key: tk.Value, pos: tokenPos(t.file, tk)}
		e.value = t.node(v.Value, e.pos)
		if was, twice := first[e.key]; twice {
			t.fail(e.pos, fmt.Sprintf("key %s is given twice", quote(e.key)),
				"the first stands on line "+strconv.Itoa(was.Line)+"; keep one of them")
			continue
		}
		first[e.key] = e.pos
		out.table = append(out.table, e)
	}
}
