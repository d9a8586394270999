package dnsserver

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// roomFor gives Go processors until the test ends; 0 changes nothing.
func roomFor(t *testing.T, procs int) {
	if procs > 0 {
		before := runtime.GOMAXPROCS(procs)
		t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	}
}

// startServer runs a server on listen until the test ends.
func startServer(t *testing.T, portable bool, opt Options, listen ...string) *Server {
	t.Helper()
	for _, l := range listen {
		opt.Listen = append(opt.Listen, netip.MustParseAddrPort(l))
	}
	opt.Workers, opt.Instance = 2, "lon-1"
	s := NewServer(opt)
	s.portable = portable
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	s.Publish(compileView(testWorld(nil), testZones(t, zoneText, steered), fakeAtlas{}, nil))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		select {
		case err := <-done:
			if err != nil {
				t.Error("Run:", err)
			}
		case <-time.After(patience):
			t.Error("Run does not end")
		}
	})
	return s
}

// paths are the ways to serve UDP; on systems with only one both are the same.
var paths = []struct {
	name     string
	portable bool
	procs    int // GOMAXPROCS; 0: as it is
}{{"batch", false, 1}, {"batch with room", false, 8}, {"portable", true, 0}}

// exchange sends one UDP query and returns the reply.
func exchange(t *testing.T, conn net.Conn, pkt []byte) *dns.Msg {
	t.Helper()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(pkt); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, maxPacket)
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	m := new(dns.Msg)
	if err := m.Unpack(buf[:n]); err != nil {
		t.Fatal(err)
	}
	return m
}

func dial(t *testing.T, network string, at netip.AddrPort) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestUDPAndTCPAnswer(t *testing.T) {
	for _, p := range paths {
		t.Run(p.name, func(t *testing.T) {
			roomFor(t, p.procs)
			s := startServer(t, p.portable, Options{}, "127.0.0.1:0", "[::1]:0")
			pkt, _ := query(t, "static.example.com A +nsid")
			for _, at := range s.Addrs() {
				m := exchange(t, dial(t, "udp", at), pkt)
				if len(m.Answer) != 2 || m.Id != 4711 {
					t.Errorf("%v: %v", at, m)
				}
				c := &dns.Conn{Conn: dial(t, "tcp", at)}
				c.SetDeadline(time.Now().Add(patience))
				if _, err := c.Write(pkt); err != nil {
					t.Fatal(err)
				}
				if m, err := c.ReadMsg(); err != nil || len(m.Answer) != 2 {
					t.Errorf("%v over TCP: %v %v", at, m, err)
				}
			}
		})
	}
}

// TestUDPManyClients keeps many clients with many queries in flight, so that
// batches are full and mixed; every reply must be the one that was asked for.
func TestUDPManyClients(t *testing.T) {
	for _, p := range paths {
		t.Run(p.name, func(t *testing.T) {
			roomFor(t, p.procs)
			s := startServer(t, p.portable, Options{}, "127.0.0.1:0")
			var clients sync.WaitGroup
			for i := range 8 {
				conn := dial(t, "udp", s.Addrs()[0])
				clients.Go(func() { askMany(t, conn, i) })
			}
			clients.Wait()
		})
	}
}

func askMany(t *testing.T, conn net.Conn, client int) {
	conn.SetDeadline(time.Now().Add(patience))
	buf := make([]byte, maxPacket)
	for round := range 10 {
		waiting := map[string]bool{}
		for i := range 20 {
			name := fmt.Sprintf("c%d-r%d-q%d%s.wild.example.com.", client, round, i, strings.Repeat("x", i))
			pkt, _ := query(t, name+" A")
			if _, err := conn.Write(pkt); err != nil {
				t.Error(err)
				return
			}
			waiting[name] = true
		}
		for len(waiting) > 0 {
			n, err := conn.Read(buf)
			if err != nil {
				t.Error(err)
				return
			}
			m := new(dns.Msg)
			if err := m.Unpack(buf[:n]); err != nil || len(m.Answer) != 1 || m.Answer[0].Header().Name != m.Question[0].Name {
				t.Errorf("%v %v", err, m)
				return
			}
			delete(waiting, m.Question[0].Name)
		}
	}
}

