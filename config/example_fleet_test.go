package config

import (
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// at is a position in the example fleet.
func at(line, col int) Pos { return Pos{"testdata/example-fleet.yaml", line, col} }

func loadExample(t *testing.T) *Fleet {
	t.Helper()
	f, err := LoadFleet("testdata/example-fleet.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func wantEqual(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func TestExampleZones(t *testing.T) {
	f := loadExample(t)
	wantEqual(t, "zones", f.Zones, []Zone{
		{
			Pos: at(10, 11), Name: "gslb.example.com.", TTL: time.Hour,
			SOA: &SOA{
				Pos: at(12, 10), MName: "ns1.gslb.example.com.", RName: "hostmaster.example.com.", Serial: 1, Written: true,
				Refresh: time.Hour, Retry: 15 * time.Minute, Expire: 336 * time.Hour,
				NegativeTTL: time.Minute, TTL: time.Hour,
			},
			NS: []NameServer{{at(13, 10), "ns1.gslb.example.com."}, {at(13, 32), "ns2.gslb.example.com."}},
			Records: Text{Pos: at(16, 7), Value: "ns1   A     192.0.2.53\nns1   AAAA  2001:db8:1::53\n" +
				"ns2   A     198.51.100.53\n@     CAA   0 issue \"ca.example.net\"\n@     TXT   \"steered by steerdns\"\n"},
		},
		{
			Pos: at(22, 12), Name: "static.example.net.", TTL: time.Hour, File: "static.example.net.zone",
			Records: Text{
				Pos:   Pos{"testdata/static.example.net.zone", 1, 1},
				Value: string(f.Files["static.example.net.zone"]),
			},
		},
	})
	if len(f.Files) != 1 || f.Hash != Hash(f.Text, f.Files) {
		t.Errorf("files %v, hash %s", f.Files, f.Hash)
	}
}

func TestExampleRegionsAndChecks(t *testing.T) {
	f := loadExample(t)
	fleet := Recovery{Failback: FailbackManual, Hold: 30 * time.Second, SlowStart: 2 * time.Minute}
	wantEqual(t, "recovery", f.Recovery, fleet)
	wantEqual(t, "damping", f.Damping, Damping{On: true, HalfLife: 10 * time.Minute, Suppress: 4, Reuse: 1.5, Longest: time.Hour})
	wantEqual(t, "regions", f.Regions, []Region{
		{Pos: at(29, 12), Name: "us-east", Latitude: 38.95, Longitude: -77.45, Country: "US", Capacity: 200, MinUp: 0.5,
			Entrance: netip.MustParseAddr("192.0.2.254"), Check: "db", Vantage: true, Recovery: fleet},
		{Pos: at(30, 12), Name: "us-west", Latitude: 45.60, Longitude: -121.18, Country: "US", Capacity: 100, BiasKm: -100, MinUp: 0.5, Vantage: true, Recovery: fleet},
		{Pos: at(31, 12), Name: "eu-west", Latitude: 51.51, Longitude: -0.13, Country: "GB", Continent: "EU", Capacity: 100, MinUp: 0.5,
			Recovery: Recovery{Failback: FailbackAfter, After: 5 * time.Minute, Hold: 2 * time.Minute}},
	})
	wantEqual(t, "checks", f.Checks, []Check{
		{
			Pos: at(37, 11), Name: "web", Type: CheckHTTP, Port: 8080, Interval: 2 * time.Second, Timeout: time.Second,
			Fall: 2, Rise: 2, Method: "GET", Path: "/healthz", Headers: []Header{{"X-Probe", "steerdns"}},
			Status: []StatusRange{{200, 299}, {304, 304}}, Expect: "ok",
		},
		{
			Pos: at(48, 12), Name: "api", Type: CheckHTTPS, Port: 443, Interval: 5 * time.Second, Timeout: 2 * time.Second,
			Fall: 2, Rise: 2, Method: "GET", Path: "/v1/ready", Host: "api.example.com",
			Status: []StatusRange{{200, 200}}, TLSName: "api.example.com", CertWarn: 14 * day,
		},
		{
			Pos: at(49, 12), Name: "db", Type: CheckTCP, Port: 5432, Interval: 5 * time.Second, Timeout: 2 * time.Second,
			Fall: 2, Rise: 2,
		},
	})
}

func addr(line, col int, region, a string) Endpoint {
	return Endpoint{Pos: at(line, col), Region: region, Addr: netip.MustParseAddr(a), Weight: 1}
}

func TestExampleServices(t *testing.T) {
	f := loadExample(t)
	heavy := addr(63, 28, "us-east", "192.0.2.2")
	heavy.Weight = 2
	probed := addr(65, 30, "eu-west", "203.0.113.2")
	probed.Probe = netip.MustParseAddr("127.0.31.1")
	wantEqual(t, "www", f.Services[0], Service{
		Pos: at(53, 11), Name: "www.gslb.example.com.", Zone: "gslb.example.com.", Check: "web",
		TTLMin: 5 * time.Second, TTLMax: 30 * time.Second, AllDown: AllDownFailOpen,
		Policy: []Stage{
			{Pos: at(57, 9), Kind: StageHealthy}, {Pos: at(58, 9), Kind: StageNear}, {Pos: at(59, 9), Kind: StageBalance},
			{Pos: at(60, 9), Kind: StageTake, Count: 3, MinRegions: 2},
		},
		Endpoints: []Endpoint{
			addr(63, 17, "us-east", "192.0.2.1"), heavy, addr(63, 61, "us-east", "2001:db8:1::1"),
			addr(64, 17, "us-west", "198.51.100.1"), addr(64, 31, "us-west", "198.51.100.2"), addr(64, 45, "us-west", "2001:db8:2::1"),
			addr(65, 17, "eu-west", "203.0.113.1"), probed, addr(65, 73, "eu-west", "2001:db8:3::1"),
		},
	})
	wantEqual(t, "api", f.Services[1], Service{
		Pos: at(69, 11), Name: "api.gslb.example.com.", Zone: "gslb.example.com.", Check: "api",
		TTLMin: 20 * time.Second, TTLMax: 20 * time.Second,
		AllDown: AllDownFallback, Fallback: []netip.Addr{netip.MustParseAddr("192.0.2.99")},
		Policy: []Stage{
			{Pos: at(73, 9), Kind: StageHealthy},
			{Pos: at(74, 9), Kind: StageFence, Regions: []string{"eu-west"}, Fence: Fence{
				Countries: []string{"DE", "FR"}, Continents: []string{"AF"}, ASNs: []uint32{64496},
				Prefixes: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")},
			}},
			{Pos: at(75, 9), Kind: StageTier, Tiers: [][]string{{"us-east", "us-west"}, {"eu-west"}}},
			{Pos: at(76, 9), Kind: StageNear},
			{Pos: at(77, 9), Kind: StageTake, Count: 1, MinRegions: 1},
		},
		Endpoints: []Endpoint{
			addr(80, 17, "us-east", "192.0.2.10"), addr(81, 17, "us-west", "198.51.100.10"), addr(82, 17, "eu-west", "203.0.113.10"),
		},
	})
	wantEqual(t, "cdn", f.Services[2], Service{
		Pos: at(85, 11), Name: "cdn.gslb.example.com.", Zone: "gslb.example.com.", Check: "api",
		TTLMin: 5 * time.Second, TTLMax: 30 * time.Second, AllDown: AllDownNoData,
		Policy: []Stage{
			{Pos: at(85, 5), Kind: StageHealthy}, {Pos: at(85, 5), Kind: StageNear}, {Pos: at(85, 5), Kind: StageBalance},
			{Pos: at(85, 5), Kind: StageTake, Count: 1, MinRegions: 1},
		},
		Endpoints: []Endpoint{
			{Pos: at(89, 17), Region: "us-east", Alias: "us.cdn.example.net.", Weight: 1},
			{Pos: at(90, 17), Region: "eu-west", Alias: "eu.cdn.example.net.", Weight: 1},
		},
	})
}

func TestExamplePlacesAndBrake(t *testing.T) {
	f := loadExample(t)
	wantEqual(t, "places", f.Places, []Place{
		{
			Pos: at(95, 3), Prefix: netip.MustParsePrefix("10.1.0.0/16"), Located: true,
			Latitude: 52.52, Longitude: 13.40, Country: "DE", ASN: 64500,
		},
		{Pos: at(94, 3), Prefix: netip.MustParsePrefix("127.0.20.0/24"), Region: "us-east"},
		{Pos: at(96, 3), Prefix: netip.MustParsePrefix("2001:db8:ffff::/48"), Region: "eu-west"},
	})
	wantEqual(t, "brake", f.Brake, Brake{Pos: at(100, 8), Share: 0.5, Window: 10 * time.Minute})
	wantEqual(t, "countries", f.Countries()[2:4], []Mention{
		{"GB", "regions[2].country", at(31, 65)},
		{"DE", "services[1].policy[1].fence.countries[0]", at(74, 29)},
	})
}
