//go:build e2e

package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// The internet of these tests, in three namespaces:
//
//	servers   203.0.113.1 root, .2 example.com, .11-.13 the fleet, one instance a region
//	resolver  203.0.113.53 unbound with ECS, .54 unbound without; .1 of both clients' networks
//	clients   192.0.2.0/25 in London, 192.0.2.128/25 in Oregon, 198.51.100.0/24 in Virginia
//
// The resolver's own network is near Virginia.
type internet struct {
	servers, resolver, clients namespace
	dir                        string
	backends                   map[string]*process // by address
}

const (
	withECS    = "203.0.113.53:53"
	withoutECS = "203.0.113.54:53"
)

var fleetInstances = []struct{ region, address string }{
	{"us-east", "203.0.113.11"}, {"us-west", "203.0.113.12"}, {"eu-west", "203.0.113.13"},
}

const rootZone = `. 3600 IN SOA ns.root. nobody.root. 1 3600 900 604800 300
. 3600 IN NS ns.root.
ns.root. 3600 IN A 203.0.113.1
example.com. 3600 IN NS ns.example.com.
ns.example.com. 3600 IN A 203.0.113.2
`

const rootHints = ". 3600000 NS ns.root.\nns.root. 3600000 A 203.0.113.1\n"

// parentFleet makes a plain authoritative server of steerdns: example.com
// with the delegation that docs/delegation.md asks for.
const parentFleet = `zones:
  - name: example.com
    soa: {mname: ns.example.com, rname: hostmaster.example.com}
    ns: [ns.example.com]
    records: |
      ns        A      203.0.113.2
      www       CNAME  www.gslb
      gslb      NS     ns1.gslb
      gslb      NS     ns2.gslb
      gslb      NS     ns3.gslb
      ns1.gslb  A      203.0.113.11
      ns2.gslb  A      203.0.113.12
      ns3.gslb  A      203.0.113.13
regions:
  - {name: home, latitude: 51.51, longitude: -0.13, country: GB}
checks:
  - {name: web, type: tcp, port: 9}
services:
  - {name: unused.example.com, check: web, endpoints: {home: [127.0.0.1]}}
`

const childFleet = `zones:
  - name: gslb.example.com
    soa: {mname: ns1.gslb.example.com, rname: hostmaster.example.com, negative_ttl: 5s}
    ns: [ns1.gslb.example.com, ns2.gslb.example.com, ns3.gslb.example.com]
    records: |
      ns1  A  203.0.113.11
      ns2  A  203.0.113.12
      ns3  A  203.0.113.13
regions:
  - {name: us-east, latitude: 38.95, longitude: -77.45, country: US}
  - {name: us-west, latitude: 45.60, longitude: -121.18, country: US}
  - {name: eu-west, latitude: 53.35, longitude: -6.26, country: IE}
checks:
  - {name: web, type: http, port: 8080, path: /healthz, status: 200, interval: 500ms, timeout: 400ms, fall: 2, rise: 2}
services:
  - name: www.gslb.example.com
    check: web
    ttl: {min: 2s, max: 10s}
    policy: [healthy, near, balance, {take: {count: 3, regions: 2}}]
    endpoints:
      us-east: [127.0.31.1, 127.0.31.2]
      us-west: [127.0.32.1, 127.0.32.2]
      eu-west: [127.0.33.1, 127.0.33.2]
places:
  192.0.2.0/25: {latitude: 51.51, longitude: -0.13, country: GB}      # London
  192.0.2.128/25: {latitude: 45.52, longitude: -122.68, country: US}  # Portland, Oregon
  198.51.100.0/24: {latitude: 39.04, longitude: -77.49, country: US}  # Ashburn, Virginia
  203.0.113.0/24: us-east
`

func newInternet(t *testing.T) *internet {
	t.Helper()
	ns := newNamespaces(t, "servers", "resolver", "clients")
	n := &internet{servers: ns[0], resolver: ns[1], clients: ns[2], dir: t.TempDir(), backends: map[string]*process{}}
	wire(t, n.servers, n.resolver, "core")
	wire(t, n.resolver, n.clients, "edge")
	for _, last := range []int{1, 2, 11, 12, 13} {
		n.servers.ip(t, fmt.Sprintf("addr add 203.0.113.%d/24 dev core", last))
	}
	for dev, list := range map[string]string{"core": "203.0.113.53/24 203.0.113.54/24", "edge": "192.0.2.1/24 198.51.100.1/24"} {
		for _, a := range strings.Fields(list) {
			n.resolver.ip(t, "addr add "+a+" dev "+dev)
		}
	}
	for _, a := range []string{"192.0.2.10/24", "192.0.2.20/24", "192.0.2.200/24", "198.51.100.10/24"} {
		n.clients.ip(t, "addr add "+a+" dev edge")
	}
	n.clients.ip(t, "route add default via 192.0.2.1")
	n.startServers(t)
	n.startResolvers(t)
	return n
}

