//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// The zones that are given out: one that changes by itself, and a large one.
const (
	steeredZone = "gslb.example.com."
	largeZone   = "large.example.net."
)

const transferFleet = `zones:
  - name: gslb.example.com
    soa: {mname: ns1.gslb.example.com, rname: hostmaster.example.com}
    ns: [ns1.gslb.example.com]
    records: |
      ns1    A    192.0.2.1
      sub    NS   ns.sub
      ns.sub A    192.0.2.3
      *.w    TXT  "wild"
      old    DNAME www
    transfer: {allow: [{prefix: 127.0.0.0/8, key: backup}], notify: NOTIFY}
  - name: large.example.net
    file: large.zone
    transfer: {allow: [{key: backup}], notify: NOTIFY}
regions:
  - {name: us-east, latitude: 38.95, longitude: -77.45, country: US, min_up: 0%, hold: 1s}
  - {name: eu-west, latitude: 53.35, longitude: -6.26, country: IE, min_up: 0%, hold: 1s}
checks:
  - {name: web, type: tcp, port: 8080, interval: 300ms, timeout: 250ms, fall: 2, rise: 2}
services:
  - name: www.gslb.example.com
    check: web
    ttl: {min: 2s, max: 10s}
    policy: [healthy, near, balance, {take: {count: 1}}]
    https: {alpn: [h2]}
    endpoints:
      us-east: [127.0.71.1, 127.0.71.2]
      eu-west: [127.0.73.1]
`

// largeText is a zone of many records.
func largeText(serial, records int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "$ORIGIN large.example.net.\n$TTL 3600\n@ SOA ns1 hostmaster %d 3600 60 1209600 60\n@ NS ns1\nns1 A 192.0.2.1\n", serial)
	for i := range records {
		fmt.Fprintf(&b, "host-%d A 198.18.%d.%d\n", i, i>>8&0xff, i&0xff)
	}
	fmt.Fprintf(&b, "changes TXT \"%d\"\n", serial)
	return b.String()
}

