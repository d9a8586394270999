//go:build e2e && load

package e2e

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/quic-go/quic-go"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Bounds of the instance that is abused: a third of the connections that come.
const (
	abusedPlaces = "{max_connections: 300, max_per_client: 50, idle_timeout: 2s}"
	rssBound     = 600 << 20 // octets, with everything else that an instance holds
	leastAnswers = 0.999
)

// abused is an instance with few places, and a witness that asks over UDP.
func abused(t *testing.T) (*secureLone, *process) {
	secure := strings.Replace(abusedPlaces, "{", "{listen: [%s], ", 1)
	l := newSecureLone(t, oneFleet, "tcp: "+abusedPlaces, "tls: "+fmt.Sprintf(secure, "DOT"),
		"https: "+fmt.Sprintf(secure, "DOH"), "quic: "+fmt.Sprintf(secure, "DOQ"))
	p := l.serve(t)
	l.awaitReady(t, p)
	return l, p
}

// connections is how many bad connections are opened on each transport.
func connections(t *testing.T) int {
	text := os.Getenv("STEERDNS_CONNECTIONS")
	if text == "" {
		return 900
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// witness asks over UDP until it is stopped, 500 times a second.
type witness struct {
	sent, answered atomic.Int64
	stop           func()
}

func watchUDP(t *testing.T, server string) *witness {
	t.Helper()
	conn, err := net.Dial("udp", server)
	if err != nil {
		t.Fatal(err)
	}
	query, err := question{}.message().Pack()
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			binary.BigEndian.PutUint16(query, uint16(w.sent.Load()))
			if _, err := conn.Write(query); err == nil {
				w.sent.Add(1)
			}
			<-tick.C
		}
	})
	work.Go(func() {
		buf := make([]byte, 4096)
		for {
			if _, err := conn.Read(buf); err == nil {
				w.answered.Add(1)
			} else if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
		}
	})
	w.stop = func() {
		cancel()
		_ = conn.SetReadDeadline(time.Now().Add(3 * time.Second)) // for what is under way
		work.Wait()
		_ = conn.Close()
	}
	t.Cleanup(cancel)
	return w
}

// want wants nearly all queries answered.
func (w *witness) want(t *testing.T, l *secureLone, p *process) {
	t.Helper()
	w.stop()
	share := float64(w.answered.Load()) / float64(max(w.sent.Load(), 1))
	rss := residentOf(t, p.cmd.Process.Pid)
	t.Logf("UDP beside it: %d of %d queries answered (%.3f %%); RSS %d MiB", w.answered.Load(), w.sent.Load(), 100*share, rss>>20)
	if share < leastAnswers || w.sent.Load() < 10 {
		t.Errorf("%.3f %% of UDP queries were answered", 100*share)
	}
	if rss > rssBound {
		t.Errorf("RSS %d MiB", rss>>20)
	}
}

func residentOf(t *testing.T, pid int) (octets int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// descriptorsOf is how many files and sockets a process has open.
func descriptorsOf(t *testing.T, pid int) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// from is a dialer from one of many clients.
func from(i int) *net.Dialer {
	return &net.Dialer{Timeout: 20 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(i/25/250), byte(1+i/25%250))}}
}

// bad is how one kind of client misbehaves on a connection it has: it goes on
// until the connection ends or ctx is done.
type bad func(ctx context.Context, conn net.Conn)

func idle(ctx context.Context, conn net.Conn) {
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	_, _ = conn.Read(make([]byte, 1))
}

// slowly writes an octet of something long at a time.
func slowly(start string) bad {
	return func(ctx context.Context, conn net.Conn) {
		for i := 0; ctx.Err() == nil; i++ {
			octet := []byte{0}
			if i < len(start) {
				octet[0] = start[i]
			}
			if _, err := conn.Write(octet); err != nil {
				return
			}
			wait(ctx, 300*time.Millisecond)
		}
	}
}

// neverReading asks and asks.
func neverReading(request []byte) bad {
	return func(ctx context.Context, conn net.Conn) {
		_ = conn.SetWriteDeadline(time.Now().Add(20 * time.Second))
		defer context.AfterFunc(ctx, func() { conn.Close() })()
		for ctx.Err() == nil {
			if _, err := conn.Write(request); err != nil {
				return
			}
			wait(ctx, 10*time.Millisecond)
		}
	}
}

func framedQueries(n int) (out []byte) {
	m := question{name: "big.gslb.example.com.", qtype: dns.TypeTXT}.message()
	packed, _ := m.Pack() // it has been packed in other tests
	for range n {
		out = binary.BigEndian.AppendUint16(out, uint16(len(packed)))
		out = append(out, packed...)
	}
	return out
}

