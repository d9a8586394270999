package geo

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/oschwald/maxminddb-golang/v2"
	"pgregory.net/rapid"
)

func addr(s string) netip.Addr  { return netip.MustParseAddr(s) }
func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func TestLocate(t *testing.T) {
	city := makeDB(t, "GeoLite2-City",
		entry{"192.0.2.0/24", inCity(52.5, 13.4, "DE")},
		entry{"198.51.100.0/25", inCountry("FR")},
		entry{"203.0.113.0/24", mmdbtype.Map{"continent": mmdbtype.Map{"code": mmdbtype.String("AS")}}},
		entry{"2001:db8:1::/48", inCity(40.7, -74, "US")},
		entry{"2001:db8:2::/70", inCity(1, 2, "BR")},
		entry{"2001:db8:2:0:8000::/65", inCity(3, 4, "ZA")},
	)
	country := makeDB(t, "GeoLite2-Country", entry{"192.0.2.0/24", inCountry("US")}, entry{"198.51.100.0/24", inCountry("XK")})
	asn := makeDB(t, "GeoLite2-ASN", entry{"192.0.2.128/25", inAS(64496)}, entry{"2001:db8:1::/64", inAS(64497)})
	d := mustDecode(t, city, country, asn,
		PlaceRule{pfx("192.0.2.192/26"), Place{Point: Point{9, 9}, Located: true, Country: "JP"}},
		PlaceRule{pfx("192.0.2.200/32"), Place{ASN: 64499, Prefix: pfx("::/0"), Source: "liar"}},
		PlaceRule{pfx("::ffff:203.0.113.64/122"), Place{Country: "AU"}},
	)
	kosovo, _ := CountryPoint("XK")
	france, _ := CountryPoint("FR")
	berlin := Place{Point: Point{52.5, 13.4}, Located: true, Country: "DE", Continent: "EU", Subdivision: "S1", Source: "city"}
	york := Place{Point: Point{40.7, -74}, Located: true, Country: "US", Continent: "NA", Subdivision: "S1", Source: "city"}
	with := func(p Place, prefix string, asn uint32) Place {
		p.Prefix, p.ASN = pfx(prefix), asn
		return p
	}
	for at, want := range map[string]Place{
		"192.0.2.1":            with(berlin, "192.0.2.0/25", 0),
		"::ffff:192.0.2.1":     with(berlin, "192.0.2.0/25", 0),
		"192.0.2.130":          with(berlin, "192.0.2.128/26", 64496),
		"192.0.2.193":          {Point: Point{9, 9}, Located: true, Country: "JP", ASN: 64496, Prefix: pfx("192.0.2.192/29"), Source: "places"},
		"192.0.2.200":          {ASN: 64499, Prefix: pfx("192.0.2.200/32"), Source: "places"},
		"198.51.100.1":         {Point: france, Located: true, Country: "FR", Continent: "EU", Prefix: pfx("198.51.100.0/25"), Source: "city"},
		"198.51.100.200":       {Point: kosovo, Located: true, Country: "XK", Continent: "EU", Prefix: pfx("198.51.100.128/25"), Source: "country"},
		"203.0.113.1":          {Continent: "AS", Prefix: pfx("203.0.113.0/26"), Source: "city"},
		"203.0.113.65":         {Country: "AU", Prefix: pfx("203.0.113.64/26"), Source: "places"},
		"2001:db8:1::1":        with(york, "2001:db8:1::/64", 64497),
		"2001:db8:1:8000::1":   with(york, "2001:db8:1:8000::/49", 0),
		"2001:db8:2:0:8000::1": {Point: Point{3, 4}, Located: true, Country: "ZA", Continent: "AF", Subdivision: "S1", Prefix: pfx("2001:db8:2::/64"), Source: "city"},
		"233.252.0.1":          {Prefix: pfx("224.0.0.0/3"), Source: "none"},
	} {
		if got := d.Locate(addr(at)); got != want {
			t.Errorf("Locate(%s)\n got %+v\nwant %+v", at, got, want)
		}
	}
	if got := d.Locate(netip.Addr{}); got != (Place{Source: "none"}) {
		t.Errorf("an invalid address is in %+v", got)
	}
}

