//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// A private root, a private TLD, and a fleet of two instances below it, all with
// both address families, and a namespace for those who ask:
//
//	servers   203.0.113.1 and .3  NSD, the root          2001:db8:1::1 and ::3
//	          203.0.113.2 and .4  NSD, example.          2001:db8:1::2 and ::4
//	          198.51.100.11       shop.example., us-east 2001:db8:2::11
//	          192.0.2.12          shop.example., eu-west 2001:db8:3::12
//	askers    203.0.113.53 and following                 2001:db8:1::53 and following
type roots struct {
	servers, askers namespace
	dir             string
}

const rootsRoot = `. 3600 IN SOA a.root. hostmaster.nic.example. 1 14400 3600 1209600 3600
. 3600 IN NS a.root.
. 3600 IN NS b.root.
a.root. 3600 IN A 203.0.113.1
a.root. 3600 IN AAAA 2001:db8:1::1
b.root. 3600 IN A 203.0.113.3
b.root. 3600 IN AAAA 2001:db8:1::3
example. 3600 IN NS ns1.nic.example.
example. 3600 IN NS ns2.nic.example.
ns1.nic.example. 3600 IN A 203.0.113.2
ns1.nic.example. 3600 IN AAAA 2001:db8:1::2
ns2.nic.example. 3600 IN A 203.0.113.4
ns2.nic.example. 3600 IN AAAA 2001:db8:1::4
`

const rootsTLD = `example. 3600 IN SOA ns1.nic.example. hostmaster.nic.example. 1 14400 3600 1209600 3600
example. 3600 IN NS ns1.nic.example.
example. 3600 IN NS ns2.nic.example.
ns1.nic.example. 3600 IN A 203.0.113.2
ns1.nic.example. 3600 IN AAAA 2001:db8:1::2
ns2.nic.example. 3600 IN A 203.0.113.4
ns2.nic.example. 3600 IN AAAA 2001:db8:1::4
shop.example. 3600 IN NS ns1.shop.example.
shop.example. 3600 IN NS ns2.shop.example.
ns1.shop.example. 3600 IN A 198.51.100.11
ns1.shop.example. 3600 IN AAAA 2001:db8:2::11
ns2.shop.example. 3600 IN A 192.0.2.12
ns2.shop.example. 3600 IN AAAA 2001:db8:3::12
`

const rootsHints = `. 3600000 NS a.root.
. 3600000 NS b.root.
a.root. 3600000 A 203.0.113.1
a.root. 3600000 AAAA 2001:db8:1::1
b.root. 3600000 A 203.0.113.3
b.root. 3600000 AAAA 2001:db8:1::3
`

const rootsFleet = `zones:
  - name: shop.example
    ttl: 1h
    soa: {mname: ns1.shop.example, rname: hostmaster.shop.example, refresh: 4h, retry: 1h, expire: 14d, negative_ttl: 5m}
    ns: [ns1.shop.example, ns2.shop.example]
    records: |
      ns1          A      198.51.100.11
      ns1          AAAA   2001:db8:2::11
      ns2          A      192.0.2.12
      ns2          AAAA   2001:db8:3::12
      @            MX     10 mail
      mail         A      192.0.2.25
      mail         AAAA   2001:db8:3::25
      @            TXT    "v=spf1 mx -all"
      alias        CNAME  www
      chain        CNAME  alias
      tree         DNAME  other
      leaf.other   A      192.0.2.91
      *.wild       A      192.0.2.92
      *.walias     CNAME  www
      a.b.c.deep   TXT    "below empty names"
      big          TXT    "` + longText + `" "` + longText + `" "` + longText + `" "` + longText + `" "` + longText + `" "` + longText + `" "` + longText + `"
      _sip._tcp    SRV    1 1 5060 mail
regions:
  - {name: us-east, latitude: 38.95, longitude: -77.45, country: US}
  - {name: eu-west, latitude: 53.35, longitude: -6.26, country: IE}
checks:
  - {name: web, type: tcp, port: 8080, interval: 500ms, timeout: 400ms, fall: 2, rise: 2}
services:
  - name: www.shop.example
    check: web
    policy: [healthy, balance, {take: {count: 4}}]
    https: {alpn: [h2]}
    endpoints:
      us-east: [{address: 198.51.100.101, probe: 127.0.81.1}, {address: "2001:db8:2::101", probe: 127.0.81.1}]
      eu-west: [{address: 192.0.2.101, probe: 127.0.81.1}, {address: "2001:db8:3::101", probe: 127.0.81.1}]
  - name: cdn.shop.example
    check: web
    endpoints:
      us-east: [{cname: www.shop.example, probe: 127.0.81.1}]
`

