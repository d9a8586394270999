package zone

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the expected parts of testdata")

// sourcesOf reads a script's sections: "zone NAME" holds master-file text,
// "steered" lines of "NAME SERVICE [alias|https|svcb]" for the innermost zone of the script,
// in order.
func sourcesOf(t *testing.T, ar *txtar.Archive) []Source {
	t.Helper()
	var sources []Source
	for _, f := range ar.Files {
		switch kind, name, _ := strings.Cut(f.Name, " "); kind {
		case "zone":
			sources = append(sources, Source{Name: name, Text: string(f.Data), File: "zone.txt", Line: 1})
		case "default-ttl":
			ttl, err := strconv.ParseUint(strings.TrimSpace(string(f.Data)), 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			sources[len(sources)-1].DefaultTTL = uint32(ttl)
		case "soa":
			sources[len(sources)-1].SOA = &SOA{MName: "ns.example.net.", RName: strings.TrimSpace(string(f.Data)), Serial: 1, Minimum: 60}
		case "ns":
			sources[len(sources)-1].NS = strings.Fields(string(f.Data))
		case "steered":
			last := &sources[len(sources)-1]
			last.Steered = append(last.Steered, steeredOf(t, string(f.Data))...)
		}
	}
	return sources
}

func steeredOf(t *testing.T, text string) (names []SteeredName) {
	t.Helper()
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		fields := strings.Fields(line)
		service, err := strconv.Atoi(fields[1])
		if err != nil {
			t.Fatal(err)
		}
		is := func(word string) bool { return slices.Contains(fields[2:], word) }
		names = append(names, SteeredName{Name: fields[0], Service: service, Alias: is("alias"), HTTPS: is("https"), SVCB: is("svcb"),
			File: "fleet.yaml", Line: i + 1, Col: 3})
	}
	return names
}

// section returns the script's section of that name, made if it is missing.
func section(ar *txtar.Archive, name string) *txtar.File {
	for i := range ar.Files {
		if ar.Files[i].Name == name {
			return &ar.Files[i]
		}
	}
	ar.Files = append(ar.Files, txtar.File{Name: name})
	return &ar.Files[len(ar.Files)-1]
}

func scripts(t *testing.T, dir string, run func(t *testing.T, ar *txtar.Archive)) {
	paths, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts in %s: %v", dir, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			run(t, ar)
			if *update {
				if err := os.WriteFile(path, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestLookup asks each script's "queries", lines of "NAME TYPE = RESULT".
func TestLookup(t *testing.T) {
	scripts(t, "lookup", func(t *testing.T, ar *txtar.Archive) {
		set, problems := Build(sourcesOf(t, ar))
		if set == nil {
			t.Fatal(problems)
		}
		queries := section(ar, "queries")
		var got strings.Builder
		for line := range strings.Lines(string(queries.Data)) {
			question, _, _ := strings.Cut(line, "=")
			fields := strings.Fields(question)
			if len(fields) != 2 {
				got.WriteString(line)
				continue
			}
			fmt.Fprintf(&got, "%-26s %-5s = %s\n", fields[0], fields[1], ask(t, set, fields[0], fields[1]))
		}
		compare(t, queries, got.String())
	})
}

func compare(t *testing.T, want *txtar.File, got string) {
	t.Helper()
	if *update {
		want.Data = []byte(got)
	}
	if string(want.Data) != got {
		t.Errorf("%s differ\ngot:\n%s\nwant:\n%s", want.Name, got, want.Data)
	}
}

func ask(t *testing.T, set *Set, name, qtype string) string {
	t.Helper()
	code, ok := typeCode(qtype)
	if !ok {
		t.Fatalf("type %q", qtype)
	}
	return describe(set.Lookup(pack(t, name), code))
}

// describe writes a result on one line.
func describe(r Result) string {
	if r.Outcome == Refused {
		return "Refused"
	}
	s := fmt.Sprintf("%v at %v", r.Outcome, r.Node)
	if r.Zone.String() != "example.com." {
		s += " zone " + r.Zone.String()
	}
	if r.Wildcard {
		s += " wildcard"
	}
	if r.Service >= 0 {
		s += fmt.Sprintf(" service %d", r.Service)
	}
	if len(r.RRset()) > 0 {
		s += fmt.Sprintf(" %d %v", len(r.RRset()), dns.Type(r.RRset()[0].Header().Rrtype))
	}
	return s
}

// TestRefuse holds each script's problems against its "problems".
func TestRefuse(t *testing.T) {
	scripts(t, "refuse", func(t *testing.T, ar *txtar.Archive) {
		set, problems := Build(sourcesOf(t, ar))
		if set != nil || len(problems) == 0 {
			t.Fatal("loaded")
		}
		var got strings.Builder
		for _, p := range problems {
			got.WriteString(p.String() + "\n")
		}
		compare(t, section(ar, "problems"), got.String())
	})
}

func pack(t testing.TB, name string) []byte {
	t.Helper()
	wire, err := PackName(name)
	if err != nil {
		t.Fatal(err)
	}
	return wire
}
