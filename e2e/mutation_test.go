//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/steerdns/steerdns/admin"
)

const (
	mutations    = 200
	leastRefused = 150
)

// position is how a problem begins: file:line:col: path: problem.
var position = regexp.MustCompile(`fleet\.yaml:[1-9]\d*:[1-9]\d*: `)

var noise = strings.Split("{ } [ ] & * ! | > ' \" % @ ` , : ? \x00 \xff", " ")

// The ways in which people break a fleet file.
var mutate = []struct {
	name string
	do   func(random *rand.Rand, lines []string, at int) bool // false: nothing to break at that line
}{
	{"a key misspelt", func(_ *rand.Rand, l []string, i int) bool { return edit(l, i, `(\w)(\w*): `, "${1}x${2}: ") }},
	{"a bracket lost", func(_ *rand.Rand, l []string, i int) bool { return edit(l, i, `[\]}]\s*$`, "") }},
	{"a quote left open", func(_ *rand.Rand, l []string, i int) bool { return edit(l, i, `: (\S)`, `: "${1}`) }},
	{"a tab for indentation", func(_ *rand.Rand, l []string, i int) bool { return edit(l, i, `^  `, "\t") }},
	{"one space too few", func(_ *rand.Rand, l []string, i int) bool { return edit(l, i, `^ `, "") }},
	{"an octet too large", func(_ *rand.Rand, l []string, i int) bool { return edit(l, i, `(\d+\.\d+\.\d+)\.\d+`, "${1}.999") }},
	{"words for a number", func(_ *rand.Rand, l []string, i int) bool { return edit(l, i, `: -?\d[\w.%]*`, ": plenty") }},
	{"a number far out", func(_ *rand.Rand, l []string, i int) bool { return edit(l, i, `: (-?)\d[\d.]*`, ": ${1}99999999") }},
	{"a region nobody has", func(_ *rand.Rand, l []string, i int) bool { return edit(l, i, `us-west`, "us-wset") }},
	{"a key twice", func(_ *rand.Rand, l []string, i int) bool {
		return edit(l, i, `(?m)^(\s*)(\w+): (.+)$`, "${1}${2}: ${3}\n${1}${2}: ${3}")
	}},
	{"a list for a word", func(_ *rand.Rand, l []string, i int) bool { return edit(l, i, `: ([\w./-]+)$`, ": [${1}, {${1}: 1}]") }},
	{"noise", func(random *rand.Rand, l []string, i int) bool {
		at := random.IntN(len(l[i]) + 1)
		l[i] = l[i][:at] + noise[random.IntN(len(noise))] + l[i][at:]
		return true
	}},
}

// edit replaces the first match in a line.
func edit(lines []string, i int, pattern, with string) bool {
	re := regexp.MustCompile(pattern)
	m := re.FindStringSubmatchIndex(lines[i])
	if m == nil || strings.HasPrefix(strings.TrimSpace(lines[i]), "#") {
		return false
	}
	lines[i] = lines[i][:m[0]] + string(re.ExpandString(nil, with, lines[i], m)) + lines[i][m[1]:]
	return true
}

// mutant is the nth broken file and how it was broken.
func mutant(original string, n int) (text, how string) {
	random := rand.New(rand.NewPCG(2, uint64(n)))
	for {
		lines := strings.Split(original, "\n")
		m, at := mutate[random.IntN(len(mutate))], random.IntN(len(lines))
		if m.do(random, lines, at) {
			if text := strings.Join(lines, "\n"); text != original {
				return text, fmt.Sprintf("%s in line %d: %q", m.name, at+1, lines[at])
			}
		}
	}
}

// tally counts what became of mutants.
type tally struct{ refused, accepted int }

func (c tally) check(t *testing.T, all int) {
	t.Helper()
	t.Logf("%d mutants: %d refused with a position, %d still valid", all, c.refused, c.accepted)
	if want := all * leastRefused / mutations; c.refused < want {
		t.Errorf("%d refused, want at least %d: the mutations are too mild", c.refused, want)
	}
}

// exampleFleet is the example with loopback addresses, so that nothing is
// probed outside of this machine.
func exampleFleet(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../deploy/example/fleet.yaml")
	if err != nil {
		t.Fatal(err)
	}
	probed := regexp.MustCompile(`"(2001:db8:\d::10)"`).ReplaceAllString(string(text), `{address: "$1", probe: 127.0.0.1}`)
	return strings.NewReplacer("192.0.2.", "127.0.2.", "198.51.100.", "127.0.51.", "203.0.113.", "127.0.113.").Replace(probed)
}