func (n *internet) startServers(t *testing.T) {
	t.Helper()
	write(t, n.dir, "root.zone", rootZone)
	n.unbound(t, n.servers, "root", "interface: 203.0.113.1\nmodule-config: \"iterator\"\n",
		"auth-zone:\n  name: \".\"\n  zonefile: \"root.zone\"\n  for-downstream: yes\n  for-upstream: no\n")
	n.instance(t, "parent", "home", "203.0.113.2", write(t, n.dir, "parent-fleet.yaml", parentFleet), "embedded: {dir: "+n.dir+"/parent-etcd}")
	n.servers.start(t, program, "etcd", "--dir", filepath.Join(n.dir, "etcd"), "--listen", "127.0.0.1:2379")
	for net := 31; net <= 33; net++ {
		for host := 1; host <= 2; host++ {
			a := fmt.Sprintf("127.0.%d.%d", net, host)
			n.backends[a] = n.servers.start(t, program, "backend", a, "--listen", a+":8080")
		}
	}
	for _, in := range fleetInstances {
		n.instance(t, in.region, in.region, in.address, "etcd", "etcd: {endpoints: [\"http://127.0.0.1:2379\"]}")
	}
	n.applyFleet(t)
}

func (n *internet) instance(t *testing.T, name, region, address, fleet, store string) {
	t.Helper()
	conf := write(t, n.dir, name+".yaml", fmt.Sprintf(
		"name: %s\nregion: %s\nfleet: %s\ndata: %s\nstore:\n  %s\ndns:\n  listen: [\"%s:53\"]\n  workers: 1\nadmin: {listen: \"%s:8053\"}\n",
		name, region, fleet, filepath.Join(n.dir, name), store, address, address))
	n.servers.start(t, program, "serve", "--config", conf)
}

// applyFleet waits until the whole fleet has everything up.
func (n *internet) applyFleet(t *testing.T) {
	t.Helper()
	path := write(t, n.dir, "fleet.yaml", childFleet)
	await(t, patience, "apply", func() error {
		if r := n.servers.steerdns(t, "apply", path, "--admin", "203.0.113.11:8053"); r.status != 0 {
			return fmt.Errorf("%s", r.errs)
		}
		return nil
	})
	for _, in := range fleetInstances {
		await(t, patience, in.region+" has all up", func() error {
			_, body, err := n.servers.get(in.address+":8053", "/metrics")
			if up := sumMetric(body, "steerdns_endpoint_verdict", `state="up"`); err == nil && up != 6 {
				err = fmt.Errorf("%v endpoints of 6 are up", up)
			}
			return err
		})
	}
}

func (n *internet) startResolvers(t *testing.T) {
	t.Helper()
	write(t, n.dir, "root.hints", rootHints)
	n.unbound(t, n.resolver, "with", "interface: 203.0.113.53\noutgoing-interface: 203.0.113.53\nmodule-config: \"subnetcache validator iterator\"\n"+
		"send-client-subnet: 203.0.113.0/24\nmax-client-subnet-ipv4: 32\nroot-hints: \"root.hints\"\n", "")
	n.unbound(t, n.resolver, "without", "interface: 203.0.113.54\noutgoing-interface: 203.0.113.54\nmodule-config: \"validator iterator\"\nroot-hints: \"root.hints\"\n", "")
}

// unbound starts one that reads nothing but what is said here.
func (n *internet) unbound(t *testing.T, ns namespace, name, server, rest string) {
	t.Helper()
	lines := []string{"chroot: \"\"", "username: \"\"", "directory: \"" + n.dir + "\"", "use-syslog: no", "logfile: \"\"", "verbosity: 1",
		"do-ip6: no", "num-threads: 1", "access-control: 0.0.0.0/0 allow", "do-not-query-localhost: no"}
	lines = append(lines, strings.Split(strings.TrimSpace(server), "\n")...)
	conf := write(t, n.dir, "unbound-"+name+".conf", "server:\n  "+strings.Join(lines, "\n  ")+"\n"+rest+"remote-control:\n  control-enable: no\n")
	ns.start(t, "unbound", "-d", "-p", "-c", conf)
}

