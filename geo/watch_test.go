package geo

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const pollEvery = 10 * time.Second

// watched is a Watch that runs in a synctest bubble, with what it reported.
type watched struct {
	t     *testing.T
	path  string
	clock int64 // of the files, seconds

	mu   sync.Mutex
	data []*Data
	errs []error
}

func (w *watched) onNew(d *Data) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.data = append(w.data, d)
}

func (w *watched) onError(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.errs = append(w.errs, err)
}

// put replaces the file as an updater does: a new file is moved into place.
func (w *watched) put(contents []byte) {
	w.t.Helper()
	next := filepath.Join(w.t.TempDir(), "next")
	if err := os.WriteFile(next, contents, 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(next, w.path); err != nil {
		w.t.Fatal(err)
	}
	w.touch()
}

// touch gives the file a modification time of its own.
func (w *watched) touch() {
	w.t.Helper()
	w.clock++
	if err := os.Chtimes(w.path, time.Unix(w.clock, 0), time.Unix(w.clock, 0)); err != nil {
		w.t.Fatal(err)
	}
}

// looks lets n polls pass and checks how much was reported in all.
func (w *watched) looks(n, data, errs int) {
	w.t.Helper()
	time.Sleep(time.Duration(n) * pollEvery) // the bubble's clock
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.data) != data || len(w.errs) != errs {
		w.t.Fatalf("%d new, %d errors %v; want %d, %d", len(w.data), len(w.errs), w.errs, data, errs)
	}
}

func watch(t *testing.T, opt Options, act func(w *watched)) {
	synctest.Test(t, func(t *testing.T) {
		w := &watched{t: t, path: opt.City, clock: 1767225600}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- Watch(ctx, opt, pollEvery, w.onNew, w.onError)
		}()
		synctest.Wait()
		time.Sleep(pollEvery / 2)
		act(w)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Watch ended with %v", err)
		}
	})
}

func cityIn(t *testing.T, iso string) []byte {
	return makeDB(t, "City", entry{"192.0.2.0/24", inCity(1, 1, iso)})
}

func TestWatchSwapsAndRefuses(t *testing.T) {
	first, second, third := cityIn(t, "DE"), cityIn(t, "FR"), cityIn(t, "US")
	opt := Options{City: writeFile(t, "city.mmdb", first)}
	country := func(d *Data) string { return d.Locate(addr("192.0.2.1")).Country }
	watch(t, opt, func(w *watched) {
		w.looks(3, 0, 0) // nothing changed
		w.put(second)
		w.looks(1, 0, 0) // seen, but not yet known to stand still
		w.looks(1, 1, 0)
		w.looks(3, 1, 0)
		w.put(third[:len(third)/2])
		w.looks(2, 1, 1)
		w.looks(5, 1, 1) // told once
		w.touch()
		w.looks(3, 1, 1) // the same failure again
		w.put(cityIn(t, "DE")[:10])
		w.looks(5, 1, 1) // no mmdb either: same words, same failure
		if err := os.Remove(w.path); err != nil {
			t.Fatal(err)
		}
		w.looks(5, 1, 2)
		w.put(third)
		w.looks(2, 2, 2)
		w.touch() // same contents
		w.looks(3, 2, 2)
		w.put(third[:20])
		w.looks(2, 2, 3) // after a success even a known failure is told
		if a, b := country(w.data[0]), country(w.data[1]); a != "FR" || b != "US" {
			t.Errorf("got %s, then %s", a, b)
		}
		if !strings.Contains(w.errs[1].Error(), "no such file") {
			t.Errorf("removed file: %v", w.errs[1])
		}
	})
}

// A file that is written slowly, in place, is opened once it is whole.
func TestWatchWaitsForTheWriter(t *testing.T) {
	raw := cityIn(t, "FR")
	opt := Options{City: writeFile(t, "city.mmdb", cityIn(t, "DE"))}
	watch(t, opt, func(w *watched) {
		for n := 10; n < len(raw); n += 200 {
			if err := os.WriteFile(w.path, raw[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			w.touch()
			w.looks(1, 0, 0)
		}
		if err := os.WriteFile(w.path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		w.touch()
		w.looks(2, 1, 0)
	})
}

func TestWatchWithoutFiles(t *testing.T) {
	watch(t, Options{}, func(w *watched) { w.looks(5, 0, 0) })
	if err := Watch(context.Background(), Options{}, 0, nil, nil); err == nil {
		t.Error("an interval of 0 is accepted")
	}
}
