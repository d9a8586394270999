package dnsserver

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

var update = flag.Bool("update", false, "write what the server answers into testdata/*.txt")

// TestScripts asks the questions in testdata/*.txt. A line "> NAME TYPE ..."
// asks (see query), "world WORDS" changes the world, lines with # are
// comments, and all others are the reply that is expected.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) { runScript(t, f) })
	}
}

func runScript(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, c := testResponder(t, testWorld(nil))
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "#"):
			out.WriteString("\n" + line)
		case strings.HasPrefix(line, "world "):
			out.WriteString("\n" + line)
			r, c = testResponder(t, testWorld(func(w *regions.World) { editWorld(t, w, strings.Fields(line)[1:]) }))
		case strings.HasPrefix(line, "> "):
			out.WriteString("\n" + line)
			pkt, tr := query(t, line[2:])
			out.WriteString(digest(t, r.Respond(nil, pkt, london, tr, c)))
		}
	}
	got := strings.TrimLeft(out.String(), "\n")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	diff(t, string(text), got)
}

func diff(t *testing.T, want, got string) {
	t.Helper()
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	question := ""
	for i := range max(len(w), len(g)) {
		if i < len(w) && strings.HasPrefix(w[i], "> ") {
			question = w[i]
		}
		if i >= len(w) || i >= len(g) || w[i] != g[i] {
			t.Fatalf("line %d, after %q:\nwant %q\ngot  %q", i+1, question, at(w, i), at(g, i))
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(end)"
}

func editWorld(t *testing.T, w *regions.World, words []string) {
	switch words[0] {
	case "cold":
		w.Ready = false
	case "down":
		for i := range w.Regions {
			if w.Topology.Regions[i].Name == words[1] {
				w.Regions[i].State = healthcheck.Down
			}
		}
	case "store-lost":
		w.StoreLost = true
	case "all-down":
		for i := range w.Topology.Services {
			serviceDown(w, i, 0, 1, 2)
		}
	default:
		t.Fatalf("world %q", words)
	}
}

// digest writes a reply as dig would, without what never changes.
func digest(t *testing.T, reply []byte) string {
	t.Helper()
	if reply == nil {
		return "no reply\n"
	}
	m := new(dns.Msg)
	if err := m.Unpack(reply); err != nil {
		t.Fatalf("%v in %x", err, reply)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s", dns.RcodeToString[m.Rcode])
	for _, f := range []struct {
		name string
		set  bool
	}{{"aa", m.Authoritative}, {"tc", m.Truncated}, {"rd", m.RecursionDesired}, {"ra", m.RecursionAvailable}} {
		if f.set {
			b.WriteString(" " + f.name)
		}
	}
	if o := m.IsEdns0(); o != nil {
		fmt.Fprintf(&b, " edns/%d", o.UDPSize())
		if o.Do() {
			b.WriteString(" do")
		}
		for _, opt := range o.Option {
			fmt.Fprintf(&b, " %T=%v", opt, opt)
		}
	}
	b.WriteString("\n")
	for _, s := range []struct {
		name string
		rrs  []dns.RR
	}{{"answer", m.Answer}, {"authority", m.Ns}, {"additional", m.Extra}} {
		for _, rr := range s.rrs {
			if rr.Header().Rrtype != dns.TypeOPT {
				fmt.Fprintf(&b, "  %-10s %s\n", s.name, strings.ReplaceAll(rr.String(), "\t", " "))
			}
		}
	}
	return strings.ReplaceAll(b.String(), "*dns.EDNS0_", "")
}