// TestWildcardListenerRepliesFromTheAddressAsked: a connected client socket
// takes nothing that comes from another address than it asked.
func TestWildcardListenerRepliesFromTheAddressAsked(t *testing.T) {
	for _, p := range paths {
		t.Run(p.name, func(t *testing.T) {
			roomFor(t, p.procs)
			s := startServer(t, p.portable, Options{}, "0.0.0.0:0", "[::]:0")
			pkt, _ := query(t, "static.example.com A")
			for _, to := range []string{
				netip.AddrPortFrom(netip.MustParseAddr("127.0.0.5"), s.Addrs()[0].Port()).String(),
				netip.AddrPortFrom(netip.MustParseAddr("127.0.0.77"), s.Addrs()[0].Port()).String(),
				netip.AddrPortFrom(netip.IPv6Loopback(), s.Addrs()[1].Port()).String(),
			} {
				if m := exchange(t, dial(t, "udp", netip.MustParseAddrPort(to)), pkt); len(m.Answer) != 2 {
					t.Errorf("%s: %v", to, m)
				}
			}
		})
	}
}

func TestListenSaysWhoHasThePort(t *testing.T) {
	first := startServer(t, false, Options{}, "127.0.0.1:0")
	taken := first.Addrs()[0]
	for _, p := range paths {
		s := NewServer(Options{Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0"), taken}})
		s.portable = p.portable
		err := s.Listen()
		if err == nil || !strings.Contains(err.Error(), taken.String()) || !strings.Contains(err.Error(), "another process") {
			t.Errorf("%s: %v", p.name, err)
		}
		if len(s.Addrs()) != 0 {
			t.Error("half open")
		}
	}
}

// TestListenFindsUDPSharers: a UDP socket with SO_REUSEPORT would let us in
// and then get half of our queries.
func TestListenFindsUDPSharers(t *testing.T) {
	w, err := NewServer(Options{Workers: 1}).withSocket()
	if err != nil {
		t.Fatal(err)
	}
	defer w.conn.Close()
	at := w.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	err = NewServer(Options{Listen: []netip.AddrPort{at}}).Listen()
	if !isInUse(err) {
		t.Errorf("listening on %v: %v", at, err)
	}
}

// withSocket opens a free UDP port.
func (s *Server) withSocket() (*portableUDP, error) {
	return openPortableUDP(netip.MustParseAddrPort("127.0.0.1:0"), s.responder)
}

func TestRunWithoutListeners(t *testing.T) {
	if err := NewServer(Options{}).Run(context.Background()); err == nil {
		t.Error("Run without Listen")
	}
}

func frame(pkt []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(pkt))), pkt...)
}

// readFrames reads n replies and returns their ids.
func readFrames(t *testing.T, r io.Reader, n int) (ids []uint16) {
	t.Helper()
	var length [2]byte
	for range n {
		if _, err := io.ReadFull(r, length[:]); err != nil {
			t.Fatalf("after %d replies: %v", len(ids), err)
		}
		reply := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(r, reply); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, binary.BigEndian.Uint16(reply))
	}
	return ids
}

func TestTCPPipelinesInOrder(t *testing.T) {
	s := startServer(t, false, Options{}, "127.0.0.1:0")
	conn := dial(t, "tcp", s.Addrs()[0])
	conn.SetDeadline(time.Now().Add(patience))
	pkt, _ := query(t, "www.example.com A +subnet=81.2.3.0/24")
	const n = 1000
	go func() {
		var all []byte
		for id := range uint16(n) {
			binary.BigEndian.PutUint16(pkt, id)
			all = append(all, frame(pkt)...)
		}
		for len(all) > 0 { // in pieces that split frames everywhere
			k := min(len(all), 997)
			if _, err := conn.Write(all[:k]); err != nil {
				return
			}
			all = all[k:]
		}
	}()
	for i, id := range readFrames(t, conn, n) {
		if int(id) != i {
			t.Fatalf("reply %d has id %d", i, id)
		}
	}
}

