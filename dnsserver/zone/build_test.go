package zone

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

const preamble = "$TTL 300\n@ SOA ns hostmaster 1 2 3 4 60\n@ NS ns.example.net.\n"

func build(t testing.TB, text string) *Set {
	t.Helper()
	set, problems := Build([]Source{{Name: "example.com.", Text: text, File: "zone.txt", Line: 1}})
	if set == nil {
		t.Fatal(problems)
	}
	return set
}

func recordsOf(t testing.TB, set *Set, name string, rtype uint16) string {
	t.Helper()
	var lines []string
	for _, rr := range set.Lookup(pack(t, name), rtype).RRset() {
		lines = append(lines, strings.ReplaceAll(rr.String(), "\t", " "))
	}
	return strings.Join(lines, "\n")
}

func TestRecordsAreReadAsWritten(t *testing.T) {
	set := build(t, preamble+strings.Join([]string{
		`Www 1h IN A 192.0.2.1 ; comment (with " signs`,
		` IN 1H A 192.0.2.2`,
		`txt TXT "a;(b" c\"d ( "e"`, "\t; comment", ` f )`,
		"crlf TXT x\r", " TXT y\r",
		`mx MX 10 Mail`,
		`svc HTTPS 1 . alpn="h2,h3" port=443`,
		`h\$ TXT dollar`,
		"$ORIGIN low", "@ TXT in-low", "$TTL 60", "a.b TXT x",
		"$GENERATE 8-10/2 g${-3,3,x} 5 TXT $-\\$",
		`last TXT no-newline`,
	}, "\n"))
	for _, tc := range []struct {
		name  string
		rtype uint16
		want  string
	}{
		{"www.example.com.", dns.TypeA, "www.example.com. 3600 IN A 192.0.2.1\nwww.example.com. 3600 IN A 192.0.2.2"},
		{"txt.example.com.", dns.TypeTXT, `txt.example.com. 300 IN TXT "a;(b" "c\"d" "e" "f"`},
		{"crlf.example.com.", dns.TypeTXT, "crlf.example.com. 300 IN TXT \"x\"\ncrlf.example.com. 300 IN TXT \"y\""},
		{"mx.example.com.", dns.TypeMX, "mx.example.com. 300 IN MX 10 Mail.example.com."},
		{"svc.example.com.", dns.TypeHTTPS, `svc.example.com. 300 IN HTTPS 1 . alpn="h2,h3" port="443"`},
		{`h\$.example.com.`, dns.TypeTXT, `h\$.example.com. 300 IN TXT "dollar"`},
		{"low.example.com.", dns.TypeTXT, `low.example.com. 300 IN TXT "in-low"`},
		{"a.b.low.example.com.", dns.TypeTXT, `a.b.low.example.com. 60 IN TXT "x"`},
		{"g005.low.example.com.", dns.TypeTXT, `g005.low.example.com. 5 IN TXT "8-$"`},
		{"g007.low.example.com.", dns.TypeTXT, `g007.low.example.com. 5 IN TXT "10-$"`},
		{"last.low.example.com.", dns.TypeTXT, `last.low.example.com. 60 IN TXT "no-newline"`},
	} {
		if got := recordsOf(t, set, tc.name, tc.rtype); got != tc.want {
			t.Errorf("%s\n got %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

func TestZoneFromValues(t *testing.T) {
	set, problems := Build([]Source{{
		Name: "gslb.example.com.", File: "fleet.yaml", Line: 9, DefaultTTL: 120,
		SOA:     &SOA{MName: "ns.example.net", RName: "host.example.net.", Serial: 7, Minimum: 30},
		NS:      []string{"ns.example.net.", "www.gslb.example.com."},
		Steered: []SteeredName{{Name: "www.gslb.example.com.", Service: 0}},
	}, {
		Name: "example.org.", Text: "@ 900 NS ns.example.net.\n", File: "fleet.yaml", Line: 12,
		SOA: &SOA{MName: "ns.example.net.", RName: "host.example.net.", Minimum: 3600, TTL: 45},
		NS:  []string{"ns2.example.net."},
	}})
	if set == nil {
		t.Fatal(problems)
	}
	first, second := set.Zones()[0], set.Zones()[1]
	if first.SOA().Serial != 7 || first.SOA().Hdr.Ttl != 120 || first.NegativeTTL() != 30 || first.SOA().Ns != "ns.example.net." {
		t.Errorf("SOA %v, negative TTL %d", first.SOA(), first.NegativeTTL())
	}
	if second.SOA().Hdr.Ttl != 45 || second.NegativeTTL() != 45 {
		t.Errorf("SOA %v, negative TTL %d", second.SOA(), second.NegativeTTL())
	}
	if ns := second.NS(); len(ns) != 2 || ns[1].Header().Ttl != 900 {
		t.Errorf("NS %v: the value takes the TTL of the RRset in the text", ns)
	}
	if first.Index != 0 || second.Index != 1 || second.String() != "example.org." || string(second.Name) != "\x07example\x03org\x00" {
		t.Errorf("zones %v %v", first, second)
	}
}

func TestNodeIDsAreDense(t *testing.T) {
	set, problems := Build([]Source{
		{Name: "example.com.", Text: preamble + "in NS ns.example.net.\nhidden.in A 192.0.2.1\na.b.c TXT x\n"},
		{Name: "in.example.com.", Text: preamble},
	})
	if set == nil {
		t.Fatal(problems)
	}
	seen := make([]bool, set.Nodes())
	mark := func(n *Node) {
		if seen[n.ID] {
			t.Errorf("ID %d of %v is taken", n.ID, n)
		}
		seen[n.ID] = true
	}
	for i := range set.nodes {
		n := &set.nodes[i]
		mark(n)
	}
	if outer := set.Lookup(pack(t, "in.example.com."), dns.TypeDS).Node; outer != &set.nodes[outer.ID] {
		t.Errorf("the outer zone's node of the inner apex has ID %d of another", outer.ID)
	}
	for id, ok := range seen {
		if !ok {
			t.Errorf("no node has ID %d", id)
		}
	}
}

func TestGlue(t *testing.T) {
	set := build(t, preamble+"cut NS ns.cut\nns.cut A 192.0.2.1\nwww AAAA 2001:db8::1\n*.w A 192.0.2.2\n")
	for _, tc := range []struct {
		name  string
		rtype uint16
		want  int
	}{
		{"ns.cut.example.com.", dns.TypeA, 1}, {"ns.cut.example.com.", dns.TypeAAAA, 0},
		{"www.example.com.", dns.TypeAAAA, 1}, {"x.w.example.com.", dns.TypeA, 0}, {"example.net.", dns.TypeA, 0},
	} {
		if got := set.Glue(pack(t, tc.name), tc.rtype); len(got) != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
	if z := set.ZoneOf(pack(t, "no.such.cut.example.com.")); z != set.Zones()[0] {
		t.Errorf("zone %v", z)
	}
	if z := set.ZoneOf(pack(t, "com.")); z != nil {
		t.Errorf("zone %v", z)
	}
}

func TestRootZone(t *testing.T) {
	set, problems := Build([]Source{{Name: ".", Text: "$TTL 60\n. SOA ns.example.net. h. 1 2 3 4 5\n. NS ns.example.net.\nnet NS ns.example.net.\nns.example.net. A 192.0.2.1\n"}})
	if set == nil {
		t.Fatal(problems)
	}
	for name, want := range map[string]Outcome{".": Found, "a.net.": Delegation, "org.": NameError} {
		if got := set.Lookup(pack(t, name), dns.TypeSOA).Outcome; got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestNoSources(t *testing.T) {
	set, problems := Build(nil)
	if set == nil || set.Lookup([]byte{0}, dns.TypeA).Outcome != Refused {
		t.Errorf("%v %v", set, problems)
	}
}

// A partial source is never served, and only its text is judged: what it lacks
// may stand in values that could not be read.
func TestPartialSource(t *testing.T) {
	src := Source{Name: "example.com.", Text: "www A 192.0.2.1\n", File: "zone.txt", Line: 1, DefaultTTL: 60, Partial: true, NS: []string{"ns.example.com."}}
	if set, problems := Build([]Source{src}); set != nil || problems != nil {
		t.Errorf("%v, %v", set, problems)
	}
	src.Text += "www A 192.0.2.999\nwww CNAME mail\n"
	set, problems := Build([]Source{src})
	if set != nil || len(problems) != 2 || problems[0].Line != 2 || problems[1].Line != 3 {
		t.Errorf("%v, %v", set, problems)
	}
}

func TestProblemsAreBounded(t *testing.T) {
	set, problems := Build([]Source{{Name: "example.com.", Text: strings.Repeat("a 1 A x\n", 2000), File: "zone.txt", Line: 100}})
	if set != nil || len(problems) != maxProblems+1 {
		t.Fatalf("%d problems", len(problems))
	}
	last := problems[maxProblems]
	if last.Message != "1502 more problems in this zone are not shown" || problems[0].Line != 100 {
		t.Errorf("first %v, last %v", problems[0], last)
	}
}

func TestLargeRRsets(t *testing.T) {
	var fits, over strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&fits, "many A 192.0.%d.%d\n", i/250, i%250)
	}
	for i := range 5000 {
		fmt.Fprintf(&over, "many A 192.0.%d.%d\n", i/250, i%250)
	}
	if got := len(build(t, preamble+fits.String()+fits.String()).Lookup(pack(t, "many.example.com."), dns.TypeA).RRset()); got != 4000 {
		t.Errorf("%d records", got)
	}
	_, problems := Build([]Source{{Name: "example.com.", Text: preamble + over.String()}})
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "do not fit in one message") {
		t.Errorf("%v", problems)
	}
}

func TestNodesDescribeThemselves(t *testing.T) {
	set := build(t, preamble+"a.ent TXT x\ncut NS ns.cut\nns.cut A 192.0.2.1\nc CNAME x.example.net.\n")
	apex, ent, glue := set.Zones()[0].Apex(), set.Node(pack(t, "ent.example.com.")), set.Node(pack(t, "ns.cut.example.com."))
	if !apex.Apex() || apex.Empty() || ent.Apex() || !ent.Empty() || ent.Service != -1 {
		t.Errorf("apex %+v, empty non-terminal %+v", apex, ent)
	}
	if glue.Cut != set.Node(pack(t, "cut.example.com.")) || glue.Cut.Cut != glue.Cut || apex.Cut != nil {
		t.Errorf("cut of %v is %v", glue, glue.Cut)
	}
	if !set.Node(pack(t, "c.example.com.")).HasCNAME() || apex.HasCNAME() || set.Node(pack(t, "x.example.com.")) != nil {
		t.Error("aliases")
	}
	if got := fmt.Sprint(apex.Types(), ent.Types(), Steered, Outcome(99)); got != "[2 6] [] Steered Outcome?" {
		t.Error(got)
	}
}

func TestLongTokensAreClippedInMessages(t *testing.T) {
	_, problems := Build([]Source{{Name: "example.com.", Text: preamble + "a " + strings.Repeat("é", 5000) + " x\n"}})
	if len(problems) != 1 || len(problems[0].Message) > 300 || !strings.Contains(problems[0].Message, "…") {
		t.Errorf("%v", problems)
	}
}
