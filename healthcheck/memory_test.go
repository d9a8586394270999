package healthcheck

import (
	"bytes"
	"runtime"
	"sync"
	"testing"
	"time"
)

// allocated is how many bytes f takes, in all goroutines.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestAnnouncedFramesTakeNoMemory: a server's nine bytes do not make room for
// what they announce.
func TestAnnouncedFramesTakeNoMemory(t *testing.T) {
	for _, wire := range []string{"\xff\xff\xff\x00\x00\x00\x00\x00\x01", "HTTP/1.1 400 Bad Request\r\n", "\x00\x40\x00\x00\x00\x00\x00\x00\x01"} {
		got := allocated(func() {
			if _, err := call2(&fakeConn{Reader: bytes.NewReader([]byte(wire))}, nil, nil); err == nil {
				t.Errorf("%q passed", wire)
			}
		})
		if got > 128<<10 {
			t.Errorf("%q takes %d bytes", wire, got)
		}
	}
}

// TestSilentDatagramsTakeNoMemory: a probe that waits for a datagram holds no
// room for it yet.
func TestSilentDatagramsTakeNoMemory(t *testing.T) {
	port := listenPacket(t, func([]byte) []byte { return nil })
	target := patient(UDP, port, func(c *Check) { c.Send, c.Timeout = "ping", 300*time.Millisecond })
	const probes = 50
	p := NewProber(ProberOptions{})
	got := allocated(func() {
		var wg sync.WaitGroup
		for range probes {
			wg.Go(func() { expect(t, observe(t, p, target), "timeout after 300ms while waiting for an answer") })
		}
		wg.Wait()
	})
	if got > probes*maxBody/4 {
		t.Errorf("%d probes take %d bytes", probes, got)
	}
}
