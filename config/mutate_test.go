package config

import (
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// parsesOrSaysWhere parses a text as both kinds of file and checks what must
// hold of any text: a value or problems, and each problem with a position inside
// the text and a fix. It reports whether the fleet was refused.
func parsesOrSaysWhere(t *testing.T, text string) bool {
	t.Helper()
	read := func(string, bool) ([]byte, error) { return []byte("@ NS ns\n"), nil }
	f, problems := ParseFleet("f.yaml", []byte(text), read)
	checkProblems(t, text, f != nil, problems)
	if f != nil {
		checkRecords(t, text, f)
	}
	in, more := ParseInstance("f.yaml", []byte(text))
	checkProblems(t, text, in != nil, more)
	return len(problems) > 0
}

func checkProblems(t *testing.T, text string, read bool, problems Problems) {
	t.Helper()
	if !read && len(problems) == 0 {
		t.Error("nothing was read, and nothing is wrong")
	}
	lines := strings.Count(text, "\n") + 1
	for i, p := range problems {
		if p.Line < 1 || p.Line > lines || p.Col < 1 || p.Message == "" || p.Fix == "" {
			t.Errorf("%#v in a text of %d lines", p, lines)
		}
		if i > 0 && problems[i-1].Line > p.Line {
			t.Errorf("problems out of order: %v", problems)
		}
	}
}

// checkRecords checks that the lines of inline records stand where their
// position says.
func checkRecords(t *testing.T, text string, f *Fleet) {
	t.Helper()
	lines := strings.Split(string(canonical([]byte(text))), "\n")
	for _, z := range f.Zones {
		if z.File != "" || z.Records.Value == "" {
			continue
		}
		for i, line := range strings.Split(strings.TrimRight(z.Records.Value, "\n"), "\n") {
			n := z.Records.Pos.Line - 1 + i
			if n >= len(lines) || !strings.HasSuffix(strings.TrimRight(lines[n], " "), strings.TrimRight(line, " ")) {
				t.Errorf("line %d of the records, %q, is not on line %d", i+1, line, n+1)
			}
		}
	}
}

// mutation changes the lines of a text at line i.
type mutation struct {
	name  string
	apply func(lines []string, i int) []string
}

func replaced(old, new string) func([]string, int) []string {
	return func(lines []string, i int) []string {
		lines[i] = strings.Replace(lines[i], old, new, 1)
		return lines
	}
}

func mutations() []mutation {
	return []mutation{
		{"delete", func(l []string, i int) []string { return slices.Delete(l, i, i+1) }},
		{"duplicate", func(l []string, i int) []string { return slices.Insert(l, i, l[i]) }},
		{"swap", func(l []string, i int) []string { l[i], l[i/2] = l[i/2], l[i]; return l }},
		{"cut", func(l []string, i int) []string { l[i] = l[i][:len(l[i])/2]; return l[:i+1] }},
		{"indent", func(l []string, i int) []string { l[i] = " " + l[i]; return l }},
		{"outdent", func(l []string, i int) []string { l[i] = strings.TrimPrefix(l[i], "  "); return l }},
		{"tab", func(l []string, i int) []string { l[i] = "\t" + l[i]; return l }},
		{"not utf-8", func(l []string, i int) []string { l[i] += "\xff"; return l }},
		{"nul", func(l []string, i int) []string { l[i] = "\x00" + l[i]; return l }},
		{"text into list", replaced(": ", ": [], ")},
		{"value gone", func(l []string, i int) []string { l[i], _, _ = strings.Cut(l[i], ":"); l[i] += ":"; return l }},
		{"rename", replaced(":", "x:")},
		{"huge", replaced(": ", ": 99999999999999999999")},
		{"anchor", replaced(": ", ": &a ")},
		{"alias", replaced(": ", ": *a ")},
		{"number", replaced("name: ", "name: 7 #")},
		{"bracket", replaced("[", "")},
		{"brace", replaced("}", "")},
		{"quote", replaced(" ", " \"")},
		{"dash", replaced("- ", "")},
		{"colon", replaced(":", "")},
		{"comma", replaced(",", ",,")},
		{"digit", replaced("2", "-")},
	}
}

// TestMutations breaks each line of the example in many ways. Nothing may
// panic, and what is refused is refused at a place.
func TestMutations(t *testing.T) {
	text, err := os.ReadFile("testdata/example-fleet.yaml")
	if err != nil {
		t.Fatal(err)
	}
	total, refused := 0, 0
	for _, m := range mutations() {
		t.Run(m.name, func(t *testing.T) {
			before := refused
			for i := range strings.Count(string(text), "\n") {
				lines := m.apply(strings.Split(string(text), "\n"), i)
				total++
				if parsesOrSaysWhere(t, strings.Join(lines, "\n")) {
					refused++
				}
			}
			if refused == before {
				t.Error("no mutation was refused")
			}
		})
	}
	if refused < 700 {
		t.Errorf("%d of %d mutations refused", refused, total)
	}
	t.Logf("%d of %d mutations refused", refused, total)
}

// TestRandomBytes changes single bytes, from a fixed seed.
func TestRandomBytes(t *testing.T) {
	text, err := os.ReadFile("testdata/example-fleet.yaml")
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	const odd = "\t\n :-[]{}#&*!|>'\"%@`,?~.\\\xc3\xff0aZ"
	for range 300 {
		changed := slices.Clone(text)
		for range 1 + random.IntN(3) {
			changed[random.IntN(len(changed))] = odd[random.IntN(len(odd))]
		}
		parsesOrSaysWhere(t, string(changed))
	}
}

// TestCRLF reads a file with other line ends to the same values.
func TestCRLF(t *testing.T) {
	a, problems := ParseFleet("f", []byte(ExampleFleet), nil)
	if problems != nil {
		t.Fatal(problems)
	}
	b, problems := ParseFleet("f", []byte("\ufeff"+strings.ReplaceAll(ExampleFleet, "\n", "\r\n")), nil)
	if problems != nil {
		t.Fatal(problems)
	}
	b.Text = a.Text
	wantEqual(t, "fleet", b, a)
}
