package healthcheck

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
)

// listen serves each connection to 127.0.0.1 on a free port by serve, in a
// goroutine of its own, until the test ends. It gives the port.
func listen(t testing.TB, serve func(net.Conn)) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer c.Close(); serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return portOf(l.Addr())
}

func portOf(a net.Addr) uint16 { return netip.MustParseAddrPort(a.String()).Port() }

// awaitClose reads until the other side closes.
func awaitClose(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// greets says text at once and waits for the other side to close.
func greets(text string) func(net.Conn) {
	return func(c net.Conn) { _, _ = io.WriteString(c, text); awaitClose(c) }
}

// closedPort is a port on which nobody listens.
func closedPort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return portOf(l.Addr())
}
