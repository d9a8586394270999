package zone

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"
)

// model is a zone in the plainest form: which types each name has. It answers as
// RFC 1034 section 4.3.2 reads, label by label from the apex, with the words of
// RFC 4592 for wildcards. Names are text without escapes.
type model struct {
	apex  string
	types map[string][]string // also "steered" and "steered-alias"
	inner *model              // a zone of ours inside, or nil
}

func (m *model) has(name, rtype string) bool { return slices.Contains(m.types[name], rtype) }

// exists: a name exists when it or one below it owns something (RFC 4592 section 2.2.2).
func (m *model) exists(name string) bool {
	for owner, types := range m.types {
		if len(types) > 0 && below(owner, name) {
			return true
		}
	}
	return name == m.apex
}

// below reports whether name is at or below top.
func below(name, top string) bool { return name == top || strings.HasSuffix(name, "."+top) }

func up(name string) string { _, parent, _ := strings.Cut(name, "."); return parent }

// path lists the names from the apex down to name.
func (m *model) path(name string) (names []string) {
	for ; name != m.apex; name = up(name) {
		names = append([]string{name}, names...)
	}
	return append([]string{m.apex}, names...)
}

func (m *model) lookup(name, qtype string) string {
	if !below(name, m.apex) {
		return "Refused"
	}
	if in := m.inner; in != nil && below(name, in.apex) && !(name == in.apex && qtype == "DS") {
		return in.lookup(name, qtype)
	}
	encloser := m.apex
	for _, at := range m.path(name) {
		if at != m.apex && m.has(at, "NS") && !(at == name && qtype == "DS") {
			return fmt.Sprintf("Delegation %s NS", at)
		}
		if m.exists(at) {
			encloser = at
		}
		if at != name && m.has(at, "DNAME") {
			return fmt.Sprintf("Redirect %s DNAME", at)
		}
	}
	if m.exists(name) {
		return m.answer(name, qtype)
	}
	if source := "*." + encloser; m.exists(source) {
		return m.answer(source, qtype) + " wildcard"
	}
	return "NameError " + encloser
}

// answer is what an existing name says outside any cut.
func (m *model) answer(name, qtype string) string {
	var static []string
	for _, t := range []string{"A", "NS", "CNAME", "SOA", "TXT", "DNAME", "DS"} { // by code
		if m.has(name, t) {
			static = append(static, t)
		}
	}
	switch {
	case m.has(name, "steered-alias"):
		return "Steered " + name
	case m.has(name, "steered") && (qtype == "A" || qtype == "AAAA" || qtype == "ANY" && len(static) == 0):
		return "Steered " + name
	case slices.Contains(static, qtype):
		return fmt.Sprintf("Found %s %s", name, qtype)
	case qtype == "ANY" && len(static) > 0:
		return fmt.Sprintf("Found %s %s", name, static[0])
	case m.has(name, "CNAME"):
		return fmt.Sprintf("Alias %s CNAME", name)
	}
	return "NoData " + name
}

var labels = []string{"a", "b", "*", "c"}

// names lists all names of up to depth labels under top, top included.
func names(top string, depth int) []string {
	all := []string{top}
	if depth == 0 {
		return all
	}
	for _, label := range labels {
		all = append(all, names(label+"."+top, depth-1)...)
	}
	return all
}

// drawZone makes a random zone that is valid: each step keeps to the rules that
// Build enforces, so that Build must load it.
func drawZone(t *rapid.T, apex string, depth int) *model {
	m := &model{apex: apex, types: map[string][]string{}}
	owners := rapid.SliceOfNDistinct(rapid.SampledFrom(names(apex, depth)), 0, 12, rapid.ID).Draw(t, "owners of "+apex)
	slices.SortFunc(owners, func(a, b string) int { return strings.Count(a, ".") - strings.Count(b, ".") })
	for _, owner := range owners {
		kinds := []string{"A", "TXT", "CNAME", "NS", "DNAME", "DS", "steered", "steered-alias"}
		for _, kind := range rapid.SliceOfN(rapid.SampledFrom(kinds), 1, 3).Draw(t, owner) {
			m.put(owner, kind)
		}
	}
	m.types[apex] = append(m.types[apex], "SOA", "NS")
	return m
}