var rootsInstances = []struct{ region, v4, v6 string }{
	{"us-east", "198.51.100.11", "2001:db8:2::11"}, {"eu-west", "192.0.2.12", "2001:db8:3::12"},
}

func newRoots(t *testing.T) *roots {
	t.Helper()
	ns := newNamespaces(t, "servers", "askers")
	n := &roots{servers: ns[0], askers: ns[1], dir: t.TempDir()}
	wire(t, n.servers, n.askers, "core")
	for _, a := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4", "198.51.100.11", "192.0.2.12"} {
		n.servers.ip(t, "addr add "+a+"/24 dev core")
	}
	for _, a := range []string{"1::1", "1::2", "1::3", "1::4", "2::11", "3::12"} {
		n.servers.ip(t, "addr add 2001:db8:"+a+"/64 dev core nodad")
	}
	for i := range 5 {
		n.askers.ip(t, fmt.Sprintf("addr add 203.0.113.%d/24 dev core", 53+i))
		n.askers.ip(t, fmt.Sprintf("addr add 2001:db8:1::%d/64 dev core nodad", 53+i))
	}
	for _, net := range []string{"198.51.100.0/24", "192.0.2.0/24", "2001:db8:2::/64", "2001:db8:3::/64"} {
		n.askers.ip(t, "route add "+net+" dev core")
	}
	write(t, n.dir, "hints", rootsHints)
	n.nsd(t, "root", ".", rootsRoot, "203.0.113.1", "203.0.113.3", "2001:db8:1::1", "2001:db8:1::3")
	n.nsd(t, "tld", "example", rootsTLD, "203.0.113.2", "203.0.113.4", "2001:db8:1::2", "2001:db8:1::4")
	n.startFleet(t)
	return n
}

// nsd starts a server for one zone.
func (n *roots) nsd(t *testing.T, name, zone, text string, addresses ...string) {
	t.Helper()
	dir := filepath.Join(n.dir, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "zone", text)
	conf := "server:\n  server-count: 1\n  username: \"\"\n  chroot: \"\"\n  database: \"\"\n  rrl-ratelimit: 0\n  verbosity: 1\n"
	for _, a := range addresses {
		conf += "  ip-address: " + a + "\n"
	}
	for _, file := range []string{"zonesdir: " + dir, "xfrdir: " + dir, "xfrdfile: " + dir + "/xfrd", "zonelistfile: " + dir + "/list", "pidfile: " + dir + "/pid"} {
		conf += "  " + file + "\n"
	}
	conf += "remote-control:\n  control-enable: no\nzone:\n  name: \"" + zone + "\"\n  zonefile: zone\n"
	n.servers.start(t, "nsd", "-d", "-c", write(t, dir, "nsd.conf", conf))
}

func (n *roots) startFleet(t *testing.T) {
	t.Helper()
	n.servers.start(t, program, "etcd", "--dir", filepath.Join(n.dir, "etcd"), "--listen", "127.0.0.1:2379")
	n.servers.start(t, program, "backend", "web", "--listen", "127.0.81.1:8080")
	write(t, n.dir, "fleet.yaml", rootsFleet)
	for _, in := range rootsInstances {
		conf := write(t, n.dir, in.region+".yaml", fmt.Sprintf(
			"name: %s\nregion: %s\nfleet: fleet.yaml\ndata: %s-data\nstore: {etcd: {endpoints: [\"http://127.0.0.1:2379\"]}}\ndns: {listen: [\"%s:53\", \"[%s]:53\"], workers: 1}\nadmin: {listen: \"%s:8053\"}\n",
			in.region, in.region, in.region, in.v4, in.v6, in.v4))
		n.servers.start(t, program, "serve", "--config", conf)
	}
	for _, in := range rootsInstances {
		await(t, patience, in.region+" has all up", func() error {
			_, body, err := n.servers.get(in.v4+":8053", "/metrics")
			if up := sumMetric(body, "steerdns_endpoint_verdict", `state="up"`); err == nil && up != 5 {
				err = fmt.Errorf("%v endpoints of 5 are up", up)
			}
			return err
		})
	}
}

// unbound and kresd start a resolver on 203.0.113.LAST.
func (n *roots) unbound(t *testing.T, last int, lines ...string) *process {
	t.Helper()
	all := append([]string{
		"chroot: \"\"", "username: \"\"", "use-syslog: no", "logfile: \"\"", "verbosity: 1", "log-servfail: yes", "num-threads: 1",
		"access-control: 0.0.0.0/0 allow", "module-config: \"iterator\"", "root-hints: \"" + n.dir + "/hints\"",
		"qname-minimisation: yes", "use-caps-for-id: yes", fmt.Sprintf("interface: 203.0.113.%d", last),
		"harden-large-queries: yes", "harden-glue: yes", "harden-referral-path: yes", "harden-below-nxdomain: yes",
	}, lines...)
	conf := write(t, n.dir, fmt.Sprintf("unbound-%d.conf", last), "server:\n  "+strings.Join(all, "\n  ")+"\nremote-control:\n  control-enable: no\n")
	return n.askers.start(t, "unbound", "-d", "-p", "-c", conf)
}

