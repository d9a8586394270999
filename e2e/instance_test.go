//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// oneFleet is a fleet file of one region with what protocol tests ask for.
const oneFleet = `zones:
  - name: gslb.example.com
    soa: {mname: ns1.gslb.example.com, rname: hostmaster.example.com, negative_ttl: 7s}
    ns: [ns1.gslb.example.com]
    records: |
      ns1     A     127.0.0.1
      @       TXT   "one"
      shop    CNAME www
      *.wild  A     192.0.2.77
      child   NS    ns.child
      ns.child A    192.0.2.53
      big     TXT   "` + longText + `" "` + longText + `" "` + longText + `" "` + longText + `" "` + longText + `" "` + longText + `" "` + longText + `"
regions:
  - {name: home, latitude: 51.51, longitude: -0.13, country: GB}
checks:
  - {name: web, type: tcp, port: 9}
services:
  - name: www.gslb.example.com
    check: web
    endpoints:
      home: # probed on loopback: nothing leaves this machine
        - {address: 192.0.2.10, probe: 127.0.0.1}
        - {address: 192.0.2.11, probe: 127.0.0.1}
        - {address: "2001:db8::10", probe: 127.0.0.1}
`

const longText = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" +
	"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"

// lone is an instance of its own.
type lone struct {
	*part
	dir, config string
}

// loneInstance writes the files of an instance; fleet and store are lines of
// its instance file.
func loneInstance(t *testing.T, fleet, store, listen string) *lone {
	t.Helper()
	dir := t.TempDir()
	l := &lone{part: &part{Name: "lone", Region: "home", Admin: fmt.Sprintf("127.0.0.1:%d", freePort(t))}, dir: dir}
	port := freePort(t)
	l.DNS = fmt.Sprintf("127.0.0.1:%d", port)
	if listen == "" {
		listen = fmt.Sprintf("%q", l.DNS)
	} else {
		listen = strings.ReplaceAll(listen, "PORT", fmt.Sprint(port))
	}
	l.config = write(t, dir, "lone.yaml", fmt.Sprintf(
		"name: lone\nregion: home\nfleet: %s\ndata: %s\nstore:\n  %s\ndns:\n  listen: [%s]\n  workers: 1\nadmin: {listen: %q}\n",
		fleet, filepath.Join(dir, "data"), store, listen, l.Admin))
	return l
}

// embedded is the line of an instance file for a store of its own.
func embedded(t *testing.T) string {
	return "embedded: {dir: " + filepath.Join(t.TempDir(), "etcd") + "}"
}

// deadStore is one for a cluster that nobody runs.
func deadStore(t *testing.T) string {
	return fmt.Sprintf("etcd: {endpoints: [\"http://127.0.0.1:%d\"]}", freePort(t))
}

func (l *lone) serve(t *testing.T) *process {
	t.Helper()
	return start(t, program, "serve", "--config", l.config)
}

func (l *lone) awaitReady(t *testing.T, p *process) {
	t.Helper()
	await(t, patience, "the instance is ready", func() error {
		if !p.alive() {
			t.Fatalf("it ended:\n%s", p.said)
		}
		status, body, err := get(l.Admin, "/readyz")
		if err == nil && status != 200 {
			err = fmt.Errorf("%d %s", status, body)
		}
		return err
	})
}

// A reply must come from the address that was asked, or no client takes it:
// a connected socket sees nothing else.
func TestReplyLeavesFromTheAddressAsked(t *testing.T) {
	l := loneInstance(t, write(t, t.TempDir(), "fleet.yaml", oneFleet), embedded(t), `"0.0.0.0:PORT", "[::]:PORT"`)
	l.awaitReady(t, l.serve(t))
	_, port, _ := net.SplitHostPort(l.DNS)
	for _, host := range []string{"127.0.0.1", "127.0.0.5", "127.9.8.7", "::1"} {
		for _, tcp := range []bool{false, true} {
			mustAsk(t, net.JoinHostPort(host, port), question{tcp: tcp})
		}
	}
	wantFrom(t, "127.0.0.5:"+port)
	out := command(t, "dig", "@127.0.0.5", "-p", port, "+time=2", "+tries=1", "www.gslb.example.com").must(t)
	if strings.Contains(out, "unexpected source") || !strings.Contains(out, "192.0.2.10") {
		t.Errorf("dig @127.0.0.5:\n%s", out)
	}
}

// wantFrom reads the sender of a reply off an unconnected socket.
func wantFrom(t *testing.T, server string) {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	query, err := question{}.message().Pack()
	if err != nil {
		t.Fatal(err)
	}
	to, err := net.ResolveUDPAddr("udp", server)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pc.WriteTo(query, to); err != nil {
		t.Fatal(err)
	}
	if err := pc.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, from, err := pc.ReadFrom(make([]byte, 1500))
	if err != nil || from.String() != server {
		t.Errorf("asked %s, the reply is from %v (%v)", server, from, err)
	}
}

// SIGTERM: the process ends within three seconds and takes its record along.
func TestInstanceLeavesCleanly(t *testing.T) {
	d := wholeDemo(t)
	in := d.find(t, "us-west-2")
	p := probe(t, []*part{d.Instances[0], d.Instances[4]}, london)
	began := time.Now()
	d.signal(t, syscall.SIGTERM, in.Name)
	await(t, 3*time.Second, "the instance ends", func() error { return absent(in.PID) })
	t.Logf("ended %s after SIGTERM", time.Since(began).Round(time.Millisecond))
	await(t, 2*time.Second, "its record leaves the store", func() error { return d.knows(len(d.Instances) - 1) })
	if log := d.log(t, in.Name); !strings.Contains(tail(log, 1), "stopped") {
		t.Errorf("its last words are not a clean end:\n%s", tail(log, 5))
	}
	await(t, patience, "the demo tells of it", func() error {
		if !strings.Contains(d.said.String(), fmt.Sprintf("us-west-2 (pid %d) ended: exit status 0", in.PID)) {
			return fmt.Errorf("%s", tail(d.said.String(), 3))
		}
		return nil
	})
	d.revive(t, in.Name)
	d.awaitWhole(t)
	p.stop()
	p.wantNoFailure(t)
	p.wantOneAnswerEach(t)
}