// TestBadConnections opens connections that do nothing, write slowly or never
// read, a third each, on every stream transport. Others do not notice, and
// what they took is given back. STEERDNS_CONNECTIONS is how many.
func TestBadConnections(t *testing.T) {
	l, p := abused(t)
	pid := p.cmd.Process.Pid
	before := descriptorsOf(t, pid)
	h1 := "POST /dns-query HTTP/1.1\r\nHost: ns1.example.com\r\nContent-Type: application/dns-message\r\nContent-Length: 4000\r\n\r\n"
	h1Get := "GET /dns-query?dns=AAABAAABAAAAAAAAA2JpZwRnc2xiB2V4YW1wbGUDY29tAAAQAAE HTTP/1.1\r\nHost: ns1.example.com\r\n\r\n"
	for _, c := range []struct {
		transport string
		dial      func(i int) (net.Conn, error)
		kinds     []bad
	}{
		{"tcp", func(i int) (net.Conn, error) { return from(i).Dial("tcp", l.DNS) },
			[]bad{idle, slowly(string(framedQueries(1))), neverReading(framedQueries(100))}},
		{"dot", func(i int) (net.Conn, error) { return tls.DialWithDialer(from(i), "tcp", l.dot, l.trusting("dot")) },
			[]bad{idle, slowly(string(framedQueries(1))), neverReading(framedQueries(100))}},
		{"doh", func(i int) (net.Conn, error) {
			return tls.DialWithDialer(from(i), "tcp", l.doh, l.trusting("http/1.1"))
		}, []bad{idle, slowly(h1), neverReading([]byte(strings.Repeat(h1Get, 50)))}},
		{"doq", nil, nil},
	} {
		t.Run(c.transport, func(t *testing.T) {
			w := watchUDP(t, l.DNS)
			most := 0.0
			ctx, cancel := context.WithTimeout(context.Background(), lengthOf(t, "STEERDNS_ABUSE", 5*time.Second))
			defer cancel()
			var clients sync.WaitGroup
			var opened atomic.Int64
			gate := make(chan struct{}, 16) // handshakes at once
			for i := range connections(t) {
				clients.Go(func() {
					gate <- struct{}{}
					if c.dial == nil {
						quicly(ctx, l, i, gate, &opened)
						return
					}
					conn, err := c.dial(i)
					<-gate
					if err != nil {
						return // refused, or closed to make room
					}
					defer conn.Close()
					opened.Add(1)
					c.kinds[i%len(c.kinds)](ctx, conn)
				})
			}
			for ctx.Err() == nil {
				if _, body, err := get(l.Admin, "/metrics"); err == nil { // a busy machine misses a look now and then
					most = max(most, sumMetric(body, "steerdns_dns_connections", `"`+c.transport+`"`))
				}
				wait(ctx, 200*time.Millisecond)
			}
			clients.Wait()
			t.Logf("%d connections were opened, %.0f at once, %.0f made room", opened.Load(), most,
				metric(t, l.Admin, "steerdns_dns_connections_evicted_total", `"`+c.transport+`"`))
			if most > 300+16 || opened.Load() < 300 {
				t.Errorf("%d opened, %.0f at once", opened.Load(), most)
			}
			w.want(t, l, p)
			await(t, patience, "all places are free again", func() error {
				if n := metric(t, l.Admin, "steerdns_dns_connections", `"`+c.transport+`"`); n != 0 {
					return fmt.Errorf("%.0f connections", n)
				}
				return nil
			})
		})
	}
	await(t, patience, "all descriptors are closed", func() error {
		if n := descriptorsOf(t, pid); n > before+5 {
			return fmt.Errorf("%d, %d before", n, before)
		}
		return nil
	})
}

// quicly is a bad client of QUIC: it opens a connection and does nothing on
// it, or begins streams and does not end them, or reads no replies.
func quicly(ctx context.Context, l *secureLone, i int, gate chan struct{}, opened *atomic.Int64) {
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: from(i).LocalAddr.(*net.TCPAddr).IP})
	if err != nil {
		<-gate
		return
	}
	defer pc.Close()
	to, _ := net.ResolveUDPAddr("udp", l.doq)
	dialing, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	conn, err := quic.Dial(dialing, pc, to, l.trusting("doq"), &quic.Config{InitialStreamReceiveWindow: 1, MaxStreamReceiveWindow: 1})
	<-gate
	if err != nil {
		return
	}
	opened.Add(1)
	defer conn.CloseWithError(0, "")
	for ctx.Err() == nil && i%3 != 0 {
		stream, err := conn.OpenStreamSync(ctx)
		if err != nil {
			return
		}
		if i%3 == 1 {
			_, err = stream.Write([]byte{0})
		} else {
			_, err = stream.Write(framedQueries(1)[2:])
			_ = stream.Close()
		}
		if err != nil {
			return
		}
	}
	select {
	case <-ctx.Done():
	case <-conn.Context().Done():
	}
}

