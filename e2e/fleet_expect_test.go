//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/steerdns/steerdns/regions"
)

var wants = map[string]want{"in": in, "out": out, "last": last, "any": free}

// wish is `expect in|out|last|any NAMES [at INSTANCES] [within TIME]`.
type wish struct {
	ends   []int
	want   want
	at     []*unit
	named  bool // the instances are named
	within time.Duration
}

// clauses splits words at the given ones: [in a b within 3s] with "within"
// is {"": [in a b], "within": [3s]}.
func clauses(words []string, at ...string) map[string][]string {
	all, current := map[string][]string{}, ""
	for _, w := range words {
		if slices.Contains(at, w) {
			current = w
			all[w] = []string{}
			continue
		}
		all[current] = append(all[current], w)
	}
	return all
}

func (s *story) wish(words []string) (w wish, ok bool, err error) {
	if w.want, ok = wants[words[0]]; !ok {
		return w, false, nil
	}
	c := clauses(words[1:], "at", "within")
	for _, name := range c[""] {
		ends := endsOf(name)
		if len(ends) == 0 {
			return w, true, fmt.Errorf("no endpoint is called %q", name)
		}
		w.ends = append(w.ends, ends...)
	}
	w.at, w.within = s.instances, patience
	if c["at"] != nil {
		w.named = true
		if w.at, err = s.pickInstances(c["at"]...); err != nil {
			return w, true, err
		}
	}
	if c["within"] != nil {
		w.within, err = duration(c["within"][0])
	}
	return w, true, err
}

// endsOf is the endpoints of a region, or one by its name, or all.
func endsOf(name string) (list []int) {
	for i, end := range endpointNames {
		if name == "all" || name == end || name == siteRegions[endpointRegion(i)] {
			list = append(list, i)
		}
	}
	return list
}

// loosen lets the endpoints of an expectation be anything until it is met.
func (s *story) loosen(st statement) {
	w, ok, err := s.wish(st.words[1:])
	if !ok || err != nil {
		return // run tells
	}
	for _, u := range w.at {
		u.watch.change(func(x *expectation) {
			for _, e := range w.ends {
				if w.named || x.ends[e] != w.want {
					x.ends[e] = free
				}
			}
		})
	}
}

