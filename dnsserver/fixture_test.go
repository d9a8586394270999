package dnsserver

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"github.com/steerdns/steerdns/dnsserver/zone"
	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// zoneText is what most tests serve; the names of services are added by
// testZones.
const zoneText = `
@         3600 IN SOA ns1 hostmaster 1 7200 900 1209600 300
@         3600 IN NS  ns1
@         3600 IN NS  ns.example.net.
@         3600 IN MX  10 mail
@         300  IN TXT "v=spf1 -all"
ns1       3600 IN A   192.0.2.53
ns1       3600 IN AAAA 2001:db8::53
mail      3600 IN A   192.0.2.25
static    300  IN A   192.0.2.80
static    300  IN A   192.0.2.81
alias     300  IN CNAME www
far       300  IN CNAME www.example.net.
chain     300  IN CNAME chain2
chain2    300  IN CNAME static
nowhere   300  IN CNAME missing
empty     300  IN CNAME static
loop1     300  IN CNAME loop2
loop2     300  IN CNAME loop1
*.wild    300  IN A   192.0.2.90
*.wild    300  IN MX  10 mail
*.walias  300  IN CNAME www
a.ent     300  IN TXT "x"
sub       3600 IN NS  ns.sub
sub       3600 IN NS  ns1
ns.sub    3600 IN A   192.0.2.54
tree      300  IN DNAME other
x.other   300  IN A   192.0.2.91
_sip._udp 300  IN SRV 1 1 5060 mail
www       300  IN HTTPS 1 . alpn=h2
big       300  IN TXT "0123456789012345678901234567890123456789012345678901234567890123456789"
`

// The services of testWorld, by index.
const (
	svcWWW = iota
	svcCDN
	svcInner
	svcFallback
	svcDown
)

var steered = []zone.SteeredName{
	{Name: "www.example.com.", Service: svcWWW},
	{Name: "cdn.example.com.", Service: svcCDN, Alias: true},
	{Name: "inner.example.com.", Service: svcInner, Alias: true},
	{Name: "fallback.example.com.", Service: svcFallback},
	{Name: "down.example.com.", Service: svcDown},
}

func testZones(t testing.TB, text string, names []zone.SteeredName) *zone.Set {
	t.Helper()
	zs, problems := zone.Build([]zone.Source{{Name: "example.com.", Text: text, File: "example.zone", Steered: names}})
	for _, p := range problems {
		t.Error(p)
	}
	if zs == nil {
		t.Fatal("no zones")
	}
	return zs
}

func endpoint(service string, region int, addr string) regions.Endpoint {
	e := regions.Endpoint{ID: service + "/" + addr, Region: region, Weight: 1}
	if a, err := netip.ParseAddr(addr); err == nil {
		e.Addr = a
	} else {
		e.Alias = addr
	}
	return e
}

// testWorld is a world of three regions in which everything is up, changed
// by edit.
func testWorld(edit func(*regions.World)) *regions.World {
	topo := &regions.Topology{
		Regions: []regions.Region{
			{Name: "us-east", At: geo.Point{Lat: 39, Lon: -77}, Country: "US", Continent: "NA", Capacity: 1},
			{Name: "us-west", At: geo.Point{Lat: 45, Lon: -120}, Country: "US", Continent: "NA", Capacity: 1},
			{Name: "eu-west", At: geo.Point{Lat: 51, Lon: 0}, Country: "GB", Continent: "EU", Capacity: 1},
		},
		Services: []regions.Service{
			{Name: "www.example.com.", Endpoints: []regions.Endpoint{
				endpoint("www", 0, "192.0.2.1"), endpoint("www", 0, "192.0.2.2"), endpoint("www", 0, "2001:db8:1::1"),
				endpoint("www", 1, "198.51.100.1"), endpoint("www", 1, "198.51.100.2"), endpoint("www", 1, "2001:db8:2::1"),
				endpoint("www", 2, "203.0.113.1"), endpoint("www", 2, "203.0.113.2"), endpoint("www", 2, "2001:db8:3::1"),
			}},
			{Name: "cdn.example.com.", Endpoints: []regions.Endpoint{
				endpoint("cdn", 0, "east.cdn.example.net."), endpoint("cdn", 2, "eu.cdn.example.net."),
			}},
			{Name: "inner.example.com.", Endpoints: []regions.Endpoint{
				endpoint("inner", 0, "static.example.com."), endpoint("inner", 2, "www.example.com."),
			}},
			{Name: "fallback.example.com.", AllDown: regions.Fallback, Fallback: []netip.Addr{netip.MustParseAddr("192.0.2.200")},
				Endpoints: []regions.Endpoint{endpoint("fallback", 1, "198.51.100.9"), endpoint("fallback", 1, "2001:db8:2::9")}},
			{Name: "down.example.com.", AllDown: regions.ServFail,
				Endpoints: []regions.Endpoint{endpoint("down", 1, "198.51.100.10")}},
		},
	}
	w := &regions.World{Topology: topo, Epoch: "conf-1", Ready: true, Judged: time.Unix(1700000000, 0),
		Regions: make([]regions.Verdict, 3), Services: make([]*regions.Override, len(topo.Services))}
	for i := range topo.Services {
		s := &topo.Services[i]
		s.TTLMin, s.TTLMax, s.Policy = 5, 30, regions.DefaultPolicy()
		w.Endpoints = append(w.Endpoints, make([]regions.Verdict, len(s.Endpoints)))
		for j := range s.Endpoints {
			w.Endpoints[i][j].State = healthcheck.Up
		}
	}
	for i := range w.Regions {
		w.Regions[i].State = healthcheck.Up
	}
	if edit != nil {
		edit(w)
	}
	return w
}

