package main

import (
	"bytes"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/steerdns/steerdns/regions/store"
)

func startTestStore(t *testing.T, dir string) *storeProcess {
	t.Helper()
	words := newEtcdWords(slog.New(slog.DiscardHandler))
	words.begin()
	p, err := startStore(store.EmbeddedOptions{Dir: dir, Name: "i", ListenClient: "127.0.0.1:0"}, words)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	return p
}

// A store's process ends in order when it is asked, and by force when it does
// not hear; the next one has its directory.
func TestStoreProcessEnds(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etcd")
	for name, before := range map[string]func(*storeProcess) error{
		"when asked":     func(*storeProcess) error { return nil },
		"though stopped": func(p *storeProcess) error { return p.cmd.Process.Signal(syscall.SIGSTOP) },
	} {
		t.Run(name, func(t *testing.T) {
			p := startTestStore(t, dir)
			endpoint, err := p.await(t.Context())
			if err != nil || !strings.HasPrefix(endpoint, "http://127.0.0.1:") {
				t.Fatalf("endpoint %q: %v", endpoint, err)
			}
			if err := before(p); err != nil {
				t.Fatal(err)
			}
			p.stop()
			select {
			case <-p.ended:
			default:
				t.Error("it is still there")
			}
		})
	}
}

func TestStoreProcessTellsWhyItEnded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etcd")
	first := startTestStore(t, dir)
	if _, err := first.await(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := startTestStore(t, dir)
	if _, err := second.await(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "embedded etcd: another process uses "+dir) {
		t.Errorf("a second one in its directory: %v", err)
	}
	ctx, release := first.while(t.Context())
	defer release()
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("its end goes unnoticed")
	}
	if err := first.why(); !strings.HasPrefix(err.Error(), "embedded etcd in "+dir+" ended: signal: killed (") {
		t.Errorf("after a kill: %v", err)
	}
}

// The last words are Go's or main's; without them, the last error.
func TestEtcdWords(t *testing.T) {
	var log bytes.Buffer
	w := newEtcdWords(slog.New(slog.NewTextHandler(&log, nil)))
	say := func(lines ...string) { _, _ = io.WriteString(w, strings.Join(lines, "\n")+"\n") } // never fails
	const warning = `{"time":"2026-01-01T00:00:00Z","level":"WARN","msg":"etcd: slow","took":"2s"}`
	const failure = `{"time":"2026-01-01T00:00:00Z","level":"ERROR","msg":"etcd: bad file","error":"EOF"}`

	w.begin()
	say(warning, warning, failure)
	if got := w.last(); got != "etcd: bad file: EOF" {
		t.Errorf("the last error: %q", got)
	}
	say("panic: assertion failed", "", "goroutine 1 [running]:", "panic: again")
	if got := w.last(); got != "panic: assertion failed" {
		t.Errorf("a panic: %q", got)
	}
	w.begin()
	if got := w.last(); got != "" {
		t.Errorf("another process: %q", got)
	}
	say(warning, failure)
	half := `steerdns: embedded etcd in d: no space`
	_, _ = io.WriteString(w, half[:20]) // never fails
	say(half[20:])
	if got := w.last(); got != "embedded etcd in d: no space" {
		t.Errorf("an error: %q", got)
	}
	if got := strings.Count(log.String(), `level=WARN msg="etcd: slow" took=2s`); got != 2 {
		t.Errorf("said %d times by the first process and never again by the next? The log:\n%s", got, &log)
	}
	if got := strings.Count(log.String(), "\n"); got != 3 {
		t.Errorf("%d lines in the log:\n%s", got, &log)
	}
	w.forget()
	say(warning)
	if got := strings.Count(log.String(), "etcd: slow"); got != 3 {
		t.Errorf("after a steady time it is said again? The log:\n%s", &log)
	}
}