// Broken files never get into the store, whether the verb looks at them first
// or not.
func TestBrokenFleetFilesAreNotApplied(t *testing.T) {
	original := exampleFleet(t)
	l := loneInstance(t, "etcd", embedded(t), "")
	l.inRegion(t, "us-east")
	p := l.serve(t)
	fleet := filepath.Join(l.dir, "fleet.yaml")
	l.applyAgain(t, p, fleet, original)
	var count tally
	for n := range mutations {
		text, how := mutant(original, n)
		before := l.inForce(t)
		write(t, l.dir, "fleet.yaml", text)
		message := l.applyBoth(t, fleet, text, n)
		if message == "" {
			count.accepted++
			t.Logf("still valid: %s", how)
			l.await(t, "the mutant is in force", func(now string) bool { return now != before })
			l.applyAgain(t, p, fleet, original)
			l.await(t, "the original is in force", func(now string) bool { return now == before })
			continue
		}
		count.refused++
		if !position.MatchString(message) {
			t.Errorf("%s: refused without a position: %s", how, message)
		}
		if after := l.inForce(t); after != before {
			t.Fatalf("%s: refused, and yet the configuration in force went from %s to %s", how, before, after)
		}
	}
	mustAsk(t, l.DNS, question{})
	count.check(t, mutations)
}

// applyBoth hands a file to the instance itself, and every other one to the
// verb as well. It returns the refusal. What is no UTF-8 goes to the verb only:
// JSON cannot carry it.
func (l *lone) applyBoth(t *testing.T, path, text string, n int) string {
	t.Helper()
	if !utf8.ValidString(text) {
		r := steerdns(t, "apply", path, "--admin", l.Admin)
		if r.status != 1 {
			t.Fatalf("the verb's status is %d for a file that is no UTF-8\n%s", r.status, r.errs)
		}
		return r.errs
	}
	_, err := admin.NewClient(l.Admin).Apply(context.Background(), admin.FleetRequest{File: path, Text: text, By: "e2e"})
	if n%2 == 1 {
		return message(err)
	}
	r := steerdns(t, "apply", path, "--admin", l.Admin)
	if (r.status == 0) != (err == nil) || r.status > 1 {
		t.Fatalf("the verb's status is %d, the instance says %v\n%s", r.status, err, r.errs)
	}
	if r.status != 0 && !position.MatchString(r.errs) {
		t.Errorf("the verb refuses without a position: %s", r.errs)
	}
	return message(err)
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// applyAgain puts the good file in force.
func (l *lone) applyAgain(t *testing.T, p *process, path, text string) {
	t.Helper()
	write(t, l.dir, "fleet.yaml", text)
	await(t, patience, "apply", func() error {
		if r := steerdns(t, "apply", path, "--admin", l.Admin); r.status != 0 {
			return fmt.Errorf("%s", r.errs)
		}
		return nil
	})
	l.awaitReady(t, p)
}

// await waits until the configuration in force is as wanted.
func (l *lone) await(t *testing.T, what string, ok func(string) bool) {
	t.Helper()
	await(t, patience, what, func() error {
		if now := l.inForce(t); !ok(now) {
			return fmt.Errorf("%s is", now)
		}
		return nil
	})
}

// inForce is the epoch without its middle, which verdicts change.
func (l *lone) inForce(t *testing.T) string {
	t.Helper()
	s, err := l.status()
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(s.Epoch, "-")
	if len(parts) != 3 {
		t.Fatalf("epoch %q", s.Epoch)
	}
	return parts[0] + "-" + parts[2]
}

// inRegion moves the instance to another region.
func (l *lone) inRegion(t *testing.T, region string) {
	t.Helper()
	text, err := os.ReadFile(l.config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, l.dir, "lone.yaml", strings.Replace(string(text), "region: home", "region: "+region, 1))
}

// The same by SIGHUP, for an instance that reads its own file.
func TestBrokenFleetFilesAreNotReloaded(t *testing.T) {
	original := exampleFleet(t)
	fleet := write(t, t.TempDir(), "fleet.yaml", original)
	l := loneInstance(t, fleet, embedded(t), "")
	l.inRegion(t, "us-east")
	p := l.serve(t)
	l.awaitReady(t, p)
	var count tally
	for n := range mutations {
		text, how := mutant(original, mutations+n)
		before, mark := l.inForce(t), len(p.said.String())
		if l.reload(t, p, fleet, text) {
			count.accepted++
			t.Logf("still valid: %s", how)
			l.await(t, "the mutant is in force", func(now string) bool { return now != before })
			l.reload(t, p, fleet, original)
			l.await(t, "the original is in force", func(now string) bool { return now == before })
			continue
		}
		count.refused++
		if news := p.said.String()[mark:]; !position.MatchString(news) || !strings.Contains(news, "refused") {
			t.Errorf("%s: refused without a position: %s", how, news)
		}
		if after := l.inForce(t); after != before {
			t.Fatalf("%s: refused, and yet the configuration in force went from %s to %s", how, before, after)
		}
	}
	mustAsk(t, l.DNS, question{})
	count.check(t, mutations)
}

// reload writes a file, sends SIGHUP and tells whether the file was accepted.
func (l *lone) reload(t *testing.T, p *process, path, text string) (accepted bool) {
	t.Helper()
	write(t, filepath.Dir(path), filepath.Base(path), text)
	mark := len(p.said.String())
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, 10*time.Second, "the reload", func() error {
		switch news := p.said.String()[mark:]; {
		case strings.Contains(news, "msg=reloaded"):
			accepted = true
		case !strings.Contains(news, "the fleet file was refused; the one before serves on"):
			return fmt.Errorf("the log says %q", news)
		}
		return nil
	})
	return accepted
}
