//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// probeEvery is the pace at which a prober asks each instance.
const probeEvery = 10 * time.Millisecond

// sample is one query of a prober. Fails holds why it counts as failed:
// no reply in a second, another rcode than NOERROR, or no address.
type sample struct {
	at    time.Time // when the reply had come, or was given up
	which int       // index of the question
	reply string    // all bytes but the id
	addrs []string
	fails string
}

// line is what one instance was asked.
type line struct {
	instance *part
	mu       sync.Mutex
	samples  []sample
}

// prober asks all instances of a demo the same questions in turn.
type prober struct {
	questions []question
	from      namespace // where it asks from; "": here
	lines     []*line
	quit      chan struct{}
	done      sync.WaitGroup
}

// probe asks until the test ends or stop is called.
func probe(t *testing.T, instances []*part, questions ...question) *prober {
	t.Helper()
	return probeFrom(t, "", instances, questions...)
}

// probeFrom does so from inside a namespace.
func probeFrom(t *testing.T, from namespace, instances []*part, questions ...question) *prober {
	t.Helper()
	p := &prober{questions: questions, from: from, quit: make(chan struct{})}
	for _, in := range instances {
		l := &line{instance: in}
		p.lines = append(p.lines, l)
		p.done.Go(func() { p.follow(l) })
	}
	t.Cleanup(p.stop)
	return p
}

func (p *prober) stop() {
	select {
	case <-p.quit:
	default:
		close(p.quit)
	}
	p.done.Wait()
}

func (p *prober) follow(l *line) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	var conn *dns.Conn
	for n := 0; ; n++ {
		select {
		case <-p.quit:
			return
		case <-tick.C:
		}
		which := n % len(p.questions)
		s := sample{which: which}
		if conn == nil {
			conn, _ = p.dial(p.questions[which], l.instance.DNS) // an error shows below
		}
		s.take(conn, p.questions[which])
		if s.fails != "" && conn != nil { // a late reply must not meet the next question
			_ = conn.Close()
			conn = nil
		}
		l.add(s)
	}
}

func (p *prober) dial(q question, server string) (conn *dns.Conn, err error) {
	if p.from == "" {
		return q.dial(server)
	}
	err = p.from.inside(func() (err error) {
		conn, err = q.dial(server)
		return err
	})
	return conn, err
}

func (s *sample) take(conn *dns.Conn, q question) {
	defer func() { s.at = time.Now() }()
	if conn == nil {
		s.fails = "no socket"
		return
	}
	r, err := exchange(conn, q.message(), time.Second)
	switch {
	case err != nil:
		s.fails = err.Error()
		return
	case r.Rcode != dns.RcodeSuccess:
		s.fails = dns.RcodeToString[r.Rcode]
	case len(r.addresses()) == 0:
		s.fails = "no address"
	}
	s.reply, s.addrs = r.body, r.addresses()
}

func (l *line) add(s sample) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.samples); n > 0 && l.samples[n-1].reply == s.reply { // share the memory
		s.reply, s.addrs = l.samples[n-1].reply, l.samples[n-1].addrs
	}
	l.samples = append(l.samples, s)
}

// since is the samples after a moment.
func (l *line) since(from time.Time) []sample {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, _ := slices.BinarySearchFunc(l.samples, from, func(s sample, t time.Time) int { return s.at.Compare(t) })
	return slices.Clone(l.samples[i:])
}

// failures tells of failed queries, except those of instances by name.
func (p *prober) failures(since time.Time, except ...string) (list []string, asked int) {
	for _, l := range p.lines {
		if slices.Contains(except, l.instance.Name) {
			continue
		}
		for _, s := range l.since(since) {
			asked++
			if s.fails != "" {
				list = append(list, fmt.Sprintf("%s at %s: %s", l.instance.Name, s.at.Format("15:04:05.000"), s.fails))
			}
		}
	}
	return list, asked
}

// wantNoFailure fails the test when a query failed.
func (p *prober) wantNoFailure(t *testing.T, except ...string) {
	t.Helper()
	list, asked := p.failures(time.Time{}, except...)
	if len(list) > 0 {
		t.Errorf("%d of %d queries failed:\n%s", len(list), asked, strings.Join(list[:min(len(list), 10)], "\n"))
	}
	t.Logf("%d queries, %d failed", asked, len(list))
}

// quiet is for how long no instance may answer the old way any more until
// the last such answer counts as the last one.
const quiet = 400 * time.Millisecond

// last waits until no instance gives an old answer any more, and returns the
// moment of the last one: zero when there was none.
func (p *prober) last(t *testing.T, since time.Time, old func(sample) bool) (last time.Time) {
	t.Helper()
	await(t, patience, "the last old answer", func() error {
		last = time.Time{}
		for _, l := range p.lines {
			samples := l.since(since)
			if len(samples) < 10 || samples[len(samples)-1].at.Sub(since) < quiet {
				return fmt.Errorf("%s was asked %d times", l.instance.Name, len(samples))
			}
			for _, s := range samples {
				if old(s) && s.at.After(last) {
					last = s.at
				}
			}
			if end := samples[len(samples)-1].at; end.Sub(last) < quiet {
				return fmt.Errorf("%s answers %v", l.instance.Name, samples[len(samples)-1].addrs)
			}
		}
		return nil
	})
	return last
}