// put adds the type if the rules allow it.
func (m *model) put(name, kind string) {
	have, apex := m.types[name], name == m.apex
	alone := kind == "CNAME" || kind == "steered-alias"
	cut := false
	for _, at := range m.path(name) {
		if at != name && m.has(at, "DNAME") {
			return
		}
		cut = cut || m.has(at, "NS")
	}
	wild := strings.HasPrefix(name, "*")
	switch {
	case m.has(name, kind), m.has(name, "CNAME"), m.has(name, "steered-alias"), alone && (len(have) > 0 || apex):
	case strings.HasPrefix(kind, "steered") && (cut || m.has(name, "A")):
	case kind == "A" && m.has(name, "steered"):
	case kind == "NS" && (apex || wild || m.has(name, "DNAME") || m.has(name, "steered")):
	case kind == "DNAME" && (wild || m.has(name, "NS")):
	case kind == "DS" && (apex || !m.has(name, "NS")):
	default:
		m.types[name] = append(have, kind)
	}
}

var data = map[string]string{
	"A": "192.0.2.1", "TXT": "text", "CNAME": "target.example.net.", "NS": "ns.example.net.",
	"DNAME": "example.net.", "SOA": "ns.example.net. host.example.net. 1 2 3 4 5", "DS": "1 8 1 0123456789012345678901234567890123456789",
}

// source writes the zone as text, in random order of names.
func (m *model) source() Source {
	src := Source{Name: m.apex + ".", File: "zone.txt", Line: 1, DefaultTTL: 300}
	var text strings.Builder
	for name, types := range m.types {
		for _, t := range types {
			if steered, alias := strings.CutPrefix(t, "steered"); alias {
				src.Steered = append(src.Steered, SteeredName{Name: name + ".", Service: 1, Alias: steered != ""})
				continue
			}
			fmt.Fprintf(&text, "%s. %s %s\n", name, t, data[t])
		}
	}
	src.Text = text.String()
	return src
}

// flat writes a result as the model does.
func flat(r Result) string {
	if r.Outcome == Refused {
		return "Refused"
	}
	s := fmt.Sprintf("%v %s", r.Outcome, strings.TrimSuffix(r.Node.String(), "."))
	if len(r.RRset()) > 0 {
		s += " " + dns.Type(r.RRset()[0].Header().Rrtype).String()
	}
	if r.Wildcard {
		s += " wildcard"
	}
	return s
}

// TestLookupAgreesWithTheReference asks every name near a random zone, or a zone
// within a zone, for every type.
func TestLookupAgreesWithTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawZone(t, "z", 3)
		if rapid.Bool().Draw(t, "nested") {
			delegate(t, m)
		}
		sources := []Source{m.source()}
		if m.inner != nil {
			sources = rapid.Permutation(append(sources, m.inner.source())).Draw(t, "order")
		}
		set, problems := Build(sources)
		if set == nil {
			t.Fatalf("%v\n%s", problems, sources[0].Text)
		}
		deep := rapid.SliceOfN(rapid.SampledFrom(names("z", 4)), 20, 20).Draw(t, "deep names")
		for _, name := range append(append(names("z", 3), "y", "a.y"), deep...) {
			for _, qtype := range []string{"A", "AAAA", "TXT", "CNAME", "NS", "DNAME", "DS", "SOA", "ANY"} {
				code, _ := typeCode(qtype)
				got, want := flat(set.Lookup(mustPack(name), code)), m.lookup(name, qtype)
				if strings.ReplaceAll(got, "\\", "") != want {
					t.Fatalf("%s %s\n got %s\nwant %s\n%s", name, qtype, got, want, sources[0].Text)
				}
			}
		}
	})
}

// delegate puts a second zone at a.z, or below it.
func delegate(t *rapid.T, m *model) {
	apex := rapid.SampledFrom([]string{"a.z", "b.a.z"}).Draw(t, "inner apex")
	cut := rapid.SampledFrom([]string{"a.z", apex}).Draw(t, "cut")
	for name, types := range m.types {
		if name == cut && !slices.Contains(types, "NS") || name == "z" || below(cut, name) || below(name, cut) {
			m.types[name] = slices.DeleteFunc(types, func(k string) bool {
				return k == "DNAME" || k == "CNAME" || strings.HasPrefix(k, "steered")
			})
		}
	}
	if !m.has(cut, "NS") {
		m.types[cut] = append(m.types[cut], "NS")
	}
	m.inner = drawZone(t, apex, 2)
}

func mustPack(name string) []byte {
	wire, err := PackName(name)
	if err != nil {
		panic(err)
	}
	return wire
}