func (n *roots) kresd(t *testing.T, last int, lines string) *process {
	t.Helper()
	dir := filepath.Join(n.dir, fmt.Sprintf("kresd-%d", last))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	conf := write(t, dir, "kresd.conf", fmt.Sprintf("net.listen('203.0.113.%d', 53)\nmodules = {'hints > iterate'}\nhints.root_file('%s/hints')\ntrust_anchors.remove('.')\ncache.size = 10 * MB\nlog_level('notice')\n%s\n", last, n.dir, lines))
	return n.askers.start(t, "kresd", "-n", "-c", conf, dir)
}

// rootsQuestions are what resolvers are asked, and how it ends.
var rootsQuestions = []struct {
	name  string
	qtype uint16
	rcode int
	want  []string // data of the answer, in any order
}{
	{"www.shop.example.", dns.TypeA, dns.RcodeSuccess, []string{"192.0.2.101", "198.51.100.101"}},
	{"www.shop.example.", dns.TypeAAAA, dns.RcodeSuccess, []string{"2001:db8:2::101", "2001:db8:3::101"}},
	{"www.shop.example.", dns.TypeTXT, dns.RcodeSuccess, nil},
	{"alias.shop.example.", dns.TypeA, dns.RcodeSuccess, []string{"192.0.2.101", "198.51.100.101", "www.shop.example."}},
	{"chain.shop.example.", dns.TypeAAAA, dns.RcodeSuccess, []string{"2001:db8:2::101", "2001:db8:3::101", "alias.shop.example.", "www.shop.example."}},
	{"cdn.shop.example.", dns.TypeA, dns.RcodeSuccess, []string{"192.0.2.101", "198.51.100.101", "www.shop.example."}},
	{"leaf.tree.shop.example.", dns.TypeA, dns.RcodeSuccess, []string{"192.0.2.91", "leaf.other.shop.example.", "other.shop.example."}},
	{"none.tree.shop.example.", dns.TypeA, dns.RcodeNameError, []string{"none.other.shop.example.", "other.shop.example."}},
	{"some.thing.wild.shop.example.", dns.TypeA, dns.RcodeSuccess, []string{"192.0.2.92"}},
	{"some.wild.shop.example.", dns.TypeMX, dns.RcodeSuccess, nil},
	{"some.walias.shop.example.", dns.TypeA, dns.RcodeSuccess, []string{"192.0.2.101", "198.51.100.101", "www.shop.example."}},
	{"a.b.c.deep.shop.example.", dns.TypeTXT, dns.RcodeSuccess, []string{`"below empty names"`}},
	{"c.deep.shop.example.", dns.TypeA, dns.RcodeSuccess, nil},
	{"x.deep.shop.example.", dns.TypeA, dns.RcodeNameError, nil},
	{"nowhere.shop.example.", dns.TypeA, dns.RcodeNameError, nil},
	{"shop.example.", dns.TypeMX, dns.RcodeSuccess, []string{"10 mail.shop.example."}},
	{"shop.example.", dns.TypeNS, dns.RcodeSuccess, []string{"ns1.shop.example.", "ns2.shop.example."}},
	{"shop.example.", dns.TypeDS, dns.RcodeSuccess, nil},
	{"_sip._tcp.shop.example.", dns.TypeSRV, dns.RcodeSuccess, []string{"1 1 5060 mail.shop.example."}},
	{"big.shop.example.", dns.TypeTXT, dns.RcodeSuccess, []string{strings.TrimSpace(strings.Repeat(`"`+longText+`" `, 7))}},
}

// resolves asks a resolver all questions.
func (n *roots) resolves(t *testing.T, last int) {
	t.Helper()
	server := fmt.Sprintf("203.0.113.%d:53", last)
	await(t, patience, "the resolver answers", func() error {
		_, err := n.askers.ask(server, question{name: "shop.example.", qtype: dns.TypeSOA, recurse: true})
		return err
	})
	for _, q := range rootsQuestions {
		r, err := n.askers.ask(server, question{name: q.name, qtype: q.qtype, recurse: true, tcp: strings.HasPrefix(q.name, "big")})
		if err != nil {
			t.Errorf("%s %s: %v", q.name, dns.TypeToString[q.qtype], err)
			continue
		}
		var got []string
		for _, rr := range r.Answer {
			got = append(got, strings.TrimPrefix(rr.String(), rr.Header().String()))
		}
		slices.Sort(got)
		if r.Rcode != q.rcode || !slices.Equal(got, q.want) {
			t.Errorf("%s %s: %s %q, want %s %q", q.name, dns.TypeToString[q.qtype], dns.RcodeToString[r.Rcode], got, dns.RcodeToString[q.rcode], q.want)
		}
	}
}