// settle waits until the instances answer as wished; from then on they must.
func (s *story) settle(w wish) error {
	left := slices.DeleteFunc(slices.Clone(w.at), func(u *unit) bool { return !u.watch.expect.Load().alive })
	if w.want == free {
		left = nil
	}
	var slow error
	err := poll(time.Until(s.mark.Add(w.within)), func() error {
		left = slices.DeleteFunc(left, func(u *unit) bool {
			slow = s.settled(u, w)
			return slow == nil
		})
		if len(left) > 0 {
			return s.settled(left[0], w)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("not within %s: %w", w.within, err)
	}
	s.t.Logf("  %s after the last action", time.Since(s.mark).Round(10*time.Millisecond))
	return nil
}

func (s *story) settled(u *unit, w wish) error {
	wished := *u.watch.expect.Load()
	wished.ends = slices.Clone(wished.ends)
	for _, e := range w.ends {
		wished.ends[e] = w.want
	}
	err := u.watch.shows(s.began, &wished)
	if err == nil {
		u.watch.change(func(x *expectation) {
			for _, e := range w.ends {
				x.ends[e] = w.want
			}
		})
	}
	return err
}

// doExpect runs an expectation.
func doExpect(s *story, args []string) error {
	w, ok, err := s.wish(args)
	if err != nil {
		return err
	}
	if ok {
		return s.settle(w)
	}
	c := clauses(args, "within")
	within := patience
	if c["within"] != nil {
		if within, err = duration(c["within"][0]); err != nil {
			return err
		}
	}
	f, known := claims[args[0]]
	if !known {
		return fmt.Errorf("nobody knows how to expect %q", args[0])
	}
	words := c[""][1:]
	if args[0] == "steady" {
		return f(s, words)
	}
	return poll(time.Until(s.mark.Add(within)), func() error { return f(s, words) })
}

// claims are what else can be expected; each is polled until it holds.
var claims = map[string]func(s *story, words []string) error{
	"steady": expectSteady, "whole": expectWhole, "alike": expectAlike, "status": expectStatus, "log": expectLog,
	"ready": expectReady, "age": expectAge, "metric": expectMetric, "transitions": expectTransitions,
	"cluster": expectClusterVersion, "votes": expectVotes, "pace": expectPace, "heard": expectHeard,
	"ballots": expectBallots,
}

// expectSteady: nothing changes for so long. What must be and must not be was
// said before, and each answer is held to it.
func expectSteady(s *story, words []string) error {
	d, err := duration(words[0])
	for end := time.Now().Add(d); err == nil && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		s.wantNoMistakes()
	}
	return err
}

func expectWhole(s *story, _ []string) error { return s.whole() }

// expectAlike: all instances that live have the store and are in one epoch.
func expectAlike(s *story, _ []string) error {
	epoch := ""
	for _, u := range s.instances {
		if !u.watch.expect.Load().alive {
			continue
		}
		st, err := u.status()
		if err != nil {
			return err
		}
		if !st.Store.Connected {
			return fmt.Errorf("%s has no store: %s", u.name, st.Store.Reason)
		}
		if epoch != "" && st.Epoch != epoch {
			return fmt.Errorf("%s is in %s, others in %s", u.name, st.Epoch, epoch)
		}
		epoch = st.Epoch
	}
	return nil
}

// each instance of a pattern: expect WHAT INSTANCES ....
func (s *story) eachOf(pattern string, f func(u *unit) error) error {
	list, err := s.pickInstances(pattern)
	if err != nil {
		return err
	}
	for _, u := range list {
		if err := f(u); err != nil {
			return fmt.Errorf("%s: %w", u.name, err)
		}
	}
	return nil
}

// expectStatus: expect status INSTANCES [without] "text".
func expectStatus(s *story, words []string) error {
	return s.eachOf(words[0], func(u *unit) error {
		text, err := s.verb(u, "status")
		if err != nil {
			return err
		}
		return contains(text, words[1:])
	})
}

// expectLog: expect log INSTANCES [without] "text", since the block began.
func expectLog(s *story, words []string) error {
	return s.eachOf(words[0], func(u *unit) error {
		return contains(u.process.said.String()[u.logged:], words[1:])
	})
}

func contains(text string, words []string) error {
	wanted, word := true, words[0]
	if word == "without" {
		wanted, word = false, words[1]
	}
	if strings.Contains(text, word) != wanted {
		return fmt.Errorf("%q wanted %v in\n%s", word, wanted, tail(text, 25))
	}
	return nil
}

func expectReady(s *story, words []string) error {
	return s.eachOf(words[0], func(u *unit) error {
		code, body, err := s.site.hub.get(u.admin(), "/readyz")
		if err == nil && code != 200 {
			err = errors.New(body)
		}
		return err
	})
}

// expectAge: expect age INSTANCES since MARK give 1s: how old each instance
// says its state is, in status and as a metric.
func expectAge(s *story, words []string) error {
	since, known := s.marks[words[2]]
	if !known {
		return fmt.Errorf("nothing is remembered as %q", words[2])
	}
	give, err := duration(words[4])
	if err != nil {
		return err
	}
	return s.eachOf(words[0], func(u *unit) error {
		st, err := u.status()
		if err != nil {
			return err
		}
		truth := time.Since(since).Seconds()
		age, found := st.Store.Age()
		if off := age.Seconds() - truth; !found || math.Abs(off) > give.Seconds() {
			return fmt.Errorf("its state is %.2fs old, it says %.2fs", truth, age.Seconds())
		}
		value, err := s.metric(u, "steerdns_state_age_seconds")
		if off := value - time.Since(since).Seconds(); err == nil && math.Abs(off) > give.Seconds() {
			err = fmt.Errorf("the metric is %.2fs off", off)
		}
		if err == nil {
			s.t.Logf("  %s: %.2fs since %s, it says %.2fs", u.name, truth, words[2], age.Seconds())
		}
		return err
	})
}

// expectHeard: expect heard INSTANCES: each has just heard the store, so that
// what it says of its state's age counts from here.
func expectHeard(s *story, words []string) error {
	return s.eachOf(words[0], func(u *unit) error {
		st, err := u.status()
		if age, found := st.Store.Age(); err == nil && (!st.Store.Connected || !found || age > 500*time.Millisecond) {
			err = fmt.Errorf("its state is %s old (there is one: %v)", age, found)
		}
		return err
	})
}

// paceSlack is how much shorter a hold may look from outside: it begins with
// the votes, which the answers follow.
const paceSlack = writeCoalesce + regions.DefaultCoalesce + commit + busyMachine

// expectPace: expect pace REGION hold 10s: whatever left an instance's answers
// stayed away for so long, since the start.
func expectPace(s *story, words []string) error {
	hold, err := duration(words[2])
	if err != nil {
		return err
	}
	for _, u := range s.instances {
		for _, e := range endsOf(words[0]) {
			shortest, moves, back := u.watch.shortest(e)
			if back && shortest < hold-paceSlack {
				return fmt.Errorf("%s left out %s for %s only", u.name, endpointNames[e], shortest)
			}
			s.t.Logf("  %s: %s moved %d times, out for %s at least", u.name, endpointNames[e], moves, shortest.Round(10*time.Millisecond))
		}
	}
	return nil
}

func (s *story) metric(u *unit, name string, with ...string) (float64, error) {
	_, body, err := s.site.hub.get(u.admin(), "/metrics")
	return sumMetric(body, name, with...), err
}

// expectMetric: expect metric INSTANCES NAME is|least|most NUMBER [with TEXT].
func expectMetric(s *story, words []string) error {
	limit, err := strconv.ParseFloat(words[3], 64)
	if err != nil {
		return err
	}
	var with []string
	if len(words) > 5 {
		with = words[5:]
	}
	return s.eachOf(words[0], func(u *unit) error {
		v, err := s.metric(u, words[1], with...)
		if err == nil && !map[string]bool{"is": v == limit, "least": v >= limit, "most": v <= limit}[words[2]] {
			err = fmt.Errorf("%s is %v", words[1], v)
		}
		return err
	})
}

// transitions counts the regions' changes at every instance.
func (s *story) transitions() map[string]float64 {
	all := map[string]float64{}
	for _, u := range s.instances {
		for _, r := range siteRegions {
			v, err := s.metric(u, "steerdns_transitions_total", `kind="region"`, `name="`+r+`"`)
			if err == nil {
				all[u.name+" "+r] = v
			}
		}
	}
	return all
}

// expectTransitions: expect transitions REGION most N: since the start, at
// each instance, in both directions.
func expectTransitions(s *story, words []string) error {
	limit, err := strconv.ParseFloat(words[2], 64)
	if err != nil {
		return err
	}
	now := s.transitions()
	for _, u := range s.instances {
		key := u.name + " " + words[0]
		if n := now[key] - s.counted[key]; n > limit {
			return fmt.Errorf("%s counts %v transitions of %s", u.name, n, words[0])
		}
		s.t.Logf("  %s: %v transitions of %s", u.name, now[key]-s.counted[key], words[0])
	}
	return nil
}

// expectClusterVersion: expect cluster version 3.5.
func expectClusterVersion(s *story, words []string) error {
	v, err := s.clusterVersion()
	if err == nil && !strings.HasPrefix(v, words[1]+".") {
		err = fmt.Errorf("the cluster speaks %s", v)
	}
	return err
}

// expectVotes: expect votes INSTANCES down N: how many of its own votes in the
// store say down.
func expectVotes(s *story, words []string) error {
	limit, err := strconv.ParseFloat(words[2], 64)
	if err != nil {
		return err
	}
	seen, err := s.metric(s.someInstance(), "steerdns_votes", `voter="`+words[0]+`"`, `state="`+words[1]+`"`)
	if err == nil && seen != limit {
		err = fmt.Errorf("%v of its votes say %s", seen, words[1])
	}
	return err
}
