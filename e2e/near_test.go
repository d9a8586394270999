//go:build e2e

package e2e

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// Where a client is and which region is near. Documentation prefixes and
// loopback sources are places of the demo's fleet file.
var vantagePoints = []struct {
	name, subnet, source, near string
}{
	{"London by ECS", "192.0.2.0/24", "", "eu-west"},
	{"Virginia by ECS", "198.51.100.0/24", "", "us-east"},
	{"Tokyo by ECS", "203.0.113.0/24", "", "us-west"},
	{"London by IPv6 ECS", "2001:db8:10::/48", "", "eu-west"},
	{"Oregon by IPv6 ECS", "2001:db8:20::/48", "", "us-west"},
	{"Virginia by source", "", "127.0.20.1", "us-east"},
	{"Oregon by source", "", "127.0.21.1", "us-west"},
	{"Ireland by source", "", "127.0.22.1", "eu-west"},
}

func TestNearRegionComesFirst(t *testing.T) {
	d := wholeDemo(t)
	for _, v := range vantagePoints {
		t.Run(v.name, func(t *testing.T) {
			for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
				for _, tcp := range []bool{false, true} {
					d.wantNear(t, question{qtype: qtype, subnet: v.subnet, source: v.source, tcp: tcp}, v.near)
				}
			}
		})
	}
}

// wantNear asks all six instances.
func (d *demo) wantNear(t *testing.T, q question, near string) {
	t.Helper()
	var first reply
	for i, in := range d.Instances {
		r := mustAsk(t, in.DNS, q)
		if i == 0 {
			first = r
		}
		if r.body != first.body {
			t.Errorf("%v: %s and %s are in one epoch and answer differently:\n%v\n%v", q, d.Instances[0].Name, in.Name, first.Msg, r.Msg)
		}
	}
	got := d.regions(first)
	if got[0] != near || len(got) < 2 {
		t.Errorf("%v: regions %v, want %s first and at least two", q, got, near)
	}
}

// Every address under the scope of a reply must get the same records:
// a resolver will hand them out to all of it.
func TestScopeIsHonest(t *testing.T) {
	d := wholeDemo(t)
	random := rand.New(rand.NewPCG(1, 2))
	asked := scopeQuestions(random)
	for n, q := range asked {
		wantHonest(t, d.Instances[n%len(d.Instances)].DNS, random, q)
	}
	t.Logf("%d scopes, 1,000 random addresses under each", len(asked))
}

// fiveRegions has one endpoint a region, so that an answer depends on nothing
// but the place, and scopes are as wide as geography allows. They are probed
// at the instance's own port, so that nothing changes while the test asks.
const fiveRegions = `zones:
  - name: gslb.example.com
    soa: {mname: ns1.gslb.example.com, rname: hostmaster.example.com}
    ns: [ns1.gslb.example.com]
    records: |
      ns1 A 127.0.0.1
regions:
  - {name: us-east, latitude: 38.95, longitude: -77.45, country: US}
  - {name: us-west, latitude: 45.60, longitude: -121.18, country: US}
  - {name: eu-west, latitude: 53.35, longitude: -6.26, country: IE}
  - {name: sa-east, latitude: -23.55, longitude: -46.63, country: BR}
  - {name: ap-south, latitude: 1.35, longitude: 103.82, country: SG}
checks:
  - {name: self, type: tcp, port: PORT}
services:
  - name: www.gslb.example.com
    check: self
    policy: [near, {take: {count: 2, regions: 2}}]
    endpoints:
      us-east: [{address: 127.0.41.1, probe: 127.0.0.1}]
      us-west: [{address: 127.0.42.1, probe: 127.0.0.1}]
      eu-west: [{address: 127.0.43.1, probe: 127.0.0.1}]
      sa-east: [{address: 127.0.44.1, probe: 127.0.0.1}]
      ap-south: [{address: 127.0.45.1, probe: 127.0.0.1}]
`

func TestScopeOfGeographyIsHonest(t *testing.T) {
	dir := t.TempDir()
	l := loneInstance(t, filepath.Join(dir, "fleet.yaml"), embedded(t), "")
	_, port, _ := strings.Cut(l.DNS, ":")
	write(t, dir, "fleet.yaml", strings.Replace(fiveRegions, "PORT", port, 1))
	l.inRegion(t, "eu-west")
	l.awaitReady(t, l.serve(t))
	random := rand.New(rand.NewPCG(3, 4))
	lengths := map[int]int{}
	for range 60 {
		p := randomPublic4(random)
		lengths[wantHonest(t, l.DNS, random, question{subnet: netip.PrefixFrom(randomUnder(random, p), 32).String()})]++
	}
	for range 20 {
		lengths[wantHonest(t, l.DNS, random, question{subnet: randomPublic6(random).String()})]++
	}
	t.Logf("scopes by length: %v", lengths)
	if len(lengths) < 8 {
		t.Errorf("only %d lengths of scope: geography is not what they come from", len(lengths))
	}
}

