//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/steerdns/steerdns/admin"
	"github.com/steerdns/steerdns/regions"
)

// runs is how often each failover is measured.
func runs(t *testing.T) int {
	t.Helper()
	text := os.Getenv("STEERDNS_RUNS")
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("STEERDNS_RUNS=%q is not a positive number", text)
	}
	return n
}

// timing is the measured times of one event.
type timing struct {
	event string
	bound time.Duration
	took  []time.Duration
}

// busyMachine is what a shared machine may add before a time is called a failure:
// the table shows every time over its bound, and a defect costs seconds.
const busyMachine = time.Second

// record holds a time to the bound, and to what the machine may add.
func (x *timing) record(t *testing.T, took time.Duration) {
	t.Helper()
	x.took = append(x.took, took)
	if took > x.bound+busyMachine {
		t.Errorf("%s: the last old answer came %s after the event, far over the bound of %s", x.event, took.Round(time.Millisecond), x.bound)
	}
}

func table(list ...*timing) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-34s %5s %8s %8s %8s %8s\n", "eu-west", "runs", "median", "p95", "worst", "bound")
	for _, x := range list {
		s := slices.Sorted(slices.Values(x.took))
		if len(s) == 0 {
			continue
		}
		ms := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + " ms" }
		fmt.Fprintf(&b, "%-34s %5d %8s %8s %8s %8s\n", x.event, len(s), ms(s[len(s)/2]), ms(s[len(s)*95/100]), ms(s[len(s)-1]), ms(x.bound))
	}
	return b.String()
}

// london is near eu-west, which comes first in its answers.
var london = question{subnet: "192.0.2.0/24"}

// has tells whether an answer has an address of the region.
func (d *demo) has(region string) func(sample) bool {
	return func(s sample) bool {
		return slices.ContainsFunc(s.addrs, func(a string) bool { return d.regionOf(a) == region })
	}
}

func not(f func(sample) bool) func(sample) bool { return func(s sample) bool { return !f(s) } }

// measure lets something happen and times the last old answer of the last
// instance from then on. What is over before the next question, such as a
// return after a slow start of the backends, took one pause between two.
func (x *timing) measure(t *testing.T, p *prober, old func(sample) bool, event func()) {
	t.Helper()
	began := time.Now()
	event()
	last := p.last(t, began, old)
	if last.IsZero() {
		last = began.Add(probeEvery)
	}
	x.record(t, last.Sub(began))
}

func TestRegionLeavesAndReturns(t *testing.T) {
	d := wholeDemo(t)
	p := probe(t, d.Instances, london)
	in, web := d.has("eu-west"), []string{"eu-west-web-1", "eu-west-web-2"}
	killed, started := &timing{event: "both backends killed", bound: failBound()}, &timing{event: "both backends answer again", bound: returnBound()}
	stopped, continued := &timing{event: "both backends stopped (SIGSTOP)", bound: failBound()}, &timing{event: "both backends continued (SIGCONT)", bound: returnBound()}
	drained, undrained := &timing{event: "region drained", bound: spread()}, &timing{event: "region undrained", bound: spread()}
	for range runs(t) {
		killed.measure(t, p, in, func() { d.signal(t, syscall.SIGKILL, web...) })
		d.revive(t, web...)
		d.awaitBackends(t, web...)
		started.measure(t, p, not(in), func() {})
		d.awaitWhole(t)

		stopped.measure(t, p, in, func() { d.signal(t, syscall.SIGSTOP, web...) })
		continued.measure(t, p, not(in), func() { d.signal(t, syscall.SIGCONT, web...) })
		d.awaitWhole(t)

		drained.measure(t, p, in, func() { d.drain(t, "eu-west") })
		undrained.measure(t, p, not(in), func() { d.undrain(t, "eu-west") })
		d.awaitWhole(t)
	}
	p.stop()
	p.wantNoFailure(t)
	t.Logf("from the event to the last of six instances' last old answer:\n%s", table(killed, stopped, drained, started, continued, undrained))
}

// awaitBackends waits until backends accept connections.
func (d *demo) awaitBackends(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		address := d.find(t, name).Addresses[0] + ":" + d.backendPort(t)
		await(t, patience, name, func() error {
			_, _, err := get(address, "/healthz")
			return err
		})
	}
}

// backendPort is the one that the demo's fleet file probes.
func (d *demo) backendPort(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(d.Dir + "/fleet.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "type: http, port: ")
	port, _, _ := strings.Cut(after, ",")
	return port
}

func (d *demo) drain(t *testing.T, region string) {
	t.Helper()
	_, err := admin.NewClient(d.Instances[0].Admin).PutOverride(context.Background(), admin.OverrideRequest{
		Kind: regions.OverrideRegion, Name: region, Owner: "e2e", Reason: "drill", For: "10m",
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (d *demo) undrain(t *testing.T, region string) {
	t.Helper()
	if _, err := admin.NewClient(d.Instances[1].Admin).DeleteOverride(context.Background(), regions.OverrideRegion, region); err != nil {
		t.Fatal(err)
	}
}

// Losing an instance is no event for clients of the others: not when it
// dies, not when its votes run out, not when it comes back.
func TestOtherInstancesAnswerTheSame(t *testing.T) {
	d := wholeDemo(t)
	lost := d.find(t, "us-west-2")
	rest := slices.DeleteFunc(slices.Clone(d.Instances), func(in *part) bool { return in == lost })
	p := probe(t, rest, london, question{subnet: "198.51.100.0/24"}, question{subnet: "203.0.113.0/24"}, question{qtype: 28, subnet: "2001:db8:20::/48"})
	d.signal(t, syscall.SIGKILL, lost.Name)
	await(t, patience, "the lost instance's record leaves the store", func() error { return d.knows(len(d.Instances) - 1) })
	d.revive(t, lost.Name)
	d.awaitWhole(t)
	p.stop()
	p.wantNoFailure(t)
	p.wantOneAnswerEach(t)
}

// knows tells whether the first instance sees n instances.
func (d *demo) knows(n int) error {
	s, err := d.Instances[0].status()
	if err == nil && len(s.Instances) != n {
		err = fmt.Errorf("%d instances", len(s.Instances))
	}
	return err
}

// wantOneAnswerEach wants every instance to have answered a question with the
// same bytes all the time, and all instances alike.
func (p *prober) wantOneAnswerEach(t *testing.T) {
	t.Helper()
	first := map[int]sample{}
	for _, l := range p.lines {
		for _, s := range l.since(time.Time{}) {
			if _, ok := first[s.which]; !ok {
				first[s.which] = s
			}
			if s.reply != first[s.which].reply {
				t.Fatalf("%v: %s answered %v, before it was %v", p.questions[s.which], l.instance.Name, s.addrs, first[s.which].addrs)
			}
		}
	}
}

// The region that loses its instances and its backends at once leaves as
// fast as one that loses its backends: the other two vantages are enough.
func TestWholeRegionGone(t *testing.T) {
	d := wholeDemo(t)
	p := probe(t, d.Instances[:4], london)
	all := []string{"eu-west-1", "eu-west-2", "eu-west-web-1", "eu-west-web-2"}
	gone := &timing{event: "instances and backends killed", bound: failBound()}
	gone.measure(t, p, d.has("eu-west"), func() { d.signal(t, syscall.SIGKILL, all...) })
	d.revive(t, all...)
	d.awaitWhole(t)
	p.stop()
	p.wantNoFailure(t)
	t.Logf("\n%s", table(gone))
}
