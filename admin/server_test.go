package admin

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"
)

// A connection that somebody holds open and says nothing on must not turn an
// orderly stop into a failure.
func TestServerStopsWithAnOpenConnection(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- NewServer(newMemory(), http.NotFoundHandler(), slog.New(slog.DiscardHandler)).Run(ctx, ln)
	}()
	silent, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if code, _ := get(t, "http://"+ln.Addr().String()+"/healthz"); code != http.StatusOK { // so the other one is accepted, too
		t.Fatalf("status %d", code)
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(closeTimeout + 5*time.Second):
		t.Error("Run did not return")
	}
}