// floods are clients of HTTP/2 and QUIC that follow the letter of the protocol
// and not its sense. Each goes on until its connection ends.
func (l *secureLone) floods() map[string]func(ctx context.Context, i int) error {
	return map[string]func(ctx context.Context, i int) error{
		"headers without end": l.h2(func(f *http2.Framer, block []byte, stream uint32) error {
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block}); err != nil {
				return err
			}
			for range 10000 { // an empty fragment costs the sender nothing, and never ends the block
				if err := f.WriteContinuation(stream, false, make([]byte, 1000)); err != nil {
					return err
				}
			}
			return nil
		}),
		"rapid resets": l.h2(func(f *http2.Framer, block []byte, stream uint32) error {
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true, EndStream: true}); err != nil {
				return err
			}
			return f.WriteRSTStream(stream, http2.ErrCodeCancel)
		}),
		"bodies without end": l.h2(func(f *http2.Framer, block []byte, stream uint32) error {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true})
		}),
		"pings and settings": l.h2(func(f *http2.Framer, _ []byte, _ uint32) error {
			if err := f.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 20}); err != nil {
				return err
			}
			return f.WritePing(false, [8]byte{})
		}),
		"quic connections": func(ctx context.Context, i int) error {
			short, cancel := context.WithTimeout(ctx, 20*time.Millisecond) // given up in the middle of the handshake
			defer cancel()
			if conn, err := quic.DialAddr(short, l.doq, l.trusting("doq"), nil); err == nil {
				_ = conn.CloseWithError(0, "")
			}
			return nil
		},
		"quic streams": func(ctx context.Context, i int) error {
			conn, err := quic.DialAddr(ctx, l.doq, l.trusting("doq"), nil)
			if err != nil {
				return err
			}
			defer conn.CloseWithError(0, "")
			for ctx.Err() == nil {
				stream, err := conn.OpenStreamSync(ctx)
				if err != nil {
					return err
				}
				_, _ = stream.Write([]byte{0, 40, 0, 0}) // the library tells at the next stream
				stream.CancelWrite(1)
				stream.CancelRead(1)
			}
			return nil
		},
	}
}

// h2 opens a connection of HTTP/2 and repeats something on stream after
// stream, reading nothing.
func (l *secureLone) h2(step func(f *http2.Framer, block []byte, stream uint32) error) func(context.Context, int) error {
	var block strings.Builder
	enc := hpack.NewEncoder(&block)
	for _, h := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", "ns1.example.com"},
		{":path", "/dns-query"}, {"content-type", "application/dns-message"}} {
		_ = enc.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}) // writing to memory
	}
	return func(ctx context.Context, i int) error {
		conn, err := tls.DialWithDialer(from(i), "tcp", l.doh, l.trusting("h2"))
		if err != nil {
			return err
		}
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { conn.NetConn().Close() })()
		_ = conn.SetWriteDeadline(time.Now().Add(20 * time.Second))
		if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
			return err
		}
		f := http2.NewFramer(conn, conn)
		if err := f.WriteSettings(); err != nil {
			return err
		}
		for stream := uint32(1); ctx.Err() == nil; stream += 2 {
			if err := step(f, []byte(block.String()), stream); err != nil {
				return err
			}
		}
		return nil
	}
}

// TestFloods has eight clients do their worst at a time, again and again.
func TestFloods(t *testing.T) {
	l, p := abused(t)
	for name, flood := range l.floods() {
		t.Run(name, func(t *testing.T) {
			w := watchUDP(t, l.DNS)
			ctx, cancel := context.WithTimeout(context.Background(), lengthOf(t, "STEERDNS_ABUSE", 3*time.Second))
			defer cancel()
			var clients sync.WaitGroup
			var rounds atomic.Int64
			for i := range 8 {
				clients.Go(func() {
					for ctx.Err() == nil {
						_ = flood(ctx, 25*i) // it ends by our leave or the server's
						rounds.Add(1)
					}
				})
			}
			clients.Wait()
			t.Logf("%d rounds", rounds.Load())
			w.want(t, l, p)
			if !p.alive() {
				t.Fatal("the instance ended")
			}
		})
	}
	if out := l.kdig(t, l.doh, "+https", kdigQuestions()[:4]); len(out) != 4 {
		t.Error("no answers over HTTPS afterwards")
	}
	if out := l.kdig(t, l.doq, "+quic", kdigQuestions()[:4]); len(out) != 4 {
		t.Error("no answers over QUIC afterwards")
	}
}
