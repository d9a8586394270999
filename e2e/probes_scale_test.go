//go:build e2e

package e2e

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// crowd is a server that answers for every address of 127.0.0.0/8 on one port,
// and notes when each was asked.
type crowd struct {
	port int

	mu    sync.Mutex
	asked map[string][]time.Time // by address
	sick  func(addr string) bool
}

func newCrowd(t *testing.T, secure bool) *crowd {
	t.Helper()
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if secure {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{shortLived(t)}})
	}
	c := &crowd{port: port, asked: map[string][]time.Time{}, sick: func(string) bool { return false }}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.note(conn)
			serving.Go(func() { c.serve(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	return c
}

func (c *crowd) note(conn net.Conn) {
	now, addr := time.Now(), conn.LocalAddr().(*net.TCPAddr).IP.String()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked[addr] = append(c.asked[addr], now)
}

func (c *crowd) serve(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, 1024)
	if _, err := conn.Read(buf); err != nil {
		return
	}
	c.mu.Lock()
	sick := c.sick(conn.LocalAddr().(*net.TCPAddr).IP.String())
	c.mu.Unlock()
	status := "200 OK"
	if sick {
		status = "503 Service Unavailable"
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 "+status+"\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
}

// infect makes addresses sick from now on.
func (c *crowd) infect(sick func(addr string) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sick = sick
}

// rhythm is how far the starts of probes lie outside interval ±10 %, over all
// addresses, ascending, and how many gaps were seen since a moment.
func (c *crowd) rhythm(since time.Time, interval time.Duration) (off []time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, at := range c.asked {
		for i := 1; i < len(at); i++ {
			if gap := at[i].Sub(at[i-1]); at[i-1].After(since) {
				off = append(off, max(0, gap-interval*11/10, interval*9/10-gap))
			}
		}
	}
	slices.Sort(off)
	return off
}

func crowdAddress(i int) string { return fmt.Sprintf("127.%d.%d.%d", 1+i>>16, i>>8&255, i&255) }

// crowdFleet is a fleet of n endpoints, 100 to a service, in one region.
func crowdFleet(n, port int, check string, interval time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, `zones:
  - name: gslb.example.com
    soa: {mname: ns1.gslb.example.com}
    ns: [ns1.example.net]
regions:
  - {name: home, latitude: 51.51, longitude: -0.13}
checks:
  - {name: web, type: %s, port: %d, path: /healthz, status: 200, interval: %dms, timeout: %dms, fall: 1, rise: 1}
services:
`, check, port, interval.Milliseconds(), min(2000, interval.Milliseconds()))
	for i := range n {
		if i%100 == 0 {
			fmt.Fprintf(&b, "  - name: s%d.gslb.example.com\n    check: web\n    policy: [healthy, near, balance, take: 3]\n    endpoints:\n      home:\n", i/100)
		}
		fmt.Fprintf(&b, "        - %s\n", crowdAddress(i))
	}
	return strings.ReplaceAll(b.String(), "take: 3]", "{take: {count: 3, regions: 1}}]")
}

// scrape is all metrics of an instance, summed over labels.
func scrape(t *testing.T, admin string) map[string]float64 {
	t.Helper()
	resp, err := http.Get("http://" + admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out := map[string]float64{}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		line := lines.Text()
		if i := strings.LastIndex(line, " "); i >= 0 && !strings.HasPrefix(line, "#") {
			name, _, _ := strings.Cut(line[:i], "{")
			v, _ := strconv.ParseFloat(line[i+1:], 64) // the exposition has nothing else there
			out[name] += v
		}
	}
	return out
}

// sockets counts this namespace's TCP sockets that have the port at either
// end, by state (06 is TIME-WAIT).
func sockets(t *testing.T, port int) map[string]int {
	t.Helper()
	text, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	want := ":" + strings.ToUpper(hex.EncodeToString([]byte{byte(port >> 8), byte(port)}))
	out := map[string]int{}
	for _, line := range strings.Split(string(text), "\n")[1:] {
		f := strings.Fields(line)
		if len(f) > 3 && (strings.HasSuffix(f[1], want) || strings.HasSuffix(f[2], want)) {
			out[f[3]]++
		}
	}
	return out
}

func fromEnv(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// TestProbesScale probes many endpoints from one instance: the long form is
//
//	STEERDNS_PROBE_TARGETS=10000 STEERDNS_PROBE_INTERVAL_MS=5000 STEERDNS_PROBE_SECONDS=60 STEERDNS_PROBE_TYPE=http
//
// It tells the share of CPU, the sockets and the jitter of the schedule; then a
// tenth of the endpoints flap at once, and it tells the writes to the store.
func TestProbesScale(t *testing.T) {
	n := fromEnv("STEERDNS_PROBE_TARGETS", 300)
	interval := time.Duration(fromEnv("STEERDNS_PROBE_INTERVAL_MS", 1000)) * time.Millisecond
	length := time.Duration(fromEnv("STEERDNS_PROBE_SECONDS", 5)) * time.Second
	check := cmp.Or(os.Getenv("STEERDNS_PROBE_TYPE"), "http")
	c := newCrowd(t, check != "http")
	if check == "https" {
		check = "https, skip_verify: true"
	}
	dir := t.TempDir()
	in := loneInstance(t, write(t, dir, "fleet.yaml", crowdFleet(n, c.port, check, interval)), embedded(t), "")
	in.awaitReady(t, in.serve(t))
	await(t, patience+2*interval, "every endpoint was probed and is voted on", func() error {
		m := scrape(t, in.Admin)
		if m["steerdns_probe_targets"] != float64(n) || m["steerdns_votes"] != float64(n) || m["steerdns_probe_duration_seconds_count"] < float64(n) {
			return fmt.Errorf("%v targets, %v votes, %v probes", m["steerdns_probe_targets"], m["steerdns_votes"], m["steerdns_probe_duration_seconds_count"])
		}
		return nil
	})
	time.Sleep(2 * interval) // the spread of the first interval is behind us
	c.steady(t, in, interval, length)
	c.flapping(t, in, n/10, interval, length)
}

// steady measures a time in which nothing happens.
func (c *crowd) steady(t *testing.T, in *lone, interval, length time.Duration) {
	t.Helper()
	before, began := scrape(t, in.Admin), time.Now()
	most := map[string]int{}
	for time.Since(began) < length {
		for state, k := range sockets(t, c.port) {
			most[state] = max(most[state], k)
		}
		time.Sleep(length / 20)
	}
	after, took := scrape(t, in.Admin), time.Since(began).Seconds()
	diff := func(name string) float64 { return after[name] - before[name] }
	probes := diff("steerdns_probe_duration_seconds_count")
	off := c.rhythm(began, interval)
	t.Logf("steady: %.0f probes/s, CPU %.1f %% of a core (%.0f µs a probe), RSS %.0f MB, %.0f descriptors, %.0f goroutines, late starts %.2f %%",
		probes/took, 100*diff("process_cpu_seconds_total")/took, 1e6*diff("process_cpu_seconds_total")/probes,
		after["process_resident_memory_bytes"]/1e6, after["process_open_fds"], after["go_goroutines"], 100*diff("steerdns_probe_late_starts_total")/probes)
	t.Logf("steady: beyond interval ±10 %%: median %s, 99 %% %s, 99.9 %% %s, most %s of %d gaps; most sockets by state %v; store writes %.2f/s",
		off[len(off)/2], off[len(off)*99/100], off[len(off)*999/1000], off[len(off)-1], len(off), most, diff("steerdns_store_writes_total")/took)
	if want := probes * interval.Seconds() / took; want < 0.9*after["steerdns_probe_targets"] {
		t.Errorf("%.0f probes in %.0f s are too few", probes, took)
	}
	if most["06"] > 10 {
		t.Errorf("%d sockets in TIME-WAIT", most["06"])
	}
}

// flapping makes the first n endpoints sick and well again in turn.
func (c *crowd) flapping(t *testing.T, in *lone, n int, interval, length time.Duration) {
	t.Helper()
	flaps := map[string]bool{}
	for i := range n {
		flaps[crowdAddress(i)] = true
	}
	began := time.Now()
	c.infect(func(addr string) bool { return flaps[addr] && time.Since(began)/interval%2 == 0 })
	before := scrape(t, in.Admin)
	time.Sleep(length)
	after, took := scrape(t, in.Admin), time.Since(began).Seconds()
	c.infect(func(string) bool { return false })
	diff := func(name string) float64 { return after[name] - before[name] }
	writes, changes := diff("steerdns_store_writes_total"), diff("steerdns_transitions_total")
	t.Logf("flapping: %d endpoints, %.0f verdicts changed, %.2f writes/s to the store, CPU %.1f %% of a core, RSS %.0f MB", n, changes, writes/took,
		100*diff("process_cpu_seconds_total")/took, after["process_resident_memory_bytes"]/1e6)
	if most := 20 + 2.5*took; writes > most { // a burst of ten, then two a second
		t.Errorf("%.0f writes in %.0f s, want at most %.0f", writes, took, most)
	}
	if writes == 0 || changes == 0 {
		t.Error("nothing flapped")
	}
}
