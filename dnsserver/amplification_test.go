package dnsserver

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// richZone has every type that our metrics tell apart, as operators have them.
const richZone = zoneText + `
@      300 IN TXT "google-site-verification=0123456789012345678901234567890123456789012"
@      3600 IN CAA 0 issue "ca.example.net"
@      3600 IN CAA 0 iodef "mailto:security@example.com"
@      3600 IN SSHFP 4 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
@      3600 IN MX 20 mail2
mail2  3600 IN AAAA 2001:db8::25
host   3600 IN HINFO "PC" "UNIX"
ptr    3600 IN PTR host
naptr  3600 IN NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .
_443._tcp 3600 IN TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
_ftp._tcp 3600 IN URI 10 1 "ftp://ftp.example.com/public"
dkim._domainkey 3600 IN TXT "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789AQAB"
svcb   3600 IN SVCB 1 mail alpn=h2
`

// amplified is the worst query of one type: how much comes back for it.
type amplified struct {
	qtype, name string
	in, out     int
}

func (a amplified) factor() float64 { return float64(a.out) / float64(a.in) }

func (a amplified) row() string {
	return fmt.Sprintf("| %s | `%s` | %d | %d | %.1f |", a.qtype, a.name, a.in, a.out, a.factor())
}

// amplification asks every name for every type, with EDNS and without, and
// keeps the worst of each type.
func amplification(t *testing.T) (worst []amplified) {
	r := NewResponder(Options{Instance: "lon-1"})
	r.Publish(compileView(testWorld(nil), testZones(t, richZone, steered), fakeAtlas{}, nil))
	c := r.NewCounters(false)
	names := []string{"example.com", "a.wild.example.com", "missing.example.com", "deep.sub.example.com", "x.tree.example.com", "example.org"}
	for line := range strings.Lines(richZone) {
		if f := strings.Fields(line); len(f) > 0 && f[0] != "@" && !strings.HasPrefix(f[0], "*") {
			names = append(names, f[0]+".example.com")
		}
	}
	for _, s := range steered {
		names = append(names, strings.TrimSuffix(s.Name, "."))
	}
	for _, qtype := range append(slices.Sorted(slices.Values(typeOrder[1:])), "TYPE4711") {
		w := amplified{qtype: qtype}
		for _, name := range names {
			for _, edns := range []string{"", " +edns", " +nsid"} {
				pkt, tr := query(t, name+" "+qtype+edns)
				a := amplified{qtype, name, len(pkt), len(r.Respond(nil, pkt, london, tr, c))}
				if w.in == 0 || a.factor() > w.factor() {
					w = a
				}
			}
		}
		worst = append(worst, w)
	}
	return worst
}

// TestAmplification holds what is answered to the table of the manual, and ANY
// to no more than the worst of the others.
func TestAmplification(t *testing.T) {
	manual, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	worst := amplification(t)
	most := slices.MaxFunc(worst, func(a, b amplified) int { return int(1000 * (a.factor() - b.factor())) })
	for _, w := range worst {
		t.Log(w.row())
		if told := toldFactor(t, string(manual), w.qtype); w.factor() > told*1.5 {
			t.Errorf("docs/protocol.md says %.1f; put this row there:\n%s", told, w.row())
		}
		if w.qtype == "ANY" && w.factor() > most.factor() {
			t.Errorf("ANY is the worst of all")
		}
	}
}

// TestAmplificationIsBounded: whatever a zone has, a reply over UDP is at most
// 1232 octets, and 512 without EDNS.
func TestAmplificationIsBounded(t *testing.T) {
	var text strings.Builder
	text.WriteString(zoneText)
	for i := range 200 {
		fmt.Fprintf(&text, "many 300 IN TXT \"%0200d\"\n", i)
	}
	r := NewResponder(Options{})
	r.Publish(compileView(testWorld(nil), testZones(t, text.String(), steered), fakeAtlas{}, nil))
	c := r.NewCounters(false)
	for line, most := range map[string]int{"many.example.com TXT": 512, "many.example.com TXT +bufsize=65535": 1232, "many.example.com ANY +bufsize=65535": 1232} {
		m := ask(t, r, c, line)
		pkt, tr := query(t, line)
		if raw := r.Respond(nil, pkt, london, tr, c); len(raw) > most || m.Rcode != dns.RcodeSuccess || !m.Truncated {
			t.Errorf("%s: %d octets\n%v", line, len(raw), m)
		}
	}
}

// toldFactor is what the manual's table says of a type.
func toldFactor(t *testing.T, manual, qtype string) (factor float64) {
	_, row, found := strings.Cut(manual, "\n| "+qtype+" | `")
	row, _, _ = strings.Cut(row, "\n")
	cells := strings.Split(row, "|")
	if _, err := fmt.Sscan(cells[len(cells)-2], &factor); !found || err != nil {
		t.Fatalf("docs/protocol.md has no row for %s: %v", qtype, err)
	}
	return factor
}
