package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
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
	if s := <-statuses; s.Connected || s.Reason == "" {
		t.Errorf("the first status is %+v", s)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	for s := range statuses {
		if s.Connected {
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