// wantHonest asks 1,000 addresses under the scope of a reply, and returns the
// scope's length.
func wantHonest(t *testing.T, server string, random *rand.Rand, q question) int {
	t.Helper()
	r := mustAsk(t, server, q)
	scope, ok := r.scope()
	if !ok {
		t.Fatalf("%v: no scope in\n%v", q, r.Msg)
	}
	conn, err := q.dial(server)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	wantSameUnder(t, conn, random, q, r, scope)
	return scope.Bits()
}

// scopeQuestions is the demo's places and real networks from the built-in
// database, which are only ever the content of an option here.
func scopeQuestions(random *rand.Rand) (list []question) {
	for _, v := range vantagePoints {
		if v.subnet != "" {
			list = append(list, question{subnet: v.subnet})
		}
	}
	for range 16 {
		list = append(list, question{subnet: randomPublic4(random).String()}, question{qtype: dns.TypeAAAA, subnet: randomPublic4(random).String()})
	}
	for range 8 {
		list = append(list, question{qtype: dns.TypeAAAA, subnet: randomPublic6(random).String()})
	}
	return list
}

func wantSameUnder(t *testing.T, conn *dns.Conn, random *rand.Rand, q question, r reply, scope netip.Prefix) {
	t.Helper()
	for range 1000 {
		a := randomUnder(random, scope)
		other := q
		other.subnet = netip.PrefixFrom(a, a.BitLen()).String()
		got, err := exchange(conn, other.message(), patience)
		if err != nil {
			t.Fatalf("%v: %v", other, err)
		}
		if got.rrset() != r.rrset() {
			t.Fatalf("%v has scope %v, yet %v differs:\n%s\n%s", q, scope, a, r.rrset(), got.rrset())
		}
	}
}

// randomUnder draws an address of a prefix.
func randomUnder(random *rand.Rand, p netip.Prefix) netip.Addr {
	a := p.Masked().Addr().AsSlice()
	var noise [16]byte
	binary.BigEndian.PutUint64(noise[:8], random.Uint64())
	binary.BigEndian.PutUint64(noise[8:], random.Uint64())
	for i := range a {
		keep := byte(0xff)
		if free := (i+1)*8 - p.Bits(); free >= 8 {
			keep = 0
		} else if free > 0 {
			keep <<= free
		}
		a[i] |= noise[i] &^ keep
	}
	out, _ := netip.AddrFromSlice(a)
	return out
}

// randomPublic4 draws a /24 from address space that the world uses.
func randomPublic4(random *rand.Rand) netip.Prefix {
	for {
		a := randomUnder(random, netip.MustParsePrefix("0.0.0.0/0"))
		if b := a.As4()[0]; b == 0 || b == 10 || b == 127 || b >= 224 || a.IsPrivate() || a.IsLinkLocalUnicast() {
			continue
		}
		p, _ := a.Prefix(24)
		return p
	}
}

// randomPublic6 draws a /48 from blocks that registries hand out.
func randomPublic6(random *rand.Rand) netip.Prefix {
	blocks := []string{"2400::/12", "2600::/12", "2800::/12", "2a00::/12", "2c00::/12"}
	a := randomUnder(random, netip.MustParsePrefix(blocks[random.IntN(len(blocks))]))
	p, _ := a.Prefix(48)
	return p
}

// `steerdns explain` must tell what a query gets.
func TestExplainTellsTheAnswer(t *testing.T) {
	d := wholeDemo(t)
	r := mustAsk(t, d.Instances[0].DNS, question{subnet: "192.0.2.0/24"})
	out := steerdns(t, "explain", strings.TrimSuffix(service, "."), "--from", "192.0.2.7", "--admin", d.Instances[3].Admin).must(t)
	at := 0
	for _, a := range r.addresses() {
		i := strings.Index(out[at:], a)
		if i < 0 {
			t.Fatalf("the answer has %v, and explain does not list them in this order:\n%s", r.addresses(), out)
		}
		at += i
	}
	if !strings.Contains(out, "dig @") {
		t.Errorf("explain shows no dig line:\n%s", out)
	}
}