// The library's own lookup, and a linear search through the places, agree with
// our ranges; and a place holds for all of its prefix.
func TestLocateAgreesWithLookup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cities, systems, rules := drawCities(t, 32, 64), drawASNs(t, 32, 64), drawRules(t, 32, 64)
		city, asn := makeDB(t, "City", cities...), makeDB(t, "ASN", systems...)
		d := mustDecode(t, city, nil, asn, rules...)
		cityReader, _ := maxminddb.OpenBytes(city)
		asnReader, _ := maxminddb.OpenBytes(asn)
		near := prefixesOf(append(cities, systems...), rules)
		for range 30 {
			at := drawAddr(t, near)
			if at.Is6() && !storable(netip.PrefixFrom(at, 128)) {
				continue
			}
			got := d.Locate(at)
			if want := slowLocate(t, cityReader, asnReader, rules, at); !alike(got, want) {
				t.Fatalf("Locate(%v)\n got %+v\nwant %+v", at, got, want)
			}
			if !got.Prefix.Contains(at) {
				t.Fatalf("%v is not under %v", at, got.Prefix)
			}
			if other := d.Locate(inside(got.Prefix, rapid.Uint64().Draw(t, "inside"))); !alike(got, other) {
				t.Fatalf("under %v: %+v and %+v", got.Prefix, got, other)
			}
		}
	})
}

func alike(a, b Place) bool {
	a.Prefix, b.Prefix = netip.Prefix{}, netip.Prefix{}
	return a == b
}

func slowLocate(t *rapid.T, city, asn *maxminddb.Reader, rules []PlaceRule, at netip.Addr) Place {
	var rec record
	var as struct {
		N uint32 `maxminddb:"autonomous_system_number"`
	}
	if city.Lookup(at).Decode(&rec) != nil || asn.Lookup(at).Decode(&as) != nil {
		t.Fatal("a database made by the test does not decode")
	}
	p, _, _ := rec.place(kindCity)
	longest := -1
	for _, r := range rules {
		if r.Prefix.Contains(at) && r.Prefix.Bits() > longest {
			longest, p = r.Prefix.Bits(), r.Place
			p.Source = "places"
		}
	}
	if p.ASN == 0 {
		p.ASN = as.N
	}
	if p.Source == "" {
		p.Source = "none"
	}
	return p
}

func TestOpenFiles(t *testing.T) {
	city := makeDB(t, "DBIP-City-Lite", entry{"192.0.2.0/24", inCity(1, 2, "DE")})
	asn := makeDB(t, "GeoLite2-ASN", entry{"192.0.2.0/24", inAS(64496)})
	opt := Options{City: writeFile(t, "city.mmdb", city), ASN: writeFile(t, "asn.mmdb", asn)}
	d, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	infos := d.Databases()
	if len(infos) != 2 || infos[0].Kind != "city" || infos[1].Kind != "asn" || infos[0].Path != opt.City ||
		infos[0].Type != "DBIP-City-Lite" || !infos[0].Built.Equal(time.Unix(1767225600, 0)) || len(infos[0].Digest) != 12 {
		t.Errorf("Databases() = %+v", infos)
	}
	if !strings.Contains(d.Attribution(), "DB-IP") {
		t.Errorf("a database of DB-IP is used without attribution")
	}
	if err := os.Truncate(opt.City, 0); err != nil { // must not matter any more
		t.Fatal(err)
	}
	if p := d.Locate(addr("192.0.2.1")); p.ASN != 64496 || p.Country != "DE" || d.Close() != nil || d.Close() != nil {
		t.Errorf("after truncation: %+v", p)
	}
	maxmind, err := Open(Options{Country: writeFile(t, "country.mmdb", makeDB(t, "GeoLite2-Country", entry{"192.0.2.0/24", inCountry("DE")}))})
	if err != nil || maxmind.Attribution() != "" {
		t.Errorf("attribution %q, error %v", maxmind.Attribution(), err)
	}
	if p := maxmind.Locate(addr("192.0.2.1")); !p.Located || p.Source != "country" || p.Continent != "EU" {
		t.Errorf("by country alone: %+v", p)
	}
}

