package transfer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"github.com/steerdns/steerdns/dnsserver/zone"
	"github.com/steerdns/steerdns/regions"
)

func mustContent(t testing.TB, set *zone.Set, w *regions.World, counted bool) *content {
	t.Helper()
	c, err := newContent(set.Zones()[0], w, counted, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lines is the records of a content as text.
func lines(t testing.TB, c *content) []string {
	t.Helper()
	var out []string
	if err := c.records(func(b []byte) error {
		rr, _, err := dns.UnpackRR(b, 0)
		if err == nil {
			out = append(out, strings.ReplaceAll(rr.String(), "\t", " "))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// A steered name is exported as the union of what all variants get, at the lower
// TTL, with what else the name and the zone hold, occluded data and glue too.
func TestWhatIsExported(t *testing.T) {
	set := buildZone(t, 7, true, "www TXT x\nsub NS ns.sub\nns.sub A 192.0.2.9\n*.w MX 10 mail\n")
	got := lines(t, mustContent(t, set, world(1), true))
	want := []string{
		"example.com. 300 IN NS ns.example.com.",
		"ns.example.com. 300 IN A 192.0.2.53",
		"sub.example.com. 300 IN NS ns.sub.example.com.",
		"ns.sub.example.com. 300 IN A 192.0.2.9",
		"*.w.example.com. 300 IN MX 10 mail.example.com.",
		`www.example.com. 300 IN TXT "x"`,
		"www.example.com. 5 IN A 198.51.100.1",
		"www.example.com. 5 IN A 203.0.113.1",
		"www.example.com. 5 IN A 203.0.113.2",
		"www.example.com. 5 IN AAAA 2001:db8::1",
		`www.example.com. 5 IN HTTPS 1 . alpn="h2" ipv4hint="198.51.100.1,203.0.113.1,203.0.113.2" ipv6hint="2001:db8::1"`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAllDown(t *testing.T) {
	drained := &regions.Override{Owner: "ann", Reason: "drill"}
	for name, c := range map[string]struct {
		change func(*regions.World)
		want   []string
	}{
		"fail open": {func(*regions.World) {}, []string{"198.51.100.1", "198.51.100.2", "203.0.113.1", "203.0.113.2"}},
		"servfail": {func(w *regions.World) {
			w.Topology.Services[0].AllDown = regions.ServFail
			w.Endpoints[0][2].Drained = drained
		}, []string{"198.51.100.1", "198.51.100.2", "203.0.113.2"}},
		"nodata": {func(w *regions.World) { w.Topology.Services[0].AllDown = regions.NoData }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := world(0, 1, 2, 3, 4)
			c.change(w)
			var got []string
			for _, line := range lines(t, mustContent(t, buildZone(t, 7, true, ""), w, true)) {
				if rest, ok := strings.CutPrefix(line, "www.example.com. 5 IN A "); ok {
					got = append(got, rest)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// Two instances that see the same make the same digest; whoever sees something
// else, in the zone or in the world, does not. The serial is not content.
func TestDigests(t *testing.T) {
	digest := func(serial uint32, text string, down ...int) string {
		return mustContent(t, buildZone(t, serial, true, text), world(down...), true).digest
	}
	one := digest(7, "x TXT a\ny TXT b\n")
	if other := digest(8, "y TXT b\nx TXT a\n"); other != one {
		t.Error("the same records in another order and under another serial are another content")
	}
	for name, other := range map[string]string{
		"record": digest(7, "x TXT a\ny TXT c\n"), "less": digest(7, "x TXT a\n"), "world": digest(7, "x TXT a\ny TXT b\n", 2),
	} {
		if other == one {
			t.Errorf("%s: another content has the same digest", name)
		}
	}
}

// drawZone draws a zone, often near another one.
func drawZone(t *rapid.T, label string) string {
	var b strings.Builder
	for i := range 12 {
		for n := range rapid.IntRange(0, 2).Draw(t, fmt.Sprint(label, i)) {
			fmt.Fprintf(&b, "h%d TXT \"%d %d\"\n", i, n, rapid.IntRange(0, 1).Draw(t, "text"))
		}
	}
	return b.String()
}

// What a delta says, done to the old version, gives the new one, and it says
// nothing that need not be done.
func TestDeltasLeadFromOneVersionToTheNext(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		downs := func(label string) []int {
			return rapid.SliceOfNDistinct(rapid.IntRange(0, 4), 0, 3, rapid.ID[int]).Draw(rt, label)
		}
		a := mustContent(t, buildZone(t, 1, true, drawZone(rt, "a")), world(downs("down a")...), true)
		b := mustContent(t, buildZone(t, 2, true, drawZone(rt, "b")), world(downs("down b")...), true)
		d, err := diff(a, b)
		if err != nil {
			rt.Fatal(err)
		}
		have := contentOf(t, a)
		for _, rr := range d.removed {
			if !have[string(rr)] {
				rt.Fatalf("removes %x, which is not there", rr)
			}
			delete(have, string(rr))
		}
		for _, rr := range d.added {
			if have[string(rr)] {
				rt.Fatalf("adds %x, which is there", rr)
			}
			have[string(rr)] = true
		}
		if !maps.Equal(have, contentOf(t, b)) {
			rt.Fatal("the delta leads somewhere else")
		}
	})
}

func TestJournalIsBounded(t *testing.T) {
	var v *version
	for serial := uint32(1); serial <= 2*maxSteps; serial++ {
		var err error
		if v, err = newVersion(mustContent(t, buildZone(t, serial, false, fmt.Sprintf("x TXT \"%d\"\n", serial)), nil, false), serial, v); err != nil {
			t.Fatal(err)
		}
	}
	if len(v.steps) != maxSteps {
		t.Errorf("%d steps, want %d", len(v.steps), maxSteps)
	}
	if steps, ok := v.since(maxSteps); !ok || len(steps) != maxSteps {
		t.Errorf("the oldest step is not known: %d, %v", len(steps), ok)
	}
	if _, ok := v.since(maxSteps - 1); ok {
		t.Error("a version that was dropped is known")
	}
	big := &version{steps: []*delta{{size: maxJournal}, {size: 1}, {size: maxJournal - 1}}}
	if got := trim(big.steps); len(got) != 2 {
		t.Errorf("%d steps of too many octets are kept", len(got))
	}
}

// A reload that changes nothing keeps the journal; one that changes the content
// under the same serial cannot.
func TestSameSerial(t *testing.T) {
	text := func(serial uint32, s string) *content {
		return mustContent(t, buildZone(t, serial, false, "x TXT "+s+"\n"), nil, false)
	}
	one, _ := newVersion(text(1, "a"), 1, nil)
	two, _ := newVersion(text(2, "b"), 2, one)
	again, _ := newVersion(text(2, "b"), 2, two)
	if len(two.steps) != 1 || len(again.steps) != 1 {
		t.Errorf("%d steps, and %d after a reload of the same", len(two.steps), len(again.steps))
	}
	if other, _ := newVersion(text(2, "c"), 2, two); len(other.steps) != 0 {
		t.Error("a journal goes on although its last version never was")
	}
	if back, _ := newVersion(text(1, "a"), 1, two); len(back.steps) != 0 {
		t.Error("a journal goes backwards")
	}
}

// Owners shorten only at label boundaries, whatever octets the labels hold.
func TestRelative(t *testing.T) {
	zoneName := []byte("\x07example\x03com\x00")
	for owner, want := range map[string]string{
		"\x07example\x03com\x00":            "",
		"\x01x\x07example\x03com\x00":       "\x01x",
		"\x09y\x07example\x03com\x00":       "whole", // the label ends in what looks like the apex
		"\x03org\x00":                       "whole",
		"\x02ab\x01x\x07example\x03com\x00": "\x02ab\x01x",
	} {
		front, rest, whole := relative([]byte(owner+"rest"), zoneName)
		if whole {
			if want != "whole" || string(front) != owner {
				t.Errorf("%q: %q as a whole", owner, front)
			}
		} else if string(front) != want {
			t.Errorf("%q: %q, want %q", owner, front, want)
		}
		if string(rest) != "rest" {
			t.Errorf("%q: rest %q", owner, rest)
		}
	}
}

func TestSerialArithmetic(t *testing.T) {
	for _, c := range []struct {
		a, b uint32
		want bool
	}{{1, 2, true}, {2, 1, false}, {1, 1, false}, {1<<32 - 1, 0, true}, {0, 1<<32 - 1, false}, {0, 1<<31 - 1, true}, {1795546821, 2026112401, true}} {
		if got := less(c.a, c.b); got != c.want {
			t.Errorf("less(%d, %d) is %v", c.a, c.b, got)
		}
	}
}
