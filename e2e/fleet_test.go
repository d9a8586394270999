//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fleetsAtOnce is how many scenarios run side by side: each waits more than
// it works.
const fleetsAtOnce = 4

// TestFleet plays every script of testdata/fleet STEERDNS_RUNS times, each in
// namespaces of its own, STEERDNS_FLEETS (default 4) at once.
func TestFleet(t *testing.T) {
	paths, err := filepath.Glob("testdata/fleet/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	type job struct{ run, number int }
	jobs := make(chan job)
	go func() {
		for run := range runs(t) {
			for n := range paths {
				jobs <- job{run, n}
			}
		}
		close(jobs)
	}()
	var all sync.WaitGroup
	var total sums
	for range atOnceFleets(t) {
		all.Go(func() {
			for j := range jobs {
				name := strings.TrimSuffix(filepath.Base(paths[j.number]), ".txt")
				if runs(t) > 1 {
					name = fmt.Sprintf("%s-%d", name, j.run+1)
				}
				t.Run(name, func(t *testing.T) {
					began := time.Now()
					s := playScript(t, fmt.Sprintf("%d-%d", j.run, j.number), paths[j.number])
					total.add(t, name, s.tally(), time.Since(began))
				})
			}
		})
	}
	all.Wait()
	t.Logf("%d scenarios: %d queries, %d failed, %d empty, %d wrong", total.stories, total.queries, total.failed, total.empty, total.wrong)
}

func atOnceFleets(t *testing.T) int {
	text := os.Getenv("STEERDNS_FLEETS")
	if text == "" {
		return fleetsAtOnce
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("STEERDNS_FLEETS=%q is not a positive number", text)
	}
	return n
}

// sums adds up what all scenarios were asked.
type sums struct {
	mu      sync.Mutex
	stories int
	asked
}

func (x *sums) add(t *testing.T, name string, a asked, took time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.stories++
	x.queries += a.queries
	x.failed += a.failed
	x.empty += a.empty
	x.wrong += a.wrong
	t.Logf("%s: %d queries, %d failed, %d empty, %d wrong, in %s", name, a.queries, a.failed, a.empty, a.wrong, took.Round(100*time.Millisecond))
}
