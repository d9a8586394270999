package config

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"500ms": 500 * time.Millisecond, "10s": 10 * time.Second, "5m": 5 * time.Minute, "14d": 336 * time.Hour,
		"1h30m": 90 * time.Minute, "2w": 336 * time.Hour, "0s": 0, "007s": 7 * time.Second,
	} {
		if got, f := parseDuration(s); got != want || f != (flaw{}) {
			t.Errorf("%s: %v %v", s, got, f)
		}
	}
	for _, s := range []string{"", "s", "5", "-5s", "1.5h", "5 s", "5S", "5µs", "5s5", "99999999999999999999s", "36500d1d1d", "5sm"} {
		if got, f := parseDuration(s); f == (flaw{}) {
			t.Errorf("%q read as %v", s, got)
		}
	}
}

// What is written in a message can be read back.
func TestDurationRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(maxDuration/time.Millisecond)).Draw(t, "ms")) * time.Millisecond
		if got, f := parseDuration(writeDuration(d)); got != d || f != (flaw{}) {
			t.Fatalf("%v was written as %s and read as %v (%v)", d, writeDuration(d), got, f)
		}
	})
}

func TestParseDomain(t *testing.T) {
	long := strings.Repeat("abcdefg.", 31) + "abcde" // 253 characters
	for s, want := range map[string]string{
		"Example.COM": "example.com.", "example.com.": "example.com.", "_a.b-c.xn--bcher-kva.example": "_a.b-c.xn--bcher-kva.example.",
		long: long + ".", long + ".": long + ".",
	} {
		if got, f := parseDomain(s); got != want || f != (flaw{}) {
			t.Errorf("%s: %s %v", s, got, f)
		}
	}
	for _, s := range []string{"", ".", "..", ".a", "a..b", "a..", long + "f", "a b", "a/b", "a@b", "*.a", `a\.b`, "ü.a", "a\x00"} {
		if got, f := parseDomain(s); f == (flaw{}) || f.fix == "" {
			t.Errorf("%q read as %s", s, got)
		}
	}
}

func TestShareAndKm(t *testing.T) {
	for s, want := range map[string]float64{"50%": 0.5, "0%": 0, "100%": 1, "12.5%": 0.125} {
		if got, f := parsePercentage(s); got != want || f != (flaw{}) {
			t.Errorf("%s: %v %v", s, got, f)
		}
	}
	for s, want := range map[string]float64{"0km": 0, "-200km": -200, "1.5km": 1.5} {
		if got, f := parseKm(s); got != want || f != (flaw{}) {
			t.Errorf("%s: %v %v", s, got, f)
		}
	}
	for _, s := range []string{"%", "nan%", "-1%", "101%", "0x1%", "5", "1_0%"} {
		if got, f := parsePercentage(s); f == (flaw{}) {
			t.Errorf("%s read as %v", s, got)
		}
	}
	for _, s := range []string{"km", "infkm", "20001km", "1 km", "1e999km"} {
		if got, f := parseKm(s); f == (flaw{}) {
			t.Errorf("%s read as %v", s, got)
		}
	}
}

func TestNearest(t *testing.T) {
	regions := []string{"us-east", "us-west", "eu-west"}
	for wrong, want := range map[string]string{
		"eu-wst": "eu-west", "us-esat": "us-east", "us_west": "us-west", "mars": "", "x": "", "us-east-1": "us-east", "": "",
	} {
		if got := nearest(wrong, regions); got != want {
			t.Errorf("%s: %q, want %q", wrong, got, want)
		}
	}
	if got := edits("ab", "ba", 9); got != 1 {
		t.Errorf("a swap counts %d", got)
	}
}

// An alias target in a zone of ours need not be a service, and two services
// may lead to one.
func TestAliasesWithoutCircle(t *testing.T) {
	text := strings.Replace(ExampleFleet, "services:", `services:
  - {name: a.gslb.example.com, check: self, endpoints: {local: [{cname: www.gslb.example.com}]}}
  - {name: b.gslb.example.com, check: self, endpoints: {local: [{cname: a.gslb.example.com}, {cname: www.gslb.example.com}]}}`, 1)
	if _, problems := ParseFleet("f", []byte(text), nil); problems != nil {
		t.Error(problems)
	}
}

// Endpoints come in the order of the regions, whatever the order they are
// written in, and steered TTLs keep their order when only one bound is given.
func TestServiceDefaults(t *testing.T) {
	const text = `
zones: [{name: example.com, soa: {}, ns: [ns.example.net]}]
regions: [{name: b, latitude: 0, longitude: 0}, {name: a, latitude: 0, longitude: 0}]
checks: [{name: c, type: http, interval: 1s, timeout: 1s, fall: 100, port: 65535}]
services:
- {name: x.example.com, check: c, ttl: {max: 3s}, endpoints: {a: [192.0.2.1], b: [192.0.2.3, 192.0.2.2]}}
- {name: y.example.com, check: c, ttl: {min: 60s}, endpoints: {a: [192.0.2.1]}}
`
	f, problems := ParseFleet("f", []byte(text), nil)
	if problems != nil {
		t.Fatal(problems)
	}
	var order []string
	for _, e := range f.Services[0].Endpoints {
		order = append(order, e.Region+e.Addr.String())
	}
	wantEqual(t, "order", order, []string{"b192.0.2.3", "b192.0.2.2", "a192.0.2.1"})
	wantEqual(t, "ttl", []time.Duration{f.Services[0].TTLMin, f.Services[0].TTLMax, f.Services[1].TTLMin, f.Services[1].TTLMax},
		[]time.Duration{3 * time.Second, 3 * time.Second, time.Minute, time.Minute})
	wantEqual(t, "timeout", f.Checks[0].Timeout, time.Second)
	wantEqual(t, "brake", f.Brake.Share, 0.5)
	wantEqual(t, "soa", f.Zones[0].SOA.MName+f.Zones[0].SOA.RName, "ns.example.net.hostmaster.example.com.")
}
