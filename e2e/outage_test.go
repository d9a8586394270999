//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// etcdGone is how long the store stays away.
func etcdGone(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("STEERDNS_ETCD_GONE")
	if text == "" {
		return 20 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 2*regions.DefaultStoreGrace {
		t.Fatalf("STEERDNS_ETCD_GONE=%q is not a time of at least %s", text, 2*regions.DefaultStoreGrace)
	}
	return d
}

// Without the store the last state stands: no query fails, an instance that
// restarts answers from disk, and what the own probes find dead is asked for
// last but stays.
func TestStoreGone(t *testing.T) {
	d := wholeDemo(t)
	length := etcdGone(t)
	d.awaitSaved(t, "us-west-1")
	p := probe(t, d.Instances, london, question{qtype: 28, subnet: "2001:db8:20::/48"})
	killed := time.Now()
	d.signal(t, syscall.SIGKILL, "etcd")

	back := d.restartWithoutStore(t, "us-west-1")
	d.signal(t, syscall.SIGKILL, "eu-west-web-1", "eu-west-web-2")
	d.awaitDemoted(t, "eu-west")
	d.wantStateAge(t, killed, "us-west-1")
	demoted := time.Now()
	away := time.NewTimer(time.Until(killed.Add(length)))
	<-away.C

	d.revive(t, "etcd")
	await(t, patience, "the fleet agrees that eu-west is down", func() error { return d.regionIs("eu-west", healthcheck.Down) })
	d.tellDeadAnswers(t, p, demoted)
	d.revive(t, "eu-west-web-1", "eu-west-web-2")
	d.awaitWhole(t)
	p.stop()
	p.wantNoFailure(t, "us-west-1")
	if list, asked := p.failures(back); len(list) > 0 || asked == 0 {
		t.Errorf("after the restart %d of %d queries failed:\n%s", len(list), asked, strings.Join(list, "\n"))
	}
	t.Logf("the store was away for %s", length)
}

// awaitSaved waits until an instance has nothing left to save: it writes at
// most every two seconds, so that what happened just before a kill is lost.
func (d *demo) awaitSaved(t *testing.T, name string) {
	t.Helper()
	await(t, patience, "the state is saved", func() error {
		info, err := os.Stat(filepath.Join(d.Dir, name, "state"))
		if err == nil && time.Since(info.ModTime()) < 3*time.Second {
			err = fmt.Errorf("written at %s", info.ModTime())
		}
		return err
	})
}

// restartWithoutStore kills an instance, brings it back, and returns the
// moment from which on it must not fail any more.
func (d *demo) restartWithoutStore(t *testing.T, name string) time.Time {
	t.Helper()
	in := d.find(t, name)
	before := mustAsk(t, in.DNS, london)
	d.signal(t, syscall.SIGKILL, name)
	began := time.Now()
	d.revive(t, name)
	first := d.firstAnswer(t, in)
	took := time.Since(began)
	if want := before.addresses(); !slices.Equal(first.addresses(), want) {
		t.Errorf("%s answers %v from disk, before it was %v", name, first.addresses(), want)
	}
	if status, body, err := get(in.Admin, "/readyz"); err != nil || status != 200 {
		t.Errorf("readyz of %s without the store: %d %q %v", name, status, body, err)
	}
	t.Logf("%s was killed and answered from disk %s later, start included", name, took.Round(time.Millisecond))
	return began.Add(took + 2*time.Second) // the prober may still wait for a query of before
}

// firstAnswer asks without patience until an instance answers.
func (d *demo) firstAnswer(t *testing.T, in *part) (r reply) {
	t.Helper()
	await(t, patience, "the first answer", func() error {
		conn, err := london.dial(in.DNS)
		if err != nil {
			return err
		}
		defer conn.Close()
		if r, err = exchange(conn, london.message(), 50*time.Millisecond); err == nil && len(r.addresses()) == 0 {
			err = fmt.Errorf("no address in\n%v", r.Msg)
		}
		return err
	})
	return r
}

// awaitDemoted waits until all instances rank a region last and keep it.
func (d *demo) awaitDemoted(t *testing.T, region string) {
	t.Helper()
	for _, in := range d.Instances {
		await(t, patience, in.Name+" demotes", func() error { return in.demotes(region) })
		await(t, spread(), in.Name+" answers with others first", func() error {
			r := mustAsk(t, in.DNS, london)
			if got := d.regions(r); slices.Contains(got, region) {
				return fmt.Errorf("%v", got)
			}
			return nil
		})
	}
}

func (p *part) demotes(region string) error {
	s, err := p.status()
	if err != nil {
		return err
	}
	for _, e := range s.Endpoints {
		switch demoted := e.Region == region; {
		case e.State != healthcheck.Up:
			return fmt.Errorf("%s is %s: the store is gone, and yet a verdict changed", e.ID, e.State)
		case e.Demoted != demoted:
			return fmt.Errorf("%s: demoted %v", e.ID, e.Demoted)
		}
	}
	return nil
}

// wantStateAge wants the status to say how old its state is. An instance that
// restarted knows no better than when it last saved a change.
func (d *demo) wantStateAge(t *testing.T, since time.Time, restarted string) {
	t.Helper()
	for _, in := range d.Instances {
		s, err := in.status()
		if err != nil {
			t.Fatal(err)
		}
		age, found := s.Store.Age()
		want := time.Since(since)
		if s.Store.Connected || !found || age < want-6*time.Second || age > want+6*time.Second && in.Name != restarted {
			t.Errorf("%s: store connected %v, state %v, %s old; the store went away %s ago", in.Name, s.Store.Connected, found, age, want)
		}
	}
	out := steerdns(t, "status", "--admin", d.Instances[2].Admin).must(t)
	if !strings.Contains(out, "AWAY") || !strings.Contains(out, "s old") {
		t.Errorf("the status does not say that the store is away and how old the state is:\n%s", out)
	}
}

// deadBriefly is how long a dead region may be back in answers while the store
// is back and the votes are not all there yet.
const deadBriefly = 2 * time.Second

// tellDeadAnswers tells of answers with a region that was demoted and dead, and
// fails when they went on for long.
func (d *demo) tellDeadAnswers(t *testing.T, p *prober, since time.Time) {
	t.Helper()
	for _, l := range p.lines {
		var first, last time.Time
		dead := 0
		for _, s := range l.since(since) {
			if s.which == 0 && d.has("eu-west")(s) {
				if dead++; dead == 1 {
					first = s.at
				}
				last = s.at
			}
		}
		if dead > 0 {
			tell := t.Logf
			if last.Sub(first) > deadBriefly {
				tell = t.Errorf
			}
			tell("%s answered London with the dead region %d times after it had demoted it, over %s", l.instance.Name, dead, last.Sub(first).Round(time.Millisecond))
		}
	}
}

// regionIs tells whether all instances hold a region to be in a state.
func (d *demo) regionIs(region string, state healthcheck.State) error {
	for _, in := range d.Instances {
		s, err := in.status()
		if err != nil {
			return err
		}
		for _, r := range s.Regions {
			if r.Name == region && r.State != state {
				return fmt.Errorf("%s says %s", in.Name, r.State)
			}
		}
	}
	return nil
}

// When everything is down, everything is answered, briefly and loudly.
func TestAllDownFailsOpen(t *testing.T) {
	d := wholeDemo(t)
	p := probe(t, d.Instances, london)
	marks := map[string]int{}
	before := map[string]float64{}
	for _, in := range d.Instances {
		marks[in.Name] = len(d.log(t, in.Name))
		before[in.Name] = metric(t, in.Admin, "steerdns_dns_fail_open_total")
	}
	names := make([]string, len(d.Backends))
	for i, b := range d.Backends {
		names[i] = b.Name
	}
	d.signal(t, syscall.SIGKILL, names...)
	for _, in := range d.Instances {
		await(t, patience, in.Name+" fails open", func() error { return d.failsOpen(in) })
		if grew := metric(t, in.Admin, "steerdns_dns_fail_open_total") - before[in.Name]; grew < 1 {
			t.Errorf("%s: steerdns_dns_fail_open_total grew by %v", in.Name, grew)
		}
		if news := d.log(t, in.Name)[marks[in.Name]:]; !warns(news, "down") {
			t.Errorf("%s fails open and its log has no warning of it:\n%s", in.Name, tail(news, 20))
		}
	}
	d.revive(t, names...)
	d.awaitWhole(t)
	p.stop()
	p.wantNoFailure(t)
	if r := mustAsk(t, d.Instances[0].DNS, london); len(r.addresses()) != 3 || r.Answer[0].Header().Ttl != 10 {
		t.Errorf("after all came back:\n%v", r.Msg)
	}
}

// failsOpen wants all addresses with the shortest TTL.
func (d *demo) failsOpen(in *part) error {
	for _, q := range []question{london, {qtype: 28, subnet: "2001:db8:20::/48"}} {
		r, err := ask(in.DNS, q)
		if err != nil {
			return err
		}
		if len(r.addresses()) != len(d.Backends) {
			return fmt.Errorf("%v: %d addresses of %d", q, len(r.addresses()), len(d.Backends))
		}
		for _, rr := range r.Answer {
			if rr.Header().Ttl != 2 {
				return fmt.Errorf("%v: TTL %d, want ttl.min", q, rr.Header().Ttl)
			}
		}
	}
	return nil
}

// warns looks for a line of level WARN or ERROR with a word in it.
func warns(log, word string) bool {
	for line := range strings.Lines(log) {
		if (strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR")) && strings.Contains(line, word) {
			return true
		}
	}
	return false
}
