package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Pos is a place in a configuration file. Line and Col count from 1, Col in
// characters. Line is 0 when the file as a whole is meant, for example one
// that cannot be read.
type Pos struct {
	File string
	Line int
	Col  int
}

// String writes "file:line:col", or the file alone when Line is 0.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Col)
}

// Problem is one thing that is wrong with a configuration, and what to do.
type Problem struct {
	Pos
	Path    string // of the key, such as "services[0].endpoints.eu-west"; "" for the text as a whole
	Message string // what is wrong
	Fix     string // what to do about it
}

// String writes "file:line:col: path: message (fix)".
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.Pos.String())
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path)
		b.WriteString(": ")
	}
	b.WriteString(p.Message)
	if p.Fix != "" {
		b.WriteString(" (" + p.Fix + ")")
	}
	return b.String()
}

// Problems is everything that is wrong with a configuration, in the order of
// the text. As an error it is one line a problem.
type Problems []Problem

// Error writes one line a problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Err is ps as an error, or nil when there is no problem. (A nil Problems
// in an error variable would not be a nil error.)
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// Sorted returns the problems in the order of file, line, column and path,
// each one once.
func (ps Problems) Sorted() Problems {
	out := slices.Clone(ps)
	slices.SortStableFunc(out, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Col, b.Col),
			cmp.Compare(a.Path, b.Path),
		)
	})
	return slices.Compact(out)
}
