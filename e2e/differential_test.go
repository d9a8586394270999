//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// How much TestDifferential compares: zones in all (STEERDNS_ZONES), and how
// many of them one run of the servers holds.
const (
	differentialZones     = 150
	zonesPerRun           = 150
	questionsPerZone      = 50
	differentialSeed      = 3
	unexplainedShown      = 20
	transitiveAliasesMost = 40 // aliases that resume follows
)

// TestDifferential asks generated zones of our server, of NSD and of Knot, and
// compares rcode, flags and sections, TTLs included. What differs must be one of
// the known differences, each of which docs/differences.md explains.
func TestDifferential(t *testing.T) {
	total := environment(t, "STEERDNS_ZONES", differentialZones)
	seed := environment(t, "STEERDNS_SEED", differentialSeed)
	wantExplained(t)
	sum := totals{classes: map[string]int{}}
	for run := 0; run*zonesPerRun < total; run++ {
		t.Run(fmt.Sprintf("zones from %d", run*zonesPerRun), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(uint64(seed), uint64(run)))
			zones := drawZones(rnd, run, min(zonesPerRun, total-run*zonesPerRun))
			sum.compare(t, zones, serveAll(t, zones))
		})
	}
	t.Log(sum.String())
	if !t.Failed() && sum.questions < total*questionsPerZone {
		t.Errorf("only %d questions were asked", sum.questions)
	}
}

// wantExplained wants every known difference in the documentation.
func wantExplained(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("../docs/differences.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range knownDifferences {
		if !strings.Contains(string(text), "| `"+k.name+"` |") {
			t.Errorf("docs/differences.md does not explain %s", k.name)
		}
	}
}

func environment(t *testing.T, key string, otherwise int) int {
	t.Helper()
	text := os.Getenv(key)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is not a number above 0", key, text)
	}
	return n
}

// totals counts what was compared.
type totals struct {
	zones, questions, same, unexplained int
	classes                             map[string]int
}

func (s *totals) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d zones, %d questions, each put to both peers: %d answers the same, %d unexplained", s.zones, s.questions, s.same, s.unexplained)
	for _, class := range slices.Sorted(maps.Keys(s.classes)) {
		fmt.Fprintf(&out, "\n%8d %s", s.classes[class], class)
	}
	return out.String()
}

func (s *totals) compare(t *testing.T, zones []*drawn, peers []peer) {
	t.Helper()
	askers := make([]*asker, len(peers))
	for i, p := range peers {
		a, err := newAsker(p)
		if err != nil {
			t.Fatal(err)
		}
		defer a.udp.Close()
		askers[i] = a
	}
	for _, z := range zones {
		s.zones++
		for _, q := range z.questions(questionsPerZone) {
			s.question(t, zones, z, q, askers)
		}
	}
}

// question compares our answer with each peer's.
func (s *totals) question(t *testing.T, zones []*drawn, z *drawn, q inquiry, askers []*asker) {
	t.Helper()
	s.questions++
	qtype := typeOf(q.qtype)
	ours, err := askers[0].ask(q.name, qtype)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range askers[1:] {
		theirs, err := a.ask(q.name, qtype)
		if err != nil {
			t.Fatal(err)
		}
		c := &comparison{q: q, qtype: qtype, zones: zones, us: askers[0], peer: a, ours: faceOf(ours), theirs: faceOf(theirs)}
		if c.same() {
			s.same++
			continue
		}
		if names := c.explain(); len(names) > 0 && c.ours.twice == "" && c.same() {
			for _, name := range names {
				s.classes[name]++
			}
			continue
		}
		if s.unexplained++; s.unexplained <= unexplainedShown {
			t.Errorf("%v: unexplained beside %s: %s\nours:\n%v\ntheirs:\n%v\nzone:\n%s", q, a.name, c.difference(), ours, theirs, z.text())
		} else {
			t.Fail()
		}
	}
}

func typeOf(name string) uint16 {
	if n, ok := dns.StringToType[name]; ok {
		return n
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(name, "TYPE"), 10, 16)
	if err != nil {
		panic(err)
	}
	return uint16(n)
}

func packs(name string) bool {
	_, err := dns.PackDomainName(name, make([]byte, 256), 0, nil, false)
	return err == nil
}