// largeRecords is how many records the large zone has.
func largeRecords(t *testing.T) int {
	n, err := strconv.Atoi(envOr("STEERDNS_ZONE_RECORDS", "20000"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func envOr(name, def string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return def
}

// transferring is two instances that give zones out, and secondaries.
type transferring struct {
	dir, secret string
	records     int
	instances   [2]*part
	running     [2]*process
	backends    map[string]*process
	whole       *testing.T // lives as long as all its parts
	knot, nsd   string     // addresses
	knotd, nsdd *process
}

func newTransferring(t *testing.T) *transferring {
	t.Helper()
	x := &transferring{whole: t, dir: t.TempDir(), records: largeRecords(t), backends: map[string]*process{}}
	x.knot, x.nsd = fmt.Sprintf("127.0.0.1:%d", freePort(t)), fmt.Sprintf("127.0.0.1:%d", freePort(t))
	keys := command(t, "keymgr", "-t", "backup", "hmac-sha256").must(t)
	x.secret = regexp.MustCompile(`secret: (\S+)`).FindStringSubmatch(keys)[1]
	if err := os.WriteFile(filepath.Join(x.dir, "keys"), []byte(keys), 0o600); err != nil {
		t.Fatal(err)
	}
	notify := fmt.Sprintf("[{address: %q, key: backup}, {address: %q, key: backup}]", x.knot, x.nsd)
	write(t, x.dir, "fleet.yaml", strings.ReplaceAll(transferFleet, "NOTIFY", notify))
	write(t, x.dir, "large.zone", largeText(1, x.records))
	for _, a := range []string{"127.0.71.1", "127.0.71.2", "127.0.73.1"} {
		x.backends[a] = start(t, program, "backend", a, "--listen", a+":8080")
	}
	etcd := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	start(t, program, "etcd", "--dir", filepath.Join(x.dir, "etcd"), "--listen", etcd)
	for i, region := range []string{"us-east", "eu-west"} {
		x.serve(t, i, region, etcd)
	}
	x.startKnot(t)
	x.startNSD(t)
	return x
}

func (x *transferring) serve(t *testing.T, i int, region, etcd string) {
	t.Helper()
	p := &part{Name: region, Region: region, DNS: fmt.Sprintf("127.0.0.1:%d", freePort(t)), Admin: fmt.Sprintf("127.0.0.1:%d", freePort(t))}
	conf := write(t, x.dir, region+".yaml", fmt.Sprintf(
		"name: %s\nregion: %s\nfleet: fleet.yaml\ndata: %s-data\nstore: {etcd: {endpoints: [\"http://%s\"]}}\ndns: {listen: [%q], workers: 1, tsig_keys: keys}\nadmin: {listen: %q}\n",
		region, region, region, etcd, p.DNS, p.Admin))
	x.instances[i], x.running[i] = p, start(t, program, "serve", "--config", conf)
}

// at writes an address as Knot and NSD do.
func (x *transferring) at(address string) string { return strings.Replace(address, ":", "@", 1) }

func (x *transferring) startKnot(t *testing.T) {
	t.Helper()
	dir := filepath.Join(x.dir, "knot")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	conf := write(t, dir, "knot.conf", fmt.Sprintf(`server:
    rundir: %[1]s
    listen: %[2]s
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stdout
    any: info
database:
    storage: %[1]s
key:
  - id: backup
    algorithm: hmac-sha256
    secret: %[5]s
remote:
  - id: one
    address: %[3]s
    key: backup
  - id: two
    address: %[4]s
    key: backup
acl:
  - id: notified
    address: 127.0.0.1
    action: notify
    key: backup
  - id: read
    address: 127.0.0.1
    action: transfer
template:
  - id: default
    storage: %[1]s
    master: [one, two]
    acl: [notified, read]
zone:
  - domain: gslb.example.com
  - domain: large.example.net
`, dir, x.at(x.knot), x.at(x.instances[0].DNS), x.at(x.instances[1].DNS), x.secret))
	x.knotd = start(t, "knotd", "-c", conf)
}

func (x *transferring) startNSD(t *testing.T) {
	t.Helper()
	dir := filepath.Join(x.dir, "nsd")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	zone := func(name string) string {
		s := fmt.Sprintf("zone:\n  name: %s\n  zonefile: %s.zone\n", name, name)
		for _, in := range x.instances {
			s += fmt.Sprintf("  request-xfr: %s backup\n", x.at(in.DNS))
		}
		return s + "  allow-notify: 127.0.0.1 backup\n  provide-xfr: 127.0.0.1 NOKEY\n"
	}
	conf := write(t, dir, "nsd.conf", fmt.Sprintf(`server:
  server-count: 1
  ip-address: %[2]s
  username: ""
  chroot: ""
  zonesdir: %[1]s
  database: ""
  xfrdir: %[1]s
  xfrdfile: %[1]s/xfrd.state
  zonelistfile: %[1]s/zone.list
  pidfile: %[1]s/nsd.pid
  verbosity: 2
remote-control:
  control-enable: no
key:
  name: backup
  algorithm: hmac-sha256
  secret: "%[3]s"
`, dir, x.at(x.nsd), x.secret)+zone("gslb.example.com")+zone("large.example.net"))
	x.nsdd = start(t, "nsd", "-d", "-c", conf)
}

// serial is the serial that a server gives of a zone.
func serial(server, zone string) (uint32, error) {
	r, err := ask(server, question{name: zone, qtype: dns.TypeSOA})
	if err != nil {
		return 0, err
	}
	if len(r.Answer) != 1 || r.Rcode != dns.RcodeSuccess {
		return 0, fmt.Errorf("%s: %s, %d records", server, dns.RcodeToString[r.Rcode], len(r.Answer))
	}
	return r.Answer[0].(*dns.SOA).Serial, nil
}

// follows waits until a secondary has the zone as the instances have it, which
// agree, at a serial above the one before.
func (x *transferring) follows(t *testing.T, secondary, zone string, above uint32, within time.Duration) (now uint32) {
	t.Helper()
	await(t, within, secondary+" follows "+zone, func() error {
		var got [3]uint32
		for i, server := range []string{x.instances[0].DNS, x.instances[1].DNS, secondary} {
			if i < 2 && !x.running[i].alive() {
				got[i] = 0
				continue
			}
			n, err := serial(server, zone)
			if err != nil {
				return err
			}
			got[i] = n
		}
		now = got[2]
		for i := range 2 {
			if x.running[i].alive() && got[i] != now {
				return fmt.Errorf("serials %v", got)
			}
		}
		if int32(now-above) <= 0 {
			return fmt.Errorf("serial %d, not above %d", now, above)
		}
		return nil
	})
	return now
}

// contents is a zone as a server transfers it, sorted, without the SOA.
func (x *transferring) contents(t *testing.T, server, zone, secret string) string {
	t.Helper()
	m := new(dns.Msg)
	m.SetAxfr(zone)
	tr := &dns.Transfer{DialTimeout: patience, ReadTimeout: patience}
	if secret != "" {
		tr.TsigSecret = map[string]string{"backup.": secret}
		m.SetTsig("backup.", dns.HmacSHA256, 300, time.Now().Unix())
	}
	in, err := tr.In(m, server)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for e := range in {
		if e.Error != nil {
			t.Fatalf("AXFR of %s from %s: %v", zone, server, e.Error)
		}
		for _, rr := range e.RR {
			if rr.Header().Rrtype != dns.TypeSOA {
				lines = append(lines, rr.String())
			}
		}
	}
	return sortedLines(lines)
}

func (x *transferring) same(t *testing.T, zone string) {
	t.Helper()
	want := x.contents(t, x.instances[1].DNS, zone, x.secret)
	for name, server := range map[string]string{"knot": x.knot, "nsd": x.nsd} {
		if got := x.contents(t, server, zone, ""); got != want {
			t.Errorf("%s has another %s:\n%s\nwant:\n%s", name, zone, tail(got, 20), tail(want, 20))
		}
	}
}

// knotSaid waits until Knot has told how it came from one serial to the next:
// told by NOTIFY, and by IXFR from the server that from matches.
func (x *transferring) knotSaid(t *testing.T, zone string, before, now uint32, from string) {
	t.Helper()
	name := regexp.QuoteMeta("[" + zone + "]")
	notified := regexp.MustCompile(fmt.Sprintf(`%s notify, incoming, remote 127\.0\.0\.1@\d+, serial %d`, name, now))
	updated := regexp.MustCompile(fmt.Sprintf(`(?s)%s ([AI]XFR), incoming, remote %s, started[^[]*(?:\[[^[]*){0,4}%s refresh, remote %s, zone updated, [0-9.]+ seconds, serial %d -> %d`,
		name, from, name, from, before, now))
	await(t, patience, "knot tells how it updated "+zone, func() error {
		how := updated.FindStringSubmatch(x.knotd.said.String())
		switch {
		case !notified.MatchString(x.knotd.said.String()):
			return fmt.Errorf("no NOTIFY of serial %d", now)
		case how == nil:
			return fmt.Errorf("nothing of serial %d to %d from %s", before, now, from)
		case how[1] != "IXFR":
			t.Fatalf("knot came from serial %d to %d by %s", before, now, how[1])
		}
		return nil
	})
}

const anyPort = `127\.0\.0\.1@\d+`

// Knot and NSD follow a fleet: whole zones, changes, NOTIFY, all signed, from
// whichever instance there is.
func TestSecondariesFollow(t *testing.T) {
	x := newTransferring(t)
	began := time.Now()
	patient := patience + time.Duration(x.records/5000)*time.Second
	large := x.follows(t, x.knot, largeZone, 0, patient)
	t.Logf("knot has %d records %s after all was started; %s", x.records, time.Since(began).Round(time.Millisecond), x.memory(t))
	x.follows(t, x.nsd, largeZone, 0, patient)
	for _, p := range x.running {
		for _, line := range regexp.MustCompile(`zone=large\S+ .* sent=axfr .*`).FindAllString(p.said.String(), -1) {
			t.Log(line)
		}
	}
	first := x.follows(t, x.knot, steeredZone, 0, patience)
	x.follows(t, x.nsd, steeredZone, 0, patience)
	x.same(t, steeredZone)
	if x.records <= 100_000 {
		x.same(t, largeZone)
	}
	t.Run("a region's endpoint dies and returns", func(t *testing.T) { x.endpointDies(t, first) })
	t.Run("the large zone changes", func(t *testing.T) { x.largeChanges(t, large, patient) })
	t.Run("one instance remains", x.oneRemains)
	t.Run("kdig", x.kdigReads)
	t.Run("wrong keys", x.wrongKeys)
}

// endpointDies: what the verdicts change arrives by NOTIFY and IXFR, and going
// back to what was is a new version.
func (x *transferring) endpointDies(t *testing.T, before uint32) {
	began := time.Now()
	if err := x.backends["127.0.73.1"].end(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{false, true} {
		if want {
			x.backends["127.0.73.1"] = start(x.whole, program, "backend", "127.0.73.1", "--listen", "127.0.73.1:8080")
		}
		now := x.follows(t, x.knot, steeredZone, before, patience)
		t.Logf("change %d reached knot %s later, serial %d to %d", i, time.Since(began).Round(10*time.Millisecond), before, now)
		x.follows(t, x.nsd, steeredZone, before, patience)
		x.same(t, steeredZone)
		if has := strings.Contains(x.contents(t, x.knot, steeredZone, ""), "127.0.73.1"); has != want {
			t.Errorf("knot has the endpoint: %v, want %v", has, want)
		}
		x.knotSaid(t, steeredZone, before, now, anyPort)
		before, began = now, time.Now()
	}
}

// largeChanges: a change of a few records among many is sent as a few records.
func (x *transferring) largeChanges(t *testing.T, before uint32, patient time.Duration) {
	write(t, x.dir, "large.zone", largeText(2, x.records))
	began := time.Now()
	for _, p := range x.running {
		_ = p.cmd.Process.Signal(syscall.SIGHUP) // it lives: the next line says so otherwise
	}
	now := x.follows(t, x.knot, largeZone, before, patient)
	t.Logf("knot has the change of %d records %s after SIGHUP; %s", x.records, time.Since(began).Round(10*time.Millisecond), x.memory(t))
	x.follows(t, x.nsd, largeZone, before, patient)
	x.knotSaid(t, largeZone, before, now, anyPort)
	r, err := ask(x.knot, question{name: "changes." + largeZone, qtype: dns.TypeTXT})
	if err != nil || len(r.Answer) != 1 || !strings.Contains(r.Answer[0].String(), `"2"`) {
		t.Errorf("knot's record: %v, %v", r, err)
	}
}

// oneRemains: the other instance has the same serials, so that the secondaries
// go on from what the first one gave them, by IXFR.
func (x *transferring) oneRemains(t *testing.T) {
	before := x.follows(t, x.knot, steeredZone, 0, patience)
	if err := x.running[0].end(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := x.backends["127.0.71.2"].end(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	now := x.follows(t, x.knot, steeredZone, before, patience)
	x.follows(t, x.nsd, steeredZone, before, patience)
	x.same(t, steeredZone)
	x.knotSaid(t, steeredZone, before, now, regexp.QuoteMeta(x.at(x.instances[1].DNS)))
}

func (x *transferring) kdig(t *testing.T, key string, args ...string) result {
	t.Helper()
	host, port, _ := strings.Cut(x.instances[1].DNS, ":")
	all := append([]string{"@" + host, "-p", port}, args...)
	if key != "" {
		all = append([]string{"-y", key}, all...)
	}
	return command(t, "kdig", all...)
}

func (x *transferring) kdigReads(t *testing.T) {
	out := x.kdig(t, "hmac-sha256:backup:"+x.secret, "gslb.example.com", "AXFR").must(t)
	for _, want := range []string{
		`www\.gslb\.example\.com\.\s+2\s+IN\s+A\s+127\.0\.71\.1`, `www\.gslb\.example\.com\.\s+2\s+IN\s+A\s+127\.0\.73\.1`,
		`www\.gslb\.example\.com\.\s+2\s+IN\s+HTTPS\s+1 \. alpn=h2 ipv4hint=127\.0\.71\.1,127\.0\.73\.1`,
		`ns\.sub\.gslb\.example\.com\.\s+3600\s+IN\s+A\s+192\.0\.2\.3`, `\*\.w\.gslb\.example\.com\.\s+3600\s+IN\s+TXT\s+"wild"`,
		`old\.gslb\.example\.com\.\s+3600\s+IN\s+DNAME\s+www`, `;; TSIG PSEUDOSECTION|TSIG\s+hmac-sha256`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("kdig AXFR does not show %s:\n%s", want, out)
		}
	}
	soa := x.kdig(t, "hmac-sha256:backup:"+x.secret, "gslb.example.com", "SOA").must(t)
	if !strings.Contains(soa, "TSIG") || !strings.Contains(soa, "NOERROR") {
		t.Errorf("a signed SOA query:\n%s", soa)
	}
}

// wrongKeys: nothing is given to who has no key, another secret or another name.
func (x *transferring) wrongKeys(t *testing.T) {
	other := "c3RlZXJkbnMtdHNpZy10ZXN0LXNlY3JldC0wMTIzNDU2Nzg5"
	for name, c := range map[string]struct{ key, want string }{
		"none":         {"", "REFUSED"},
		"wrong secret": {"hmac-sha256:backup:" + other, "BADSIG"},
		"wrong name":   {"hmac-sha256:elsewhere:" + x.secret, "BADKEY"},
		"algorithm":    {"hmac-sha512:backup:" + x.secret, "BADKEY"},
	} {
		for _, zone := range []string{"gslb.example.com", "large.example.net"} {
			r := x.kdig(t, c.key, zone, "AXFR")
			if text := r.out + r.errs; !strings.Contains(text, c.want) || strings.Contains(text, "IN\tSOA") {
				t.Errorf("%s, %s: want %s:\n%s", name, zone, c.want, text)
			}
		}
	}
}

// memory is what the instances had at most.
func (x *transferring) memory(t *testing.T) string {
	t.Helper()
	var words []string
	for i, p := range x.running {
		f, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
		if err != nil {
			continue
		}
		for s := bufio.NewScanner(f); s.Scan(); {
			if peak, ok := strings.CutPrefix(s.Text(), "VmHWM:"); ok {
				words = append(words, fmt.Sprintf("%s had %s at most", x.instances[i].Name, strings.Join(strings.Fields(peak), " ")))
			}
		}
		f.Close()
	}
	return strings.Join(words, ", ")
}

func sortedLines(lines []string) string {
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