func TestTakenPortIsAClearMessage(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	fleet := write(t, t.TempDir(), "fleet.yaml", oneFleet)
	for name, alter := range map[string]func(*lone) (from, to string){
		"DNS over TCP": func(l *lone) (string, string) { return l.DNS, taken.Addr().String() },
		"DNS over UDP": func(l *lone) (string, string) { return l.DNS, udp.LocalAddr().String() },
		"admin":        func(l *lone) (string, string) { return l.Admin, taken.Addr().String() },
	} {
		t.Run(name, func(t *testing.T) {
			l := loneInstance(t, fleet, embedded(t), "")
			from, to := alter(l)
			text, err := os.ReadFile(l.config)
			if err != nil {
				t.Fatal(err)
			}
			write(t, l.dir, "lone.yaml", strings.Replace(string(text), from, to, 1))
			r := steerdns(t, "serve", "--config", l.config)
			if r.status != 1 || !strings.Contains(r.errs, to) || !strings.Contains(r.errs, "in use") || strings.Contains(r.errs, "goroutine ") {
				t.Errorf("status %d:\n%s%s", r.status, r.out, r.errs)
			}
		})
	}
	t.Run("demo", func(t *testing.T) {
		demo, err := net.Listen("tcp", "127.0.0.1:8303")
		if err != nil {
			t.Fatal(err)
		}
		defer demo.Close()
		r := steerdns(t, "demo")
		if r.status != 1 || !strings.Contains(r.errs, "127.0.0.1:8303 is taken") || strings.Contains(r.errs, "goroutine ") {
			t.Errorf("status %d:\n%s%s", r.status, r.out, r.errs)
		}
	})
}

// Without store and saved state nothing is known of steered names, which is
// not the same as knowing that there is nothing.
func TestColdStartWithoutAnything(t *testing.T) {
	t.Run("fleet file in etcd", func(t *testing.T) {
		l := loneInstance(t, "etcd", deadStore(t), "")
		l.serve(t)
		l.wantUnready(t, "no fleet file is known yet")
		for _, name := range []string{service, "nothing.gslb.example.com."} {
			l.wantRcode(t, name, dns.RcodeServerFailure)
		}
	})
	t.Run("fleet file on disk", func(t *testing.T) {
		l := loneInstance(t, write(t, t.TempDir(), "fleet.yaml", oneFleet), deadStore(t), "")
		l.serve(t)
		await(t, patience, "static names are answered", func() error { return l.rcode("ns1.gslb.example.com.", dns.RcodeSuccess) })
		l.wantUnready(t, "no verdicts are known yet")
		l.wantRcode(t, service, dns.RcodeServerFailure)
		l.wantRcode(t, "shop.gslb.example.com.", dns.RcodeServerFailure)
		l.wantRcode(t, "nothing.gslb.example.com.", dns.RcodeNameError)
	})
}

func (l *lone) wantUnready(t *testing.T, why string) {
	t.Helper()
	await(t, patience, "readyz says "+why, func() error {
		status, body, err := get(l.Admin, "/readyz")
		if err == nil && (status != 503 || !strings.Contains(body, why)) {
			err = fmt.Errorf("%d %s", status, body)
		}
		return err
	})
}

func (l *lone) rcode(name string, want int) error {
	r, err := ask(l.DNS, question{name: name})
	if err == nil && r.Rcode != want {
		err = fmt.Errorf("%s: %s, want %s", name, dns.RcodeToString[r.Rcode], dns.RcodeToString[want])
	}
	return err
}

func (l *lone) wantRcode(t *testing.T, name string, want int) {
	t.Helper()
	if err := l.rcode(name, want); err != nil {
		t.Error(err)
	}
}

// With saved state the store is not needed to be ready, however the instance
// ended before.
func TestReadyFromSavedState(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			etcd := fmt.Sprintf("127.0.0.1:%d", freePort(t))
			server := start(t, program, "etcd", "--dir", filepath.Join(t.TempDir(), "etcd"), "--listen", etcd)
			l := loneInstance(t, "etcd", fmt.Sprintf("etcd: {endpoints: [\"http://%s\"]}", etcd), "")
			first := l.serve(t)
			fleet := write(t, l.dir, "fleet.yaml", oneFleet)
			await(t, patience, "apply", func() error {
				if r := steerdns(t, "apply", fleet, "--admin", l.Admin); r.status != 0 {
					return fmt.Errorf("%s", r.errs)
				}
				return nil
			})
			l.awaitReady(t, first)
			before := mustAsk(t, l.DNS, question{})
			await(t, patience, "the state is on disk", func() error { _, err := os.Stat(filepath.Join(l.dir, "data", "state")); return err })
			if err := server.end(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if err := first.end(sig); err != nil {
				t.Fatal(err)
			}
			l.awaitReady(t, l.serve(t))
			after := mustAsk(t, l.DNS, question{})
			if got, want := after.addresses(), before.addresses(); strings.Join(got, " ") != strings.Join(want, " ") {
				t.Errorf("from disk %v, before %v", got, want)
			}
		})
	}
}