func TestTCPClosesWhatIsNoQuery(t *testing.T) {
	s := startServer(t, false, Options{}, "127.0.0.1:0")
	for name, data := range map[string][]byte{
		"oversize": {0xff, 0xff, 1, 2, 3},
		"short":    {0, 2, 1, 2},
		"empty":    {0, 0},
		"response": frame(append([]byte{0, 1, 0x80}, make([]byte, 9)...)),
	} {
		conn := dial(t, "tcp", s.Addrs()[0])
		conn.SetDeadline(time.Now().Add(patience))
		if _, err := conn.Write(data); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("%s: got %d octets, %v", name, n, err)
		}
	}
}

func TestTCPEndsSlowClients(t *testing.T) {
	opt := Options{TCP: StreamOptions{IdleTimeout: 50 * time.Millisecond, WriteTimeout: 50 * time.Millisecond}}
	s := startServer(t, false, opt, "127.0.0.1:0")
	t.Run("idle", func(t *testing.T) {
		conn := dial(t, "tcp", s.Addrs()[0])
		conn.SetDeadline(time.Now().Add(patience))
		conn.Write([]byte{0}) // half a length
		if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
			t.Error(err)
		}
	})
}

// A client that only ever writes holds its place until the first write to it
// is overdue. What its own kernel makes of that is not our matter.
func TestTCPEndsClientsThatNeverRead(t *testing.T) {
	opt := Options{TCP: StreamOptions{MaxPerClient: 1, WriteTimeout: 50 * time.Millisecond}}
	s := startServer(t, false, opt, "127.0.0.1:0")
	pkt, _ := query(t, "sub.example.com NS +edns")
	conn := dial(t, "tcp", s.Addrs()[0]).(*net.TCPConn)
	conn.SetReadBuffer(4096)
	conn.Write(frame(pkt))
	if askTCP(t, s.Addrs()[0], pkt) {
		t.Fatal("a second connection got an answer: this test tests nothing")
	}
	go func() {
		for err := error(nil); err == nil; { // until the test closes conn, at the latest
			_, err = conn.Write(frame(pkt))
		}
	}()
	for deadline := time.Now().Add(patience); !askTCP(t, s.Addrs()[0], pkt); {
		if time.Now().After(deadline) {
			t.Fatal("the server keeps a client that never reads")
		}
	}
}

func TestTCPCapsConnectionsOfAClient(t *testing.T) {
	s := startServer(t, false, Options{TCP: StreamOptions{MaxPerClient: 2}}, "127.0.0.1:0")
	pkt, _ := query(t, "static.example.com A")
	open := openTwo(t, s, pkt)
	if askTCP(t, s.Addrs()[0], pkt) {
		t.Fatal("a third connection got an answer")
	}
	open[0].Close()
	for deadline := time.Now().Add(patience); !askTCP(t, s.Addrs()[0], pkt); {
		if time.Now().After(deadline) {
			t.Fatal("closing a connection makes no room")
		}
	}
}

// openTwo opens two connections that have had an answer each.
func openTwo(t *testing.T, s *Server, pkt []byte) (open []net.Conn) {
	for range 2 {
		conn := dial(t, "tcp", s.Addrs()[0])
		open = append(open, conn)
		conn.SetDeadline(time.Now().Add(patience))
		conn.Write(frame(pkt))
		readFrames(t, conn, 1)
	}
	return open
}

// When all places are taken, the connection that asked least recently makes
// room.
func TestTheIdlestConnectionMakesRoom(t *testing.T) {
	s := startServer(t, false, Options{TCP: StreamOptions{MaxConns: 2}}, "127.0.0.1:0")
	pkt, _ := query(t, "static.example.com A")
	open := openTwo(t, s, pkt)
	open[0].Write(frame(pkt)) // now the second is the idlest
	readFrames(t, open[0], 1)
	if !askTCP(t, s.Addrs()[0], pkt) {
		t.Fatal("a third connection got no answer")
	}
	if _, err := open[1].Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the idlest connection reads %v", err)
	}
	open[0].Write(frame(pkt))
	readFrames(t, open[0], 1)
}

// askTCP reports whether a new connection gets an answer.
func askTCP(t *testing.T, at netip.AddrPort, pkt []byte) bool {
	conn, err := net.Dial("tcp", at.String())
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	conn.Write(frame(pkt))
	_, err = io.ReadFull(conn, make([]byte, 2))
	return err == nil
}
