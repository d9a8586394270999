//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// story is a scenario under way: a fleet, what it is asked, and a script.
// testdata/fleet/README.md has the words of scripts.
type story struct {
	*fleet
	name  string
	quit  chan struct{}
	asked sync.WaitGroup

	mark    time.Time            // when the last action was done
	began   time.Time            // when the first action of this block began
	marks   map[string]time.Time // by `remember`
	counted map[string]float64   // transitions of the regions at the start
}

// line is a statement of a script.
type statement struct {
	number int
	words  []string
}

func (s statement) expects() bool { return s.words[0] == "expect" }

// parseScript splits a script into statements. `#` begins a comment.
func parseScript(text string) (list []statement, err error) {
	n := 0
	for line := range strings.Lines(text) {
		n++
		words, err := splitWords(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if len(words) > 0 {
			list = append(list, statement{n, words})
		}
	}
	return list, nil
}

// splitWords splits at spaces; "double quotes" keep words together.
func splitWords(line string) (words []string, err error) {
	for rest := strings.TrimSpace(line); rest != "" && rest[0] != '#'; rest = strings.TrimSpace(rest) {
		if rest[0] == '"' {
			word, after, closed := strings.Cut(rest[1:], `"`)
			if !closed {
				return nil, errors.New("a quote is left open")
			}
			words, rest = append(words, word), after
			continue
		}
		end := strings.IndexAny(rest, " \t")
		if end < 0 {
			end = len(rest)
		}
		words, rest = append(words, rest[:end]), rest[end:]
	}
	return words, nil
}

// playScript runs a scenario once.
func playScript(t *testing.T, id, path string) *story {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	list, err := parseScript(string(text))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	s := &story{fleet: newFleet(t, id), name: filepath.Base(path), quit: make(chan struct{}), marks: map[string]time.Time{}}
	for len(list) > 0 && list[0].words[0] == "with" {
		s.run(list[0])
		list = list[1:]
	}
	if err := s.serve(); err != nil {
		t.Fatalf("the fleet does not come up: %v", err)
	}
	s.startAsking()
	for len(list) > 0 {
		block := nextBlock(list)
		s.play(block)
		list = list[len(block):]
	}
	s.stopAsking()
	s.wantNoMistakes()
	return s
}

// nextBlock is some actions and the expectations that follow them.
func nextBlock(list []statement) []statement {
	n := slices.IndexFunc(list, statement.expects)
	if n < 0 {
		return list
	}
	for n < len(list) && list[n].expects() {
		n++
	}
	return list[:n]
}

// play frees what the block's expectations are about, so that it may change
// from the block's first action on, and runs the block.
func (s *story) play(block []statement) {
	s.t.Helper()
	s.began, s.mark = time.Now(), time.Now()
	for _, u := range s.units() {
		if u.process != nil {
			u.logged = len(u.process.said.String())
		}
	}
	for _, st := range block {
		if st.expects() {
			s.loosen(st)
		}
	}
	for _, st := range block {
		s.run(st)
		if !st.expects() {
			s.mark = time.Now()
		}
		s.wantNoMistakes()
	}
}

func (s *story) run(st statement) {
	s.t.Helper()
	began := time.Now()
	verb, args := st.words[0], st.words[1:]
	do, known := verbs[verb]
	err := fmt.Errorf("nobody knows how to %q", verb)
	if known {
		err = do(s, args)
	}
	where := fmt.Sprintf("%s:%d: %s", s.name, st.number, strings.Join(st.words, " "))
	if err != nil {
		s.t.Fatalf("%s: %v", where, err)
	}
	s.t.Logf("%s %s (%s)", began.Format("15:04:05.000"), where, time.Since(began).Round(time.Millisecond))
}

func (s *story) startAsking() {
	for _, u := range s.instances {
		u.watch = newWatch(u)
		s.asked.Go(func() { u.watch.run(s.site.hub, s.quit) })
	}
	s.counted = s.transitions()
	s.t.Cleanup(s.stopAsking)
}

func (s *story) stopAsking() {
	select {
	case <-s.quit:
	default:
		close(s.quit)
	}
	s.asked.Wait()
}

// wantNoMistakes ends the story when an answer was wrong.
func (s *story) wantNoMistakes() {
	s.t.Helper()
	var all []string
	for _, u := range s.instances {
		if u.watch != nil {
			all = append(all, u.watch.mistakes()...)
		}
	}
	if len(all) > 0 {
		slices.Sort(all) // by time
		s.t.Fatalf("%s: wrong answers:\n%s", s.name, strings.Join(all[:min(len(all), 20)], "\n"))
	}
}

// tally is what a story's instances were asked.
type asked struct{ queries, failed, empty, wrong int }

func (s *story) tally() (a asked) {
	for _, u := range s.instances {
		w := u.watch
		w.mu.Lock()
		a.queries += w.asked
		a.failed += w.failures
		a.empty += w.empty
		a.wrong += len(w.wrong)
		w.mu.Unlock()
	}
	return a
}

// pick is the units that a pattern names. "leader" is the member that leads,
// "follower" one that does not, "followers" all that do not; "the-killed" is
// all that does not run.
func (s *story) pick(pattern string) (list []*unit, err error) {
	if pattern == "the-killed" {
		return slices.DeleteFunc(s.units(), func(u *unit) bool { return u.process.alive() }), nil
	}
	if leads := strings.HasPrefix(pattern, "leader"); leads || strings.HasPrefix(pattern, "follower") {
		return s.pickMembers(pattern, leads)
	}
	for _, u := range s.units() {
		if ok, err := filepath.Match(pattern, u.name); err != nil {
			return nil, err
		} else if ok || pattern == "instances" && slices.Contains(s.instances, u) {
			list = append(list, u)
		}
	}
	if len(list) == 0 {
		err = fmt.Errorf("nothing is called %q", pattern)
	}
	return list, err
}

func (s *story) pickMembers(word string, leads bool) (list []*unit, err error) {
	var name string
	err = poll(patience, func() (err error) { name, err = s.leader(); return err })
	for _, m := range s.members {
		if (m.name == name) == leads {
			list = append(list, m)
		}
	}
	if word == "follower" && len(list) > 1 {
		list = list[:1]
	}
	return list, err
}

// pickInstances is the instances that patterns name.
func (s *story) pickInstances(patterns ...string) ([]*unit, error) {
	list, err := s.pickAll(patterns)
	return slices.DeleteFunc(list, func(u *unit) bool { return u.watch == nil }), err
}

func (s *story) pickAll(patterns []string) (list []*unit, err error) {
	for _, p := range patterns {
		some, err := s.pick(p)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}