// serviceDown makes a service's endpoints in these regions down.
func serviceDown(w *regions.World, service int, in ...int) {
	for j, e := range w.Topology.Services[service].Endpoints {
		for _, r := range in {
			if e.Region == r {
				w.Endpoints[service][j].State = healthcheck.Down
			}
		}
	}
}

// fakeAtlas maps prefixes to cells: London, Virginia, Oregon, nowhere.
type fakeAtlas struct{}

var fakePrefixes = []struct {
	prefix netip.Prefix
	cell   geo.Cell
}{
	{netip.MustParsePrefix("81.0.0.0/8"), 0},
	{netip.MustParsePrefix("2a00::/12"), 0},
	{netip.MustParsePrefix("3.0.0.0/8"), 1},
	{netip.MustParsePrefix("52.0.0.0/28"), 2},
	{netip.MustParsePrefix("0.0.0.0/0"), 3},
	{netip.MustParsePrefix("::/0"), 3},
}

var fakePlaces = []geo.Place{
	{Point: geo.Point{Lat: 51.5, Lon: -0.1}, Located: true, Country: "GB", Continent: "EU"},
	{Point: geo.Point{Lat: 38.9, Lon: -77.4}, Located: true, Country: "US", Continent: "NA"},
	{Point: geo.Point{Lat: 45.5, Lon: -122.6}, Located: true, Country: "US", Continent: "NA"},
	{},
}

func (fakeAtlas) LocatePrefix(p netip.Prefix) (geo.Cell, uint8) {
	for _, f := range fakePrefixes {
		if f.prefix.Overlaps(p) {
			if f.prefix.Bits() == 0 {
				return f.cell, 20 // a leaf somewhere in between
			}
			return f.cell, uint8(f.prefix.Bits())
		}
	}
	return 3, 0
}

func (a fakeAtlas) Locate(addr netip.Addr) (geo.Cell, uint8) {
	return a.LocatePrefix(netip.PrefixFrom(addr, addr.BitLen()))
}
func (fakeAtlas) Cells() int                  { return len(fakePlaces) }
func (fakeAtlas) Place(c geo.Cell) *geo.Place { return &fakePlaces[c] }
func (fakeAtlas) Digest() string              { return "0123456789ab" }

var london = netip.MustParseAddr("81.2.3.4")

// testResponder answers from zoneText and the world.
func testResponder(t testing.TB, w *regions.World) (*Responder, *Counters) {
	t.Helper()
	r := NewResponder(Options{Instance: "lon-1", Version: "v1.2.3"})
	r.Publish(compileView(w, testZones(t, zoneText, steered), fakeAtlas{}, nil))
	return r, r.NewCounters(false)
}

// query packs a query written as "NAME TYPE [+subnet=PREFIX] [+nsid] [+dnssec]
// [+bufsize=N] [+cookie=HEX] [+keepalive] [+padding] [+tcp] [+dot] [+doh] [+doq]
// [CH]"; any + but the transports brings EDNS.
func query(t rapid.TB, line string) (pkt []byte, tr Transport) {
	t.Helper()
	words := strings.Fields(line)
	m := new(dns.Msg)
	m.Id = 4711
	m.Question = []dns.Question{{Name: dns.Fqdn(words[0]), Qtype: typeNumber(t, words[1]), Qclass: dns.ClassINET}}
	for _, w := range words[2:] {
		tr = max(tr, queryWord(t, m, w))
	}
	pkt, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return pkt, tr
}

func typeNumber(t rapid.TB, name string) uint16 {
	if n, ok := dns.StringToType[name]; ok {
		return n
	}
	var n uint16
	for _, c := range strings.TrimPrefix(name, "TYPE") {
		n = n*10 + uint16(c-'0')
	}
	return n
}

func queryWord(t rapid.TB, m *dns.Msg, word string) Transport {
	key, value, _ := strings.Cut(word, "=")
	switch key {
	case "+tcp":
		return TCP
	case "+dot":
		return DoT
	case "+doh":
		return DoH
	case "+doq":
		return DoQ
	case "CH":
		m.Question[0].Qclass = dns.ClassCHAOS
		return UDP
	}
	if m.IsEdns0() == nil {
		m.SetEdns0(4096, false)
	}
	o := m.IsEdns0()
	switch key {
	case "+edns":
	case "+dnssec":
		o.SetDo()
	case "+nsid":
		o.Option = append(o.Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID})
	case "+keepalive":
		o.Option = append(o.Option, &dns.EDNS0_LOCAL{Code: dns.EDNS0TCPKEEPALIVE})
	case "+padding":
		o.Option = append(o.Option, &dns.EDNS0_PADDING{Padding: make([]byte, 20)})
	case "+cookie":
		o.Option = append(o.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: value})
	case "+bufsize":
		var n uint16
		for _, c := range value {
			n = n*10 + uint16(c-'0')
		}
		o.SetUDPSize(n)
	case "+subnet":
		p := netip.MustParsePrefix(value)
		s := &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: uint8(p.Bits()), Address: p.Addr().AsSlice()}
		if p.Addr().Is6() {
			s.Family = 2
		}
		o.Option = append(o.Option, s)
	default:
		t.Fatalf("query word %q", word)
	}
	return UDP
}
