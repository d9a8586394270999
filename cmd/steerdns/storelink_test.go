package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steerdns/steerdns/config"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/store"
)

// An embedded store that cannot start costs the store, never the instance;
// once the cause is gone, it starts.
func TestStoreThatCannotStartIsTriedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etcd")
	if err := os.WriteFile(dir, []byte("in the way"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := &storeLink{instance: "i", conf: config.Store{Embedded: &config.Embedded{Dir: dir}}, log: slog.New(slog.DiscardHandler)}
	statuses := make(chan store.Status, 100)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- l.run(ctx, func(*regions.Picture) {}, func(s store.Status) { statuses <- s })
	}()
	first := <-statuses
	if first.Connected || first.Reason != "starting" || first.Since.IsZero() {
		t.Errorf("the first status is %+v", first)
	}
	for range 2 { // told at each attempt
		s := <-statuses
		if s.Connected || !strings.Contains(s.Reason, "not a directory") || !s.Since.Equal(first.Since) {
			t.Errorf("it cannot start since %v: %+v", first.Since, s)
		}
	}
	if _, err := l.use(); err == nil || !strings.Contains(err.Error(), "the store is away: ") || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("an operator is told %v", err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	for s := range statuses {
		if s.Connected {
			if !s.Since.After(first.Since) {
				t.Errorf("connected since %v, away since %v", s.Since, first.Since)
			}
			break
		}
		if ctx.Err() != nil {
			t.Fatal("never connected")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
}
