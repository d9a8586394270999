//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// peer is a server that serves the drawn zones.
type peer struct {
	name, addr string
}

// serveAll starts our server, NSD and Knot with the zones, and waits until each
// of them answers for all.
func serveAll(t *testing.T, zones []*drawn) []peer {
	t.Helper()
	dir := t.TempDir()
	for i, z := range zones {
		write(t, dir, fmt.Sprintf("%d.zone", i), z.text())
	}
	peers := []peer{serveOurs(t, dir, zones), serveNSD(t, dir, zones), serveKnot(t, dir, zones)}
	for _, p := range peers {
		for _, z := range zones {
			await(t, patience, p.name+" serves "+z.apex, func() error { return p.serves(z.apex) })
		}
	}
	return peers
}

func (p peer) serves(apex string) error {
	m := new(dns.Msg)
	m.SetQuestion(apex, dns.TypeSOA)
	r, _, err := (&dns.Client{Timeout: time.Second}).Exchange(m, p.addr)
	if err == nil && (r.Rcode != dns.RcodeSuccess || !r.Authoritative || len(r.Answer) != 1) {
		err = errors.New(dns.RcodeToString[r.Rcode])
	}
	return err
}

func serveOurs(t *testing.T, dir string, zones []*drawn) peer {
	t.Helper()
	var fleet strings.Builder
	fleet.WriteString("zones:\n")
	for i, z := range zones {
		fmt.Fprintf(&fleet, "  - {name: %q, file: %d.zone}\n", z.apex, i)
	}
	fleet.WriteString("regions:\n  - {name: home, latitude: 51.51, longitude: -0.13, country: GB}\n")
	l := loneInstance(t, write(t, dir, "fleet.yaml", fleet.String()), embedded(t), "")
	l.raiseUDP(t)
	l.awaitReady(t, l.serve(t))
	return peer{"steerdns", l.DNS}
}

func serveNSD(t *testing.T, dir string, zones []*drawn) peer {
	t.Helper()
	port := freePort(t)
	var conf strings.Builder
	fmt.Fprintf(&conf, `server:
	ip-address: 127.0.0.1@%d
	username: ""
	zonesdir: %q
	pidfile: ""
	logfile: %q
	xfrdfile: ""
	zonelistfile: %q
	ipv4-edns-size: 4096
	rrl-ratelimit: 0
	server-count: 1
	refuse-any: no
remote-control:
	control-enable: no
`, port, dir, filepath.Join(dir, "nsd.log"), filepath.Join(dir, "nsd.list"))
	for i, z := range zones {
		fmt.Fprintf(&conf, "zone:\n\tname: %q\n\tzonefile: %d.zone\n", z.apex, i)
	}
	// NSD's children outlive it for a moment, and its sockets are shared.
	t.Cleanup(func() { await(t, patience, "nsd has left its port", func() error { return unbound(port) }) })
	start(t, "nsd", "-d", "-c", write(t, dir, "nsd.conf", conf.String()))
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(filepath.Join(dir, "nsd.log"))
			t.Logf("nsd logged:\n%s", tail(string(text), 20))
		}
	})
	return peer{"nsd", fmt.Sprintf("127.0.0.1:%d", port)}
}

func serveKnot(t *testing.T, dir string, zones []*drawn) peer {
	t.Helper()
	port := freePort(t)
	var conf strings.Builder
	fmt.Fprintf(&conf, `server:
  listen: 127.0.0.1@%d
  rundir: %q
  udp-max-payload: 4096
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
  - target: stderr
    any: warning
database:
  storage: %q
template:
  - id: default
    storage: %q
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
    semantic-checks: off
zone:
`, port, dir, dir, dir)
	for i, z := range zones {
		fmt.Fprintf(&conf, "  - domain: %q\n    file: %d.zone\n", z.apex, i)
	}
	start(t, "knotd", "-c", write(t, dir, "knot.conf", conf.String()))
	return peer{"knot", fmt.Sprintf("127.0.0.1:%d", port)}
}

// asker asks one server over one socket, and again over TCP what does not fit.
type asker struct {
	peer
	udp *dns.Conn
}

func newAsker(p peer) (*asker, error) {
	conn, err := dns.Dial("udp", p.addr)
	if err != nil {
		return nil, err
	}
	conn.UDPSize = dns.MaxMsgSize
	return &asker{p, conn}, nil
}

func (a *asker) ask(name string, qtype uint16) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.SetQuestion(name, qtype)
	m.RecursionDesired = false
	m.SetEdns0(4096, false)
	var failed error
	for range 5 { // a busy machine drops datagrams
		r, err := a.exchange(m, 2*time.Second)
		if err != nil {
			failed = err
			continue
		}
		if r.Truncated {
			r, _, err = (&dns.Client{Net: "tcp", Timeout: 5 * time.Second}).Exchange(m, a.addr)
		}
		return r, err
	}
	return nil, fmt.Errorf("%s does not answer: %w", a.name, failed)
}

func (a *asker) exchange(m *dns.Msg, within time.Duration) (*dns.Msg, error) {
	if err := a.udp.SetDeadline(time.Now().Add(within)); err != nil {
		return nil, err
	}
	if err := a.udp.WriteMsg(m); err != nil {
		return nil, err
	}
	for {
		r, err := a.udp.ReadMsg()
		if err != nil || r.Id == m.Id {
			return r, err
		}
	}
}

// raiseUDP lets the instance send what the peers are let send.
func (l *lone) raiseUDP(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(l.config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, l.dir, filepath.Base(l.config), strings.Replace(string(text), "workers: 1\n", "workers: 1\n  max_udp_size: 4096\n", 1))
}

// unbound wants a UDP port of 127.0.0.1 that nobody has.
func unbound(port int) error {
	pc, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err == nil {
		err = pc.Close()
	}
	return err
}