// asked is how many queries the fleet answered, of those that have all words.
func (n *roots) asked(t *testing.T, words ...string) (sum float64) {
	t.Helper()
	for _, in := range rootsInstances {
		_, body, err := n.servers.get(in.v4+":8053", "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		sum += sumMetric(body, "steerdns_dns_requests_total", words...)
	}
	return sum
}

// Resolvers in all their modes find what is there by way of a root and a TLD,
// and complain of nothing.
func TestResolversFindNothingWrong(t *testing.T) {
	n := newRoots(t)
	for i, c := range []struct {
		name string
		used []string // the way that must have been used, and
		not  []string // the one that must not
		run  func(last int) *process
	}{
		{"unbound over IPv4", []string{`family="ipv4"`}, []string{`family="ipv6"`}, func(last int) *process { return n.unbound(t, last, "do-ip6: no") }},
		{"unbound over IPv6", []string{`family="ipv6"`}, []string{`family="ipv4"`}, func(last int) *process {
			return n.unbound(t, last, "prefer-ip6: yes", "do-not-query-address: 0.0.0.0/0")
		}},
		{"unbound over TCP", []string{`transport="tcp"`}, []string{`transport="udp"`}, func(last int) *process { return n.unbound(t, last, "tcp-upstream: yes") }},
		{"kresd over IPv4", []string{`family="ipv4"`}, []string{`family="ipv6"`}, func(last int) *process { return n.kresd(t, last, "net.ipv6 = false") }},
		{"kresd over IPv6", []string{`family="ipv6"`}, []string{`family="ipv4"`}, func(last int) *process { return n.kresd(t, last, "net.ipv4 = false") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			used, not := n.asked(t, c.used...), n.asked(t, c.not...)
			p := c.run(53 + i)
			n.resolves(t, 53+i)
			if n.asked(t, c.used...) == used || n.asked(t, c.not...) != not {
				t.Errorf("the resolver did not come the way that this tests")
			}
			if words := complaints(p.said.String()); words != "" {
				t.Errorf("it complains:\n%s", words)
			}
		})
	}
}

// complaints is what a resolver says that is more than a greeting.
func complaints(log string) string {
	bad := regexp.MustCompile(`(?i)error|warn|servfail|lame|fail`)
	var out []string
	for line := range strings.Lines(log) {
		if bad.MatchString(line) && !strings.Contains(line, "file-descriptors") { // what kresd thinks of this machine
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// zonemasterKnown are the messages of NOTICE and above that remain, each with its cause.
var zonemasterKnown = map[string]string{
	"NAMESERVER_IP_PRIVATE_NETWORK": "the addresses of this test are those kept for documentation (RFC 5737, RFC 3849)",
	"NAMESERVER_IP_WITHOUT_REVERSE": "the private root of this test delegates no in-addr.arpa and ip6.arpa",
	"NEITHER_DNSKEY_NOR_DS":         "the zone is not signed",
	"NOT_SIGNED":                    "the zone is not signed",
}

// zonemasterModules have something to say of a good zone. (Connectivity speaks of
// bad ones only, and of what an internet's ASN service says.)
var zonemasterModules = []string{"ADDRESS", "BASIC", "CONSISTENCY", "DELEGATION", "DNSSEC", "NAMESERVER", "SYNTAX", "ZONE"}

// Zonemaster, which registries check delegations with, finds no error and no
// warning that we cause, in any of its modules.
func TestZonemasterFindsNothingWrong(t *testing.T) {
	n := newRoots(t)
	out := command(t, "ip", "netns", "exec", string(n.askers), "zonemaster-cli", "shop.example", "--hints", filepath.Join(n.dir, "hints"),
		"--level", "INFO", "--raw", "--show-level", "--show-testcase", "--no-progress", "--no-time").must(t)
	seen, messages := map[string]int{}, 0
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 4 { // when, how grave, which test, what
			continue
		}
		messages++
		level, module, tag := f[1], strings.TrimRight(f[2], "0123456789"), f[3]
		seen[module]++
		if level == "INFO" {
			continue
		}
		if cause, known := zonemasterKnown[tag]; known {
			t.Logf("%s %s: %s", level, tag, cause)
			continue
		}
		t.Errorf("Zonemaster says: %s", line)
	}
	for _, m := range zonemasterModules {
		if seen[m] == 0 {
			t.Errorf("Zonemaster's module %s said nothing: did it run?", m)
		}
	}
	t.Logf("%d messages: %v", messages, seen)
	if t.Failed() {
		t.Log(out)
	}
}
