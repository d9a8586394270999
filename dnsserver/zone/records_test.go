package zone

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestRecordsComeInCanonicalOrder holds the example of RFC 4034 section 6.1.
func TestRecordsComeInCanonicalOrder(t *testing.T) {
	set := build(t, preamble+`
z TXT x
yljkjljk.a TXT x
\200 TXT x
a TXT x
*.z TXT x
Z.a TXT x
zABC.a TXT x
\001.z TXT x
`)
	var got []string
	for rr := range set.Zones()[0].Records() {
		if name := strings.TrimSuffix(rr.Header().Name, "example.com."); name != "" {
			got = append(got, name)
		}
	}
	want := []string{"a.", "yljkjljk.a.", "z.a.", "zabc.a.", "z.", `\001.z.`, "*.z.", `\200.`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRecordsOfAZoneHoldWhatAnotherHides: a transfer of the outer zone needs the
// delegation, its DS and its glue, though the inner zone answers there.
func TestRecordsOfAZoneHoldWhatAnotherHides(t *testing.T) {
	set, problems := Build([]Source{
		{Name: "example.com.", Text: preamble + "in NS ns.in\nns.in A 192.0.2.1\n", File: "a", NS: nil},
		{Name: "in.example.com.", Text: "$TTL 300\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.2\n", File: "b"},
	})
	if set == nil {
		t.Fatal(problems)
	}
	for i, want := range []string{
		"example.com. NS, example.com. SOA, in.example.com. NS, ns.in.example.com. A 192.0.2.1",
		"in.example.com. NS, in.example.com. SOA, ns.in.example.com. A 192.0.2.2",
	} {
		var got []string
		for rr := range set.Zones()[i].Records() {
			fields := strings.Fields(rr.String())
			line := fields[0] + " " + fields[3]
			if fields[3] == "A" {
				line += " " + fields[4]
			}
			got = append(got, line)
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("zone %d: got %s\nwant %s", i, s, want)
		}
	}
}

func TestNodesYieldEveryName(t *testing.T) {
	set := build(t, preamble+"a.b.c TXT x\n*.w A 192.0.2.1\n")
	var got []string
	for n := range set.Zones()[0].Nodes() {
		got = append(got, fmt.Sprint(n))
	}
	if want := []string{"example.com.", "c.example.com.", "b.c.example.com.", "a.b.c.example.com.", "w.example.com.", "*.w.example.com."}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
