package zone

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzBuild: whatever the text, Build either names problems within it or gives a
// set in which every name answers for itself.
func FuzzBuild(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*/*.txtar")
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range txtar.Parse(data).Files {
			if strings.HasPrefix(file.Name, "zone ") {
				f.Add(string(file.Data))
			}
		}
	}
	for _, text := range []string{
		"*.w HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.1 ipv6hint=2001:db8::1 port=8443\nd DNAME d.d\nc CNAME c\n",
		"cut NS ns.cut\nns.cut A 192.0.2.1\ncut DS 1 13 2 00\nx.cut TXT occluded\n\\000\\046\\255.\\* TYPE65280 \\# 3 abcdef\n",
		"$GENERATE 0-20/3 h${1,3,x} PTR h$.cut\n@ MX 0 .\na.b.c.d NAPTR 1 1 \"s\" \"SIP+D2U\" \"\" .\nl LOC 1 N 1 E 1m\nu URI 1 1 \"x\"\n",
		"c CAA 0 issue \"\\\"\\;\"\nt TXT ( \"a\" ; b\n \"\\010\" )\na APL 1:192.0.2.0/24 !2:2001:db8::/32\nn 1w2d TLSA 3 1 1 00\n",
	} {
		f.Add(preamble + text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, problems := Build([]Source{{Name: "example.com.", Text: text, File: "f", Line: 1, NS: []string{"ns.example.net."}}})
		if (set == nil) != (len(problems) > 0) {
			t.Fatalf("set %v, problems %v", set, problems)
		}
		for _, p := range problems {
			if p.Line < 1 || p.Line > 1+strings.Count(text, "\n") || p.Col < 1 || p.Message == "" || len(p.String()) > 2000 {
				t.Fatalf("problem %+v", p)
			}
		}
		if set != nil {
			walk(t, set)
			again(t, set)
		}
	})
}

// walk asks every node for its types and packs what it answers.
func walk(t *testing.T, set *Set) {
	wire := make([]byte, 2*dns.MaxMsgSize)
	for i := range set.nodes {
		n := &set.nodes[i]
		if _, err := PackName(n.String()); err != nil {
			t.Fatalf("name %q: %v", n.Name, err)
		}
		for _, rtype := range append(n.Types(), dns.TypeANY) {
			r := set.Lookup(n.Name, rtype)
			if r.Outcome == NameError || r.Outcome == Refused || r.Node == nil || r.Zone == nil {
				t.Fatalf("%v %d: %+v", n, rtype, r)
			}
			for _, rr := range r.RRset() {
				if _, err := dns.PackRR(rr, wire, 0, nil, false); err != nil {
					t.Fatalf("%v: %v", rr, err)
				}
			}
		}
	}
}

// again: the records of a set, written down, make a set of the same records.
func again(t *testing.T, set *Set) {
	records := func(set *Set) (lines []string) {
		for rr := range set.Zones()[0].Records() {
			lines = append(lines, rr.String())
		}
		return lines
	}
	first := records(set)
	other, problems := Build([]Source{{Name: "example.com.", Text: strings.Join(first, "\n"), File: "f"}})
	if other == nil {
		t.Fatalf("%v in\n%s", problems, strings.Join(first, "\n"))
	}
	if second := records(other); !slices.Equal(first, second) {
		t.Fatalf("first\n%s\nsecond\n%s", strings.Join(first, "\n"), strings.Join(second, "\n"))
	}
}

// FuzzLookup: any octets may come as a name.
func FuzzLookup(f *testing.F) {
	set := build(f, preamble+"*.w A 192.0.2.1\ncut NS ns.example.net.\nd DNAME example.net.\na.b.c TXT x\n")
	f.Add([]byte("\x01a\x01w\x07example\x03com\x00"), uint16(1))
	f.Add([]byte("\x01a\x07example\x03com"), uint16(1))
	f.Add([]byte("\xff\x01"), uint16(255))
	f.Add([]byte{}, uint16(0))
	f.Fuzz(func(t *testing.T, name []byte, qtype uint16) {
		r := set.Lookup(name, qtype)
		if (r.Outcome == Refused) != (r.Node == nil) {
			t.Fatalf("%q: %+v", name, r)
		}
		set.Glue(name, qtype)
		set.ZoneOf(name)
	})
}
