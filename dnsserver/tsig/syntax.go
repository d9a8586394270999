package tsig

import (
	"fmt"
	"regexp"
	"strings"
)

// parseKnot reads the lines that keymgr -t writes.
func parseKnot(text string) (drafts []draft, problems []Problem) {
	n := 0
	for line := range strings.Lines(text) {
		n++
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if line == "" || line == "key:" {
			continue
		}
		item, isItem := strings.CutPrefix(line, "- ")
		name, value, found := strings.Cut(item, ":")
		if value = strings.Trim(strings.TrimSpace(value), `"'`); isItem {
			drafts = append(drafts, draft{line: n})
		}
		if !found || len(drafts) == 0 || !drafts[len(drafts)-1].set(strings.TrimSpace(name), value) {
			problems = append(problems, Problem{n, "this line is none of id, algorithm and secret of a key", "write it as keymgr -t NAME does"})
		}
	}
	return drafts, problems
}

func (d *draft) set(name, value string) bool {
	switch name {
	case "id":
		d.name = value
	case "algorithm":
		d.algorithm = value
	case "secret":
		d.secret = value
	default:
		return false
	}
	return true
}

// bindToken is a comment, a quoted text, a mark or a word.
var bindToken = regexp.MustCompile(`(?s)//[^\n]*|#[^\n]*|/\*.*?\*/|"[^"\n]*"|[{};]|[^\s{};"]+|"`)

// bindReader walks the tokens of BIND's form.
type bindReader struct {
	tokens []string
	lines  []int
	at     int
}

func newBINDReader(text string) *bindReader {
	r := &bindReader{}
	line, from := 1, 0
	for _, span := range bindToken.FindAllStringIndex(text, -1) {
		token := text[span[0]:span[1]]
		line += strings.Count(text[from:span[0]], "\n")
		from = span[0]
		if strings.HasPrefix(token, "//") || strings.HasPrefix(token, "#") || strings.HasPrefix(token, "/*") {
			continue
		}
		r.tokens, r.lines = append(r.tokens, token), append(r.lines, line)
	}
	return r
}

func (r *bindReader) next() string {
	if r.at >= len(r.tokens) {
		return ""
	}
	r.at++
	return r.tokens[r.at-1]
}

func (r *bindReader) line() int {
	if len(r.lines) == 0 {
		return 1
	}
	return r.lines[min(max(r.at-1, 0), len(r.lines)-1)]
}

// parseBIND reads what tsig-keygen writes.
func parseBIND(text string) (drafts []draft, problems []Problem) {
	r := newBINDReader(text)
	for r.at < len(r.tokens) {
		d, want := r.key()
		if want != "" {
			return drafts, append(problems, Problem{r.line(), fmt.Sprintf("want %s here", want), `write it as tsig-keygen does: key "NAME" { algorithm hmac-sha256; secret "BASE64"; };`})
		}
		drafts = append(drafts, d)
	}
	return drafts, nil
}

// key reads one statement; want is what it lacks. What stands there instead is
// not told: it may be a secret.
func (r *bindReader) key() (d draft, want string) {
	if r.next() != "key" {
		return d, "the word key"
	}
	d.line = r.line()
	d.name = unquote(r.next())
	if r.next() != "{" {
		return d, "the key's name and {"
	}
	for {
		word := r.next()
		if word == "}" {
			break
		}
		if value := unquote(r.next()); (word != "algorithm" && word != "secret") || !d.set(word, value) {
			return d, "algorithm or secret with its value, or }"
		}
		if r.next() != ";" {
			return d, "a semicolon"
		}
	}
	if r.next() != ";" {
		return d, "a semicolon behind }"
	}
	return d, ""
}

func unquote(s string) string { return strings.Trim(s, `"`) }
