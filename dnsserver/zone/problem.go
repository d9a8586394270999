package zone

import (
	"cmp"
	"fmt"
	"slices"
)

// Problem is one reason why zones cannot be served, with its place and what to do.
type Problem struct {
	File      string
	Line, Col int // from 1
	Zone      string
	Message   string
	Fix       string // may be empty
}

// String gives "file:line:col: zone: message (fix)".
func (p Problem) String() string {
	s := fmt.Sprintf("%s:%d:%d: %s: %s", p.File, p.Line, p.Col, p.Zone, p.Message)
	if p.Fix != "" {
		s += " (" + p.Fix + ")"
	}
	return s
}

// maxProblems bounds what is reported of one zone; a wrong file given by mistake
// would otherwise yield a problem for each of its lines.
const maxProblems = 500

// report collects the problems of one zone.
type report struct {
	file     string
	zone     string
	problems []Problem
	dropped  int
}

// pos is a place in the zone's file.
type pos struct{ line, col int32 }

func (r *report) add(at pos, fix, format string, args ...any) {
	r.addIn(r.file, at, fix, format, args...)
}

func (r *report) addIn(file string, at pos, fix, format string, args ...any) {
	if len(r.problems) >= maxProblems {
		r.dropped++
		return
	}
	r.problems = append(r.problems, Problem{
		File: file, Line: int(at.line), Col: int(at.col), Zone: r.zone,
		Message: fmt.Sprintf(format, args...), Fix: fix,
	})
}

func (r *report) count() int { return len(r.problems) + r.dropped }

// all gives the problems in the order of their places.
func (r *report) all() []Problem {
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	if r.dropped == 0 {
		return r.problems
	}
	last := r.problems[len(r.problems)-1]
	last.Message, last.Fix = fmt.Sprintf("%d more problems in this zone are not shown", r.dropped), "mend those above first"
	return append(r.problems, last)
}
