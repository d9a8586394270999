//go:build unix

package dnsserver

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// running is a server with the words to end it.
type running struct {
	*Server
	stop func()
	done chan error
}

func run(s *Server) running {
	ctx, stop := context.WithCancel(context.Background())
	r := running{s, stop, make(chan error, 1)}
	go func() { r.done <- s.Run(ctx) }()
	return r
}

func (r running) end(t *testing.T) {
	t.Helper()
	r.stop()
	select {
	case err := <-r.done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("Run does not end")
	}
}

// TestHandover passes the sockets from server to server while clients ask.
// Nothing they send is lost, over UDP without asking again, over TCP on
// connections of before and new ones.
func TestHandover(t *testing.T) {
	for _, p := range paths {
		t.Run(p.name, func(t *testing.T) {
			roomFor(t, p.procs)
			view := compileView(testWorld(nil), testZones(t, zoneText, steered), fakeAtlas{}, nil)
			next := func(given *Sockets) running {
				s := NewServer(Options{Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Workers: 2, Sockets: given})
				s.portable = p.portable
				if err := s.Listen(); err != nil {
					t.Fatal(err)
				}
				s.Publish(view)
				return run(s)
			}
			now := next(nil)
			at := now.Addrs()[0]
			ctx, stop := context.WithCancel(context.Background())
			var clients sync.WaitGroup
			var asked, lost atomic.Int64
			for i := range 6 {
				network := []string{"udp", "tcp"}[i%2]
				clients.Go(func() { askOn(ctx, t, network, at, &asked, &lost) })
			}
			for range 5 {
				list, err := now.Sockets()
				if err != nil {
					t.Fatal(err)
				}
				given := NewSockets(list)
				after := next(given)
				if left := given.Left(); len(left) > 0 || after.Addrs()[0] != at {
					t.Fatalf("left %v; %v is served, not %v", left, after.Addrs(), at)
				}
				now.HandOver(patience)
				for both := asked.Load() + 50; asked.Load() < both; { // while both serve
					runtime.Gosched()
				}
				now.end(t)
				now = after
			}
			stop()
			clients.Wait()
			now.end(t)
			if lost.Load() > 0 || asked.Load() < 100 {
				t.Errorf("%d of %d queries are lost", lost.Load(), asked.Load())
			}
		})
	}
}

// askOn asks until ctx is done, ten queries a connection. A TCP connection
// that is closed while it waits for nothing is no loss.
func askOn(ctx context.Context, t *testing.T, network string, at netip.AddrPort, asked, lost *atomic.Int64) {
	pkt, _ := query(t, "www.example.com A")
	if network == "tcp" {
		pkt = frame(pkt)
	}
	buf := make([]byte, 4096)
	for ctx.Err() == nil {
		conn, err := net.Dial(network, at.String())
		if err != nil {
			t.Error(err)
			return
		}
		for range 10 {
			conn.SetDeadline(time.Now().Add(patience))
			conn.Write(pkt)
			asked.Add(1)
			if n, err := conn.Read(buf); n == 0 || err != nil {
				lost.Add(1)
				break
			}
		}
		conn.Close()
	}
}

// samePort opens UDP and TCP on one port.
func samePort(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 100 {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if ln, err := net.Listen("tcp", pc.LocalAddr().String()); err == nil {
			return pc, ln
		}
		pc.Close() // somebody has it for TCP
	}
	t.Fatal("no port is free for both")
	return nil, nil
}

// TestSocketsBySystemd: they come without names and are found by address; one
// UDP socket is shared by all workers.
func TestSocketsBySystemd(t *testing.T) {
	pc, ln := samePort(t)
	at := pc.LocalAddr().(*net.UDPAddr).AddrPort()
	defer pc.Close()
	defer ln.Close()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	var list []Socket
	for _, c := range []syscall.Conn{pc.(*net.UDPConn), ln.(*net.TCPListener), other.(*net.TCPListener)} {
		one, err := copySocket("", c)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, one)
	}
	given := NewSockets(list)
	s := NewServer(Options{Listen: []netip.AddrPort{at}, Workers: 3, Sockets: given})
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	s.Publish(compileView(testWorld(nil), testZones(t, zoneText, steered), fakeAtlas{}, nil))
	if left := given.Left(); len(left) != 1 || left[0] != SocketName("stream", other.Addr().(*net.TCPAddr).AddrPort()) {
		t.Errorf("left: %q", left)
	}
	r := run(s)
	pkt, _ := query(t, "www.example.com A")
	for range 20 {
		exchange(t, dial(t, "udp", at), pkt)
	}
	if !askTCP(t, at, pkt) {
		t.Error("no answer over TCP")
	}
	r.end(t)
}
