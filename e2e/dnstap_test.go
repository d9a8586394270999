//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What others read of our dnstap: fstrm_capture takes it off the socket,
// dnstap-ldns prints it. The query log tells of the same queries.
func TestDnstapIsReadByOthers(t *testing.T) {
	dir := t.TempDir()
	socket, capture := filepath.Join(dir, "tap.sock"), filepath.Join(dir, "queries.dnstap")
	reader := start(t, "fstrm_capture", "-t", "protobuf:dnstap.Dnstap", "-u", socket, "-w", capture)
	await(t, patience, "the reader listens", func() error { _, err := os.Stat(socket); return err })
	l := loneInstance(t, write(t, t.TempDir(), "fleet.yaml", oneFleet), embedded(t), "")
	l.setDNS(t, "dnstap: {socket: "+socket+"}")
	l.setDNS(t, "query_log: {sample: 100%}")
	p := l.serve(t)
	l.awaitReady(t, p)
	await(t, patience, "it has its reader", func() error { return p.saidTimes("dnstap has a reader", 1) })
	for i := range 50 {
		for _, tcp := range []bool{false, true} {
			mustAsk(t, l.DNS, question{name: fmt.Sprintf("n%d.wild.gslb.example.com.", i), tcp: tcp})
		}
	}
	mustAsk(t, l.DNS, question{subnet: "198.51.100.0/24"})
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := reader.end(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	out := command(t, "dnstap-ldns", "-r", capture).must(t)
	for what, n := range map[string]int{" AQ 127.0.0.1": 101, " AR 127.0.0.1": 101, " UDP ": 102, " TCP ": 100, "n17.wild.gslb.example.com.": 4} {
		if got := strings.Count(out, what); got != n {
			t.Errorf("%d times %q, want %d, in\n%s", got, what, n, tail(out, 5))
		}
	}
	if n := strings.Count(p.said.String(), " msg=query "); n != 101 {
		t.Errorf("%d queries in the log", n)
	}
	line := linesWith(p.said.String(), "name=www.gslb.example.com.")
	for _, want := range []string{"client=127.0.0.1", "transport=udp", "type=A", "subnet=198.51.100.0/24", "scope=", "rcode=NOERROR",
		"octets=", "zone=gslb.example.com", "service=www.gslb.example.com", "reason=", "region=home", "epoch=", "took="} {
		if !strings.Contains(line, want) {
			t.Errorf("no %s in %s", want, line)
		}
	}
}
