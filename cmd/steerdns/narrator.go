package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/steerdns/steerdns/admin"
	"github.com/steerdns/steerdns/regions"
)

// narrator tells a person what happens in the demo, one line an event.
type narrator struct {
	program     string // how this program is called in lines to copy
	controlFlag string // " --control ..." when the demo's control is not at its default

	mu  sync.Mutex
	out io.Writer
}

func newNarrator(out io.Writer, control string) *narrator {
	n := &narrator{program: programName(), out: out}
	if control != demoControl {
		n.controlFlag = " --control " + control
	}
	return n
}

// programName is what to type to run this program once more.
func programName() string {
	if exe, err := os.Executable(); err == nil && strings.Contains(exe, "go-build") {
		return "go run ./cmd/steerdns"
	}
	return os.Args[0]
}

func (n *narrator) say(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintf(n.out, "%s  %s\n", time.Now().Format("15:04:05.000"), fmt.Sprintf(format, args...))
}

// introduce prints who runs where, what to dig and how to break things.
func (n *narrator) introduce(p demoPlan, c *crew) {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := tabwriter.NewWriter(n.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nINSTANCE\tREGION\tDNS\tADMIN\tPID")
	for _, in := range p.instances {
		fmt.Fprintf(t, "%s\t%s\t%s\thttp://%s\t%d\n", in.Name, in.Region, in.DNS, in.Admin, c.pid(in.Name))
	}
	fmt.Fprintln(t, "\nBACKEND\tREGION\tADDRESSES\tPID")
	for _, b := range p.backends {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\n", b.Name, b.Region, strings.Join(b.Addresses, " "), c.pid(b.Name))
	}
	fmt.Fprintf(t, "etcd\t-\t%s\t%d\n", p.etcd, c.pid("etcd"))
	_ = t.Flush() // a terminal that is gone ends the demo by itself
	n.suggest(p, c)
}

func (n *narrator) suggest(p demoPlan, c *crew) {
	ask := func(i int) string {
		host, port, _ := strings.Cut(p.instances[i].DNS, ":")
		return fmt.Sprintf("dig @%s -p %s +noall +answer %s", host, port, demoService)
	}
	adminFlag := "--admin " + p.instances[0].Admin
	fmt.Fprintf(n.out, `
Ask it (any instance answers alike; in this demo documentation prefixes stand for cities):
  %s A    +subnet=192.0.2.0/24         # from London
  %s A    +subnet=198.51.100.0/24      # from Virginia
  %s A    +subnet=203.0.113.0/24       # from Tokyo
  %s A    -b 127.0.21.1                # from Oregon, by source address
  %s AAAA +subnet=2001:db8:10::/48     # from London, IPv6
  %s A    +tcp +subnet=YOUR.IP/24      # from where you are
  %s explain %s --from 192.0.2.7 %s
`, ask(0), ask(2), ask(4), ask(3), ask(5), ask(1), n.program, demoService, adminFlag)
	eu := p.backends[4:6]
	fmt.Fprintf(n.out, `
Break it:
  kill %d %d                        # both backends of eu-west: the region leaves the answers
  %s demo start %s %s%s    # bring them back
  kill -STOP %d %d                  # hang them instead; kill -CONT brings them back
  kill -9 %d                            # an instance: the others answer on
  kill -9 %d                            # etcd: the last state stands
  %s drain region us-west --reason drill --for 2m %s
  %s status %s

Ctrl-C ends everything. From here on, every verdict that changes:
`, c.pid(eu[0].Name), c.pid(eu[1].Name), n.program, eu[0].Name, eu[1].Name, n.controlFlag,
		c.pid(eu[0].Name), c.pid(eu[1].Name), c.pid(p.instances[5].Name), c.pid("etcd"), n.program, adminFlag, n.program, adminFlag)
}

// follow tells verdicts as they change, until ctx ends.
func (n *narrator) follow(ctx context.Context, p demoPlan) {
	tick := time.NewTicker(150 * time.Millisecond)
	defer tick.Stop()
	var seen map[string]string
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s, ok := anyStatus(ctx, p)
		if !ok {
			continue
		}
		now := stories(s)
		for _, key := range changedKeys(seen, now) {
			n.say("%s %s", key, strings.Replace(now[key], "|", "; ", 1))
		}
		seen = now
	}
}

// anyStatus asks the instances in turn until one answers.
func anyStatus(ctx context.Context, p demoPlan) (admin.Status, bool) {
	for _, in := range p.instances {
		ask, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		s, err := admin.NewClient(in.Admin).Status(ask)
		cancel()
		if err == nil {
			return s, true
		}
	}
	return admin.Status{}, false
}

// stories is what there is to tell of each thing: its verdict and reason.
func stories(s admin.Status) map[string]string {
	out := map[string]string{}
	for _, r := range s.Regions {
		out["region "+r.Name] = verdictWords(r.Verdict)
	}
	for _, e := range s.Endpoints {
		out["endpoint "+e.ID] = verdictWords(e.Verdict)
	}
	out["store"] = "is connected"
	if !s.Store.Connected {
		out["store"] = "is away: the last state stands (" + s.Store.Reason + ")"
	}
	return out
}

func verdictWords(v regions.Verdict) string {
	if o := v.Drained; o != nil {
		return fmt.Sprintf("is drained by %s until %s: %s", o.Owner, o.Expires.Local().Format(time.TimeOnly), o.Reason)
	}
	words := "is " + v.State.String()
	why := strings.TrimPrefix(v.Why(), v.State.String()+": ")
	for _, f := range []struct {
		on   bool
		word string
	}{
		{v.Pinned != nil, ", but pinned up"}, {v.Held, ", but held in the answers by the brake"}, {v.Demoted, ", demoted to the end"},
		{v.Lacks != "", ", but lacks " + v.Lacks}, {v.Waiting, ", but waits before it comes back"}, {v.Ramp > 0, fmt.Sprintf(", coming back: step %d of %d", v.Ramp, regions.RampSteps)},
	} {
		if f.on {
			words += f.word
		}
	}
	return words + "|" + why
}

// changedKeys lists what reads differently, regions first. A reason alone is
// no news.
func changedKeys(before, now map[string]string) []string {
	if before == nil {
		return nil
	}
	var keys []string
	for key, words := range now {
		was, _, _ := strings.Cut(before[key], "|")
		is, _, _ := strings.Cut(words, "|")
		if was != is {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b string) int { return strings.Compare(b, a) })
	return keys
}
