//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var digCookie = regexp.MustCompile(`; COOKIE: ([0-9a-f]+) \((\w+)\)`)

// digFor asks with a cookie ("" lets dig make one up) and returns the cookie
// of the reply and what dig thinks of it.
func (l *lone) digFor(t *testing.T, cookie string) (got, verdict string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(l.DNS)
	flag := "+cookie"
	if cookie != "" {
		flag += "=" + cookie
	}
	out := command(t, "dig", "@"+host, "-p", port, "+norec", "+nobadcookie", "+comments", flag, "ns1.gslb.example.com").must(t)
	m := digCookie.FindStringSubmatch(out)
	if m == nil || !strings.Contains(out, "status: NOERROR") {
		t.Fatalf("no cookie in\n%s", out)
	}
	return m[1], m[2]
}

// A cookie that one instance gave is returned by the other as it is, which
// only happens to valid ones; and again after the secret was rolled over.
func TestCookieOfOneInstanceHoldsOnAnother(t *testing.T) {
	const older, newer = "e5e973e5a6b2a43f48e7dc849e37bfcf\n", "445536bcd2513298075a5d379663c962\n"
	secrets := write(t, t.TempDir(), "cookies", older)
	if err := os.Chmod(secrets, 0o600); err != nil {
		t.Fatal(err)
	}
	var two []*lone
	var said []*process
	for range 2 {
		l := loneInstance(t, write(t, t.TempDir(), "fleet.yaml", oneFleet), embedded(t), "")
		l.setDNS(t, "cookies: {secrets_file: "+secrets+"}")
		p := l.serve(t)
		l.awaitReady(t, p)
		two, said = append(two, l), append(said, p)
	}
	first, verdict := two[0].digFor(t, "")
	if len(first) != 48 || verdict != "good" {
		t.Fatalf("the first cookie is %s (%s)", first, verdict)
	}
	if second, _ := two[1].digFor(t, first); second != first {
		t.Fatalf("the other instance does not know %s and gives %s", first, second)
	}
	for step, text := range []string{older + newer, newer + older} {
		write(t, filepath.Dir(secrets), filepath.Base(secrets), text)
		for _, p := range said {
			await(t, patience, "the secrets are replaced", func() error { return p.saidTimes("cookie secrets replaced", step+1) })
		}
	}
	third, _ := two[0].digFor(t, first)
	if third == first {
		t.Error("the new secret signs nothing")
	}
	if fourth, _ := two[1].digFor(t, third); fourth != third {
		t.Errorf("the other instance does not know %s and gives %s", third, fourth)
	}
	if other, _ := two[1].digFor(t, first); other == first {
		t.Error("a cookie of the old secret was not renewed")
	}
	status, metrics, err := get(two[1].Admin, "/metrics")
	if err != nil || status != 200 || !strings.Contains(metrics, `steerdns_dns_cookies_total{state="valid"} 3`) {
		t.Errorf("%v, metrics of the second instance:\n%s", err, linesWith(metrics, "cookies_total"))
	}
}

// setDNS adds a line to the table dns of the instance file.
func (l *lone) setDNS(t *testing.T, line string) {
	t.Helper()
	text, err := os.ReadFile(l.config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, l.dir, "lone.yaml", strings.Replace(string(text), "dns:\n", "dns:\n  "+line+"\n", 1))
}

// saidTimes wants something said so many times.
func (p *process) saidTimes(what string, times int) error {
	if n := strings.Count(p.said.String(), what); n != times {
		return fmt.Errorf("said %d times", n)
	}
	return nil
}

// linesWith is the lines of a text that have a word.
func linesWith(text, word string) (out string) {
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			out += line
		}
	}
	return out
}
