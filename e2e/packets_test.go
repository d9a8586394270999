//go:build e2e

package e2e

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Broken packets at a time, before a good one shows that the server has come
// through: no more than its socket keeps.
const packetRound = 32

// packetsToSend is how many broken packets are sent.
func packetsToSend(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("STEERDNS_PACKETS"))
	if err != nil && os.Getenv("STEERDNS_PACKETS") != "" {
		t.Fatal(err)
	}
	if n == 0 {
		return 300_000
	}
	return n
}

// breakage is broken packets on their way.
type breakage struct {
	server                      string
	good                        [][]byte
	left                        atomic.Int64
	sent, replies, rounds, lost atomic.Int64
	conns                       atomic.Int64 // TCP connections
}

// overUDP sends rounds of broken packets, each followed by a query that has to
// be answered.
func (b *breakage) overUDP(seed uint64) error {
	conn, err := net.Dial("udp", b.server)
	if err != nil {
		return err
	}
	defer conn.Close()
	broken, buf := newBreaker(b.good, seed), make([]byte, 4096)
	for id := uint16(1); b.left.Add(-packetRound) >= 0; id++ {
		for range packetRound {
			if _, err := conn.Write(broken.next()); err == nil {
				b.sent.Add(1)
			}
		}
		b.rounds.Add(1)
		if !b.answered(conn, id, buf) {
			b.lost.Add(1)
		}
	}
	return nil
}

// answered asks for an address and reads until it comes.
func (b *breakage) answered(conn net.Conn, id uint16, buf []byte) bool {
	name := fmt.Sprintf("mark-%d.wild.gslb.example.com.", id)
	m := new(dns.Msg)
	m.SetQuestion(name, dns.TypeA)
	pkt, err := m.Pack()
	if err != nil {
		return false
	}
	if _, err := conn.Write(pkt); err != nil {
		return false
	}
	conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return false
		}
		b.replies.Add(1)
		r := new(dns.Msg)
		if binary.BigEndian.Uint16(buf) == m.Id && n > 12 && r.Unpack(buf[:n]) == nil && len(r.Answer) == 1 && r.Answer[0].Header().Name == name {
			return true
		}
	}
}

// overTCP sends broken packets as frames, cut anywhere, and now and then with a
// wrong length, until the server ends the connection; then the next one.
func (b *breakage) overTCP(seed uint64) error {
	broken := newBreaker(b.good, seed)
	for b.left.Load() > 0 {
		conn, err := net.Dial("tcp", b.server)
		if err != nil {
			return err
		}
		b.conns.Add(1)
		b.feed(conn, broken)
		conn.Close()
	}
	return nil
}

func (b *breakage) feed(conn net.Conn, broken *breaker) {
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 16<<10)
		for {
			if _, err := conn.Read(buf); err != nil {
				return
			}
		}
	}()
	for range packetRound {
		pkt := broken.next()
		length := len(pkt)
		if broken.IntN(50) == 0 {
			length = broken.IntN(1 << 16)
		}
		frame := append(binary.BigEndian.AppendUint16(nil, uint16(length)), pkt...)
		cut := broken.IntN(len(frame))
		_, err := conn.Write(frame[:cut])
		if err == nil {
			_, err = conn.Write(frame[cut:])
		}
		if err != nil || b.left.Add(-1) < 0 {
			break
		}
		b.sent.Add(1)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.CloseWrite()
	}
	<-ended
}

// vitals are what a process uses.
type vitals struct{ rssKiB, goroutines, panics int }

func (l *lone) vitals(t *testing.T, p *process) vitals {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, metrics, err := get(l.Admin, "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	return vitals{number(t, string(status), `VmRSS:\s+(\d+)`), number(t, metrics, `\ngo_goroutines (\d+)`), number(t, metrics, `\nsteerdns_dns_panics_total (\d+)`)}
}

func number(t *testing.T, text, pattern string) int {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no %s in\n%s", pattern, text)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Broken packets in any number: the server lives, no goroutine and no memory
// stays behind, and ordinary queries beside them lose nothing.
// STEERDNS_PACKETS says how many; 10000000 take some minutes.
func TestBrokenPackets(t *testing.T) {
	l := loneInstance(t, write(t, t.TempDir(), "fleet.yaml", oneFleet), embedded(t), "")
	l.setDNS(t, "rrl: {rate: 100, log_only: true}")
	l.setDNS(t, "access: {deny: [192.0.2.0/24]}")
	p := l.serve(t)
	l.awaitReady(t, p)
	b := &breakage{server: l.DNS, good: goodPackets(t)}
	var at []vitals
	for part := range 5 { // the first one warms up
		b.left.Store(int64(packetsToSend(t) / 5))
		b.run(t, l, uint64(part)*100)
		at = append(at, l.vitals(t, p))
		t.Logf("after %d packets: %+v", b.sent.Load(), at[part])
	}
	t.Logf("%d packets, %d TCP connections; %d of %d ordinary queries between them lost", b.sent.Load(), b.conns.Load(), b.lost.Load(), b.rounds.Load())
	first, last := at[0], at[len(at)-1]
	if last.rssKiB > first.rssKiB+16<<10 || last.goroutines > first.goroutines+8 || last.panics > 0 || b.lost.Load() > 0 || !p.alive() {
		t.Errorf("from %+v to %+v, %d lost", first, last, b.lost.Load())
	}
	if strings.Contains(p.said.String(), "panic") {
		t.Error(tail(p.said.String(), 50))
	}
}

// run breaks packets until none is left, beside a prober.
func (b *breakage) run(t *testing.T, l *lone, seed uint64) {
	t.Helper()
	stop := make(chan struct{})
	ordinary := &honest{name: "ordinary"}
	var beside, senders sync.WaitGroup
	beside.Go(func() { ordinary.run(l.DNS, "127.0.0.1", "", stop) })
	for i, send := range []func(uint64) error{b.overUDP, b.overUDP, b.overUDP, b.overTCP} {
		senders.Go(func() {
			if err := send(seed + uint64(i)); err != nil {
				t.Error(err)
			}
		})
	}
	senders.Wait()
	close(stop)
	beside.Wait()
	if ordinary.lost.Load() > 0 {
		t.Errorf("%d of %d ordinary queries lost", ordinary.lost.Load(), ordinary.asked.Load())
	}
}