// resolve asks a resolver as a client does.
func (n *internet) resolve(resolver, client, name string) ([]string, error) {
	r, err := n.clients.ask(resolver, question{name: name, source: client, recurse: true})
	if err != nil {
		return nil, err
	}
	if r.Rcode != dns.RcodeSuccess || !r.RecursionAvailable {
		return nil, fmt.Errorf("%s for %s: %s", resolver, client, dns.RcodeToString[r.Rcode])
	}
	return r.addresses(), nil
}

// wantNear wants a client to get both addresses of the near region and one
// of another: the resolver may shuffle them.
func (n *internet) wantNear(t *testing.T, resolver, client, name, near string) {
	t.Helper()
	var got []string
	await(t, patience, "a resolved answer", func() (err error) {
		if got, err = n.resolve(resolver, client, name); err == nil && len(got) == 0 {
			err = fmt.Errorf("no address")
		}
		return err
	})
	own := 0
	for _, a := range got {
		if strings.HasPrefix(a, near) {
			own++
		}
	}
	if len(got) != 3 || own != 2 {
		t.Errorf("%s by %s for %s: %v, want both of %s* and one more", name, resolver, client, got, near)
	}
}

// asked is how often the fleet was asked for addresses so far.
func (n *internet) asked(t *testing.T) (sum float64) {
	t.Helper()
	for _, in := range fleetInstances {
		_, body, err := n.servers.get(in.address+":8053", "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		sum += sumMetric(body, "steerdns_dns_requests_total", `type="A"`)
	}
	return sum
}

// A real resolver follows the delegation from the root and steers by the
// client's subnet when it forwards that, by its own address when not.
func TestUnboundFollowsTheDelegation(t *testing.T) {
	n := newInternet(t)
	t.Run("client subnet forwarded, scope honoured", n.cacheHonoursScope)
	t.Run("through an alias of the parent", func(t *testing.T) {
		n.wantNear(t, withECS, "192.0.2.10", "www.example.com.", "127.0.33.")
	})
	t.Run("client subnet kept back", func(t *testing.T) {
		for _, client := range []string{"192.0.2.10", "192.0.2.200", "198.51.100.10"} {
			n.wantNear(t, withoutECS, client, service, "127.0.31.")
		}
	})
	t.Run("a region that dies leaves the cache in time", n.regionLeavesCache)
}

// cacheHonoursScope begins with an empty cache: one question to us serves
// all of a scope, and none beyond.
func (n *internet) cacheHonoursScope(t *testing.T) {
	steps := []struct {
		client, near string
		fresh        bool
	}{
		{"192.0.2.10", "127.0.33.", true},
		{"192.0.2.20", "127.0.33.", false}, // the same /25
		{"192.0.2.200", "127.0.32.", true}, // the other half of the /24
		{"192.0.2.10", "127.0.33.", false},
		{"198.51.100.10", "127.0.31.", true},
		{"192.0.2.200", "127.0.32.", false},
	}
	for _, s := range steps {
		before := n.asked(t)
		n.wantNear(t, withECS, s.client, service, s.near)
		if fresh := n.asked(t) > before; fresh != s.fresh {
			t.Errorf("%s: the resolver asked us %v, want %v", s.client, fresh, s.fresh)
		}
	}
}

func (n *internet) regionLeavesCache(t *testing.T) {
	for _, a := range []string{"127.0.33.1", "127.0.33.2"} {
		if err := n.backends[a].end(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	const ttl = 10 * time.Second
	await(t, ttl+failBound()+time.Second, "London is sent elsewhere", func() error {
		got, err := n.resolve(withECS, "192.0.2.10", service)
		if err == nil && (len(got) == 0 || slices.ContainsFunc(got, func(a string) bool { return strings.HasPrefix(a, "127.0.33.") })) {
			err = fmt.Errorf("%v", got)
		}
		return err
	})
	t.Logf("a client of the resolver left the dead region after %s; the TTL is at most %s", time.Since(began).Round(10*time.Millisecond), ttl)
}