func TestDigest(t *testing.T) {
	one := makeDB(t, "City", entry{"192.0.2.0/24", inCity(1, 2, "DE")})
	two := makeDB(t, "City", entry{"192.0.2.0/24", inCity(1, 2.5, "DE")})
	ruleA := PlaceRule{pfx("192.0.2.0/24"), Place{Country: "DE"}}
	ruleB := PlaceRule{pfx("198.51.100.0/24"), Place{Country: "DE"}}
	base := mustDecode(t, one, nil, nil, ruleA, ruleB).Digest()
	if again := mustDecode(t, one, nil, nil, ruleB, ruleA).Digest(); again != base || len(base) != 12 {
		t.Errorf("order of places matters: %q, %q", base, again)
	}
	ruleC := ruleB
	ruleC.Place.ASN = 1
	for name, other := range map[string]*Data{
		"contents": mustDecode(t, two, nil, nil, ruleA, ruleB),
		"places":   mustDecode(t, one, nil, nil, ruleA),
		"a place":  mustDecode(t, one, nil, nil, ruleA, ruleC),
		"country":  mustDecode(t, one, one, nil, ruleA, ruleB),
	} {
		if other.Digest() == base {
			t.Errorf("%s: same digest", name)
		}
	}
}

func TestOpenNamesAllProblems(t *testing.T) {
	good := makeDB(t, "GeoLite2-City", entry{"192.0.2.0/24", inCity(1, 2, "DE")})
	opt := Options{
		City:    writeFile(t, "torn.mmdb", good[:len(good)-40]),
		Country: t.TempDir(),
		ASN:     "/nonexistent/asn.mmdb",
		Places: []PlaceRule{
			{},
			{Prefix: pfx("2001:db8::1/128")},
			{Prefix: pfx("192.0.2.0/24"), Place: Place{Located: true, Point: Point{91, 0}}},
			{Prefix: pfx("192.0.2.0/25")},
			{Prefix: pfx("192.0.2.1/25")},
		},
	}
	_, err := Open(opt)
	if err == nil {
		t.Fatal("opened")
	}
	for _, want := range []string{
		"city database " + opt.City, "fetch it again",
		"country database " + opt.Country, "regular file",
		"asn database /nonexistent/asn.mmdb", "no such file",
		"a prefix is missing", "2001:db8::1/128: is longer than /64; write 2001:db8::/64",
		"latitude 91", "192.0.2.0/25: is there twice",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
}

func TestOpenRefusesWrongSchema(t *testing.T) {
	city := makeDB(t, "GeoLite2-City", entry{"192.0.2.0/24", inCity(1, 2, "DE")})
	asn := makeDB(t, "GeoLite2-ASN", entry{"192.0.2.0/24", inAS(1)})
	country := makeDB(t, "GeoLite2-Country", entry{"192.0.2.0/24", inCountry("DE")})
	off := makeDB(t, "City", entry{"192.0.2.0/24", inCity(100, 2, "DE")})
	odd := makeDB(t, "City", entry{"192.0.2.0/24", mmdbtype.Map{"location": mmdbtype.String("here")}})
	for _, tt := range []struct {
		kind kind
		raw  []byte
		want string
	}{
		{kindCity, country, "use this one as the country database"},
		{kindCity, asn, `type "GeoLite2-ASN"`},
		{kindCountry, asn, "no country.iso_code"},
		{kindASN, city, "no autonomous_system_number"},
		{kindCity, off, "record of 192.0.2.0/24: latitude 100"},
		{kindCity, odd, "record of 192.0.2.0/24"},
		{kindCity, nil, "no usable mmdb"},
	} {
		if _, err := readDatabase(tt.kind, "x", tt.raw); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.kind, err, tt.want)
		}
	}
	if _, err := readDatabase(kindCountry, "x", city); err != nil {
		t.Errorf("a city database as country database: %v", err)
	}
}

func TestBuiltIn(t *testing.T) {
	d, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	infos := d.Databases()
	if len(infos) != 1 || infos[0].Kind != "built-in" || infos[0].Path != "" || infos[0].Built.Year() < 2024 || !strings.Contains(d.Attribution(), "DB-IP") {
		t.Errorf("%+v, %q", infos, d.Attribution())
	}
	r := rand.New(rand.NewPCG(5, 6))
	located := 0
	for range 10000 {
		p := d.Locate(addr4(r.Uint32()))
		if !p.Located {
			continue
		}
		located++
		at, known := CountryPoint(p.Country)
		if p.Source != "built-in" || !known || at.DistanceKm(p.Point) > 9000 {
			t.Fatalf("%+v", p)
		}
	}
	if located < 7000 {
		t.Errorf("%d of 10000 addresses are located", located)
	}
	if p := d.Locate(addr("192.0.2.1")); p.Located {
		t.Errorf("a documentation prefix is at %+v", p)
	}
}
