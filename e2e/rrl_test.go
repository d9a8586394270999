//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// flood is what many addresses of one network sent and got.
type flood struct {
	sent, sentOctets, got, gotOctets atomic.Int64
}

func (f *flood) factor() float64 { return float64(f.gotOctets.Load()) / float64(f.sentOctets.Load()) }

func (f *flood) String() string {
	return fmt.Sprintf("%d queries of %d octets got %d replies of %d octets: %.3f octets out for one in",
		f.sent.Load(), f.sentOctets.Load(), f.got.Load(), f.gotOctets.Load(), f.factor())
}

// floodPause is what a flood rests after one query of every address: it is to
// be far above any rate, and yet no more than the machine carries, so that
// what others lose they lose to rate limiting.
const floodPause = 20 * time.Millisecond

// floodFrom asks from every address of a /24 on loopback, over and over, until
// the time is over.
func floodFrom(t *testing.T, network, server string, query []byte, length time.Duration) *flood {
	t.Helper()
	f := &flood{}
	to, err := net.ResolveUDPAddr("udp", server)
	if err != nil {
		t.Fatal(err)
	}
	var conns []*net.UDPConn
	var readers sync.WaitGroup
	for i := 1; i < 255; i++ {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(fmt.Sprintf("%s.%d", network, i))})
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		readers.Go(func() { f.read(c) })
	}
	for until := time.Now().Add(length); time.Now().Before(until); {
		for _, c := range conns {
			if n, err := c.WriteToUDP(query, to); err == nil {
				f.sent.Add(1)
				f.sentOctets.Add(int64(n))
			}
		}
		time.Sleep(floodPause)
	}
	for _, c := range conns {
		c.SetReadDeadline(time.Now().Add(300 * time.Millisecond)) // what is still under way counts
	}
	readers.Wait()
	for _, c := range conns {
		c.Close()
	}
	return f
}

func (f *flood) read(c *net.UDPConn) {
	buf := make([]byte, 4096)
	for {
		n, _, err := c.ReadFromUDP(buf)
		if err != nil {
			return
		}
		f.got.Add(1)
		f.gotOctets.Add(int64(n))
	}
}

// honest asks one question over and over until stopped, and counts what stays
// without the answer.
type honest struct {
	name        string
	asked, lost atomic.Int64
}

func (h *honest) run(server, source, cookie string, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		conn, err := question{source: source}.dial(server)
		if err == nil {
			m := question{name: "ns1.gslb.example.com."}.message()
			if cookie != "" {
				m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: cookie})
			}
			var r reply
			r, err = exchange(conn, m, 2*time.Second)
			if err == nil && (r.Truncated || len(r.addresses()) == 0) {
				err = fmt.Errorf("%v", r.Msg)
			}
			conn.Close()
		}
		h.asked.Add(1)
		if err != nil {
			h.lost.Add(1)
		}
		time.Sleep(100 * time.Millisecond) // its pace, half the rate
	}
}

// cookieFor gets a server cookie for a client address.
func cookieFor(t *testing.T, server, source string) string {
	t.Helper()
	conn, err := question{source: source}.dial(server)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	m := question{name: "ns1.gslb.example.com."}.message()
	m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"})
	r, err := exchange(conn, m, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range r.IsEdns0().Option {
		if c, ok := o.(*dns.EDNS0_COOKIE); ok {
			return c.Cookie
		}
	}
	t.Fatalf("no cookie in\n%v", r.Msg)
	return ""
}

// A flood under forged addresses of one network: without rate limiting it
// grows manifold, with it it shrinks, and neither a client with a cookie in that
// network nor one of another network loses an answer.
func TestForgedFloodShrinks(t *testing.T) {
	m := question{name: "long.gslb.example.com.", qtype: dns.TypeTXT}.message()
	query, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	fleet := write(t, t.TempDir(), "fleet.yaml", strings.Replace(oneFleet, "      @       TXT   \"one\"\n",
		"      @       TXT   \"one\"\n      long    TXT   \""+longText+"\" \""+longText+"\" \""+longText+"\" \""+longText+"\"\n", 1))
	for _, c := range []struct {
		name, line  string
		least, most float64
	}{
		{"off", "", 10, 100},
		{"on", "rrl: {rate: 20}", 0, 1},
		{"slipping always", "rrl: {rate: 20, slip: 1}", 0, 1.1},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := loneInstance(t, fleet, embedded(t), "")
			if c.line != "" {
				l.setDNS(t, c.line)
			}
			l.awaitReady(t, l.serve(t))
			others := []*honest{{name: "another network"}, {name: "the same network, with a cookie"}}
			cookie := cookieFor(t, l.DNS, "127.0.1.77")
			stop := make(chan struct{})
			var running sync.WaitGroup
			running.Go(func() { others[0].run(l.DNS, "127.0.2.1", "", stop) })
			running.Go(func() { others[1].run(l.DNS, "127.0.1.77", cookie, stop) })
			f := floodFrom(t, "127.0.1", l.DNS, query, 3*time.Second)
			close(stop)
			running.Wait()
			t.Log(f)
			if got := f.factor(); got < c.least || got >= c.most {
				t.Errorf("factor %.3f, want from %v to below %v", got, c.least, c.most)
			}
			for _, h := range others {
				t.Logf("%s: %d asked, %d lost", h.name, h.asked.Load(), h.lost.Load())
				if c.line != "" && (h.lost.Load() > 0 || h.asked.Load() < 10) {
					t.Errorf("%s: %d of %d lost", h.name, h.lost.Load(), h.asked.Load())
				}
			}
		})
	}
}
