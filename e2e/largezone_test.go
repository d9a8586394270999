//go:build e2e

package e2e

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestLargeZoneReloads changes a zone of STEERDNS_RECORDS (default 100,000)
// addresses, of which the fleet file holds only the sum, while queries go on: none
// may be lost, and a copy with another sum is refused whole.
func TestLargeZoneReloads(t *testing.T) {
	records := environment(t, "STEERDNS_RECORDS", 100_000)
	dir := t.TempDir()
	path := filepath.Join(dir, "fleet.yaml")
	write(t, dir, "fleet.yaml", largeFleet(t, dir, "first.zone", records, "192.0.2.1"))
	l := loneInstance(t, path, embedded(t), "")
	began := time.Now()
	p := l.serve(t)
	l.awaitReady(t, p)
	a, err := newAsker(peer{"steerdns", l.DNS})
	if err != nil {
		t.Fatal(err)
	}
	defer a.udp.Close()
	awaitMarker(t, a, "192.0.2.1")
	t.Logf("%d records: ready after %s, %s", records, time.Since(began).Round(time.Millisecond), memoryOf(t, p))

	stop, slowest := make(chan struct{}), make(chan time.Duration)
	go func() { slowest <- askOn(t, l.DNS, records, stop) }()
	second := largeFleet(t, dir, "second.zone", records, "192.0.2.2")
	began = time.Now()
	if !l.reload(t, p, path, second) {
		t.Fatal("refused")
	}
	awaitMarker(t, a, "192.0.2.2")
	t.Logf("reloaded after %s, %s", time.Since(began).Round(time.Millisecond), memoryOf(t, p))
	close(stop)
	t.Logf("slowest reply meanwhile: %s", <-slowest)

	write(t, dir, "second.zone", zoneOfAddresses(records, "192.0.2.3"))
	if l.reload(t, p, path, second) || !strings.Contains(p.said.String(), "has another sum") {
		t.Errorf("a copy with another sum: %s", tail(p.said.String(), 2))
	}
	awaitMarker(t, a, "192.0.2.2")
}

func zoneOfAddresses(records int, marker string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "$TTL 300\n@ SOA ns hostmaster 1 7200 900 1209600 60\n@ NS ns.example.net.\nmarker A %s\n", marker)
	for i := range records {
		fmt.Fprintf(&text, "host-%d A 192.0.%d.%d\n", i, i/256%256, i%256)
	}
	return text.String()
}

// largeFleet writes the zone, and returns a fleet file that pins it.
func largeFleet(t *testing.T, dir, name string, records int, marker string) string {
	t.Helper()
	text := zoneOfAddresses(records, marker)
	path := write(t, dir, name, text)
	return fmt.Sprintf(`zones:
  - {name: big.example.com, file: %q, sha256: "%x"}
regions:
  - {name: home, latitude: 51.51, longitude: -0.13, country: GB}
`, path, sha256.Sum256([]byte(text)))
}

func awaitMarker(t *testing.T, a *asker, want string) {
	t.Helper()
	await(t, patience, "the zone with "+want+" is served", func() error {
		m, err := a.ask("marker.big.example.com.", dns.TypeA)
		if err == nil && (len(m.Answer) != 1 || !strings.HasSuffix(m.Answer[0].String(), want)) {
			err = fmt.Errorf("%v", m)
		}
		return err
	})
}

// askOn asks one name after the other until stop, and returns the longest wait.
func askOn(t *testing.T, server string, records int, stop <-chan struct{}) (slowest time.Duration) {
	a, err := newAsker(peer{"steerdns", server})
	if err != nil {
		t.Error(err)
		return 0
	}
	defer a.udp.Close()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return slowest
		default:
		}
		m := new(dns.Msg)
		m.SetQuestion(fmt.Sprintf("host-%d.big.example.com.", i*7919%records), dns.TypeA)
		began := time.Now()
		r, err := a.exchange(m, patience) // a starved machine is slow; what is lost never comes
		if err != nil || len(r.Answer) != 1 {
			t.Errorf("query %d: %v %v", i, r, err)
			return slowest
		}
		slowest = max(slowest, time.Since(began))
	}
}

// memoryOf tells a process' resident memory and its peak.
func memoryOf(t *testing.T, p *process) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(p.cmd.Process.Pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "VmHWM") || strings.HasPrefix(line, "VmRSS") {
			out = append(out, strings.Join(strings.Fields(line), " "))
		}
	}
	return strings.Join(out, ", ")
}
