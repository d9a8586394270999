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

// An IPv4 client is the same one in IPv6 clothes.
func TestParseFromUnmaps(t *testing.T) {
	for from, want := range map[string]string{
		"::ffff:192.0.2.7": "192.0.2.7/32", "::ffff:192.0.2.7/120": "192.0.2.0/24",
		"192.0.2.7/24": "192.0.2.0/24", "2001:db8::7/48": "2001:db8::/48",
	} {
		if p, err := parseFrom(from); err != nil || p.String() != want {
			t.Errorf("%s: %v, %v; want %s", from, p, err, want)
		}
	}
}
