package zone

import "strings"

// token is one field of an entry: a run of octets without separators, quotes and
// escapes still in it.
type token struct {
	text string
	at   pos
}

// entry is one logical line of master-file text: parentheses have joined its
// lines, comments are gone.
type entry struct {
	at     pos
	blank  bool    // begins with a blank: the owner is the one before
	tokens []token // valid until the next call of scanner.next
}

// scanner cuts master-file text into entries (RFC 1035 section 5.1). What it
// cannot read it reports, and goes on with the next line.
type scanner struct {
	text string
	rep  *report
	cursor
	tokens  []token
	bad     bool // the current entry has a problem already reported
	wounded bool // a parenthesis was never closed: from now on they end with an unindented line
}

// cursor is a place in the text; scanning can return to a copy of it.
type cursor struct {
	off   int
	line  int32
	start int // offset of the line's first octet
}

func newScanner(text string, line int, rep *report) *scanner {
	return &scanner{text: text, rep: rep, cursor: cursor{line: int32(max(line, 1))}}
}

// next returns the next entry that has tokens and no problem.
func (s *scanner) next() (entry, bool) {
	for s.off < len(s.text) {
		e := s.entry()
		if len(e.tokens) > 0 && !s.bad {
			return e, true
		}
	}
	return entry{}, false
}

func (s *scanner) pos() pos { return pos{s.line, int32(s.off-s.start) + 1} }

// entry reads to the end of the logical line.
func (s *scanner) entry() entry {
	begin, known := s.cursor, len(s.rep.problems)
	e := entry{at: s.pos(), blank: s.text[s.off] == ' ' || s.text[s.off] == '\t'}
	s.tokens, s.bad = s.tokens[:0], false
	var open []pos
	for s.off < len(s.text) {
		switch c := s.text[s.off]; c {
		case '\n':
			s.newline()
			if len(open) == 0 {
				e.tokens = s.tokens
				return e
			}
			if s.wounded && s.unindented() {
				return s.unclosed(open[0])
			}
		case ' ', '\t', '\r':
			s.off++
		case ';':
			s.skipLine()
		case '(':
			open = append(open, s.pos())
			s.off++
		case ')':
			if len(open) == 0 {
				s.fault(s.pos(), "remove it, or open it before", "a closing parenthesis without an opening one")
			} else {
				open = open[:len(open)-1]
			}
			s.off++
		default:
			s.token()
		}
	}
	if len(open) > 0 {
		return s.recover(begin, known, open[0])
	}
	e.tokens = s.tokens
	return e
}

func (s *scanner) fault(at pos, fix, format string, args ...any) {
	s.bad = true
	s.rep.add(at, fix, format, args...)
}

// recover handles a parenthesis that is open at the end of the text: it goes back
// to the first line after the entry's first that looks like a new entry.
func (s *scanner) recover(begin cursor, known int, open pos) entry {
	s.rep.problems = s.rep.problems[:known]
	e := s.unclosed(open)
	s.wounded, s.cursor = true, begin
	s.skipLine()
	for s.off < len(s.text) {
		s.newline()
		if s.unindented() {
			break
		}
		s.skipLine()
	}
	return e
}

func (s *scanner) unclosed(open pos) entry {
	s.fault(open, "close it with )", "the parenthesis opened here is never closed")
	return entry{}
}

// unindented reports whether an entry with an owner seems to begin here.
func (s *scanner) unindented() bool {
	return s.off < len(s.text) && !strings.ContainsRune(" \t\r\n;)", rune(s.text[s.off]))
}

// newline steps over the line feed at the cursor.
func (s *scanner) newline() {
	s.off++
	s.line++
	s.start = s.off
}

// skipLine moves to the line feed that ends this line, or to the end.
func (s *scanner) skipLine() {
	if n := strings.IndexByte(s.text[s.off:], '\n'); n >= 0 {
		s.off += n
		return
	}
	s.off = len(s.text)
}

// token reads one token; blanks and separators count as its text inside quotes
// and after a backslash.
func (s *scanner) token() {
	at, from, quoted := s.pos(), s.off, false
	quote := at
loop:
	for s.off < len(s.text) {
		switch s.text[s.off] {
		case '\\':
			if s.off+1 == len(s.text) || s.text[s.off+1] == '\n' {
				s.fault(s.pos(), `write \\ for a backslash`, "a backslash at the end of the line")
			} else {
				s.off++
			}
		case '"':
			quoted, quote = !quoted, s.pos()
		case '\n':
			break loop
		case ' ', '\t', '\r', ';', '(', ')':
			if !quoted {
				break loop
			}
		}
		s.off++
	}
	if quoted {
		s.fault(quote, `close it with " on the same line`, "the quoted string that begins here is not closed")
	}
	s.tokens = append(s.tokens, token{s.text[from:s.off], at})
}
