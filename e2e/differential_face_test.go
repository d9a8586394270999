//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// face is what a reply says: records by their text in lower case, because
// compression may lend a name the question's case.
type face struct {
	rcode                         int
	aa, tc, rd, ra                bool
	answer, authority, additional section
	twice                         string // a record that is there twice
}

type section map[string]dns.RR

func faceOf(m *dns.Msg) *face {
	f := &face{rcode: m.Rcode, aa: m.Authoritative, tc: m.Truncated, rd: m.RecursionDesired, ra: m.RecursionAvailable}
	seen := map[string]bool{}
	fill := func(rrs []dns.RR) section {
		s := section{}
		for _, rr := range rrs {
			if rr.Header().Rrtype == dns.TypeOPT {
				continue
			}
			key := textOf(rr)
			if seen[key] {
				f.twice = key
			}
			seen[key], s[key] = true, rr
		}
		return s
	}
	f.answer, f.authority, f.additional = fill(m.Answer), fill(m.Ns), fill(m.Extra)
	return f
}

func textOf(rr dns.RR) string { return strings.ToLower(strings.ReplaceAll(rr.String(), "\t", " ")) }

func (s section) equal(o section) bool {
	return maps.EqualFunc(s, o, func(a, b dns.RR) bool { return true })
}

// without lists the records of s that o has not.
func (s section) without(o section) (only []dns.RR) {
	for _, key := range slices.Sorted(maps.Keys(s)) {
		if o[key] == nil {
			only = append(only, s[key])
		}
	}
	return only
}

// comparison is one question with our answer and a peer's.
type comparison struct {
	q            inquiry
	qtype        uint16
	zones        []*drawn
	us, peer     *asker
	ours, theirs *face
}

func (c *comparison) same() bool {
	o, p := c.ours, c.theirs
	return o.twice == "" && p.twice == "" && o.rcode == p.rcode && o.aa == p.aa && o.tc == p.tc && o.rd == p.rd && o.ra == p.ra &&
		o.answer.equal(p.answer) && o.authority.equal(p.authority) && o.additional.equal(p.additional)
}

// difference says what is not the same.
func (c *comparison) difference() string {
	var out []string
	note := func(what string, ours, theirs any) {
		if ours != theirs {
			out = append(out, fmt.Sprintf("%s %v, theirs %v", what, ours, theirs))
		}
	}
	note("rcode", dns.RcodeToString[c.ours.rcode], dns.RcodeToString[c.theirs.rcode])
	note("aa", c.ours.aa, c.theirs.aa)
	note("tc", c.ours.tc, c.theirs.tc)
	note("rd", c.ours.rd, c.theirs.rd)
	note("ra", c.ours.ra, c.theirs.ra)
	note("a record twice", c.ours.twice, "")
	note("a record twice", "", c.theirs.twice)
	for _, s := range []struct {
		name         string
		ours, theirs section
	}{{"answer", c.ours.answer, c.theirs.answer}, {"authority", c.ours.authority, c.theirs.authority}, {"additional", c.ours.additional, c.theirs.additional}} {
		for _, rr := range s.ours.without(s.theirs) {
			out = append(out, s.name+" ours only: "+textOf(rr))
		}
		for _, rr := range s.theirs.without(s.ours) {
			out = append(out, s.name+" theirs only: "+textOf(rr))
		}
	}
	return strings.Join(out, "; ")
}
