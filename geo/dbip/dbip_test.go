package dbip_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/oschwald/geoip2-golang/v2"
	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/steerdns/steerdns/geo/dbip"
)

const maxBytes = 12_000_000

func open(t *testing.T) (*geoip2.Reader, *maxminddb.Reader) {
	t.Helper()
	city, err := geoip2.OpenBytes(dbip.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := maxminddb.OpenBytes(dbip.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return city, raw
}

// Real networks, because the question is whether real space is located;
// documentation prefixes are located nowhere, as the next test asks. These
// belong to registries, universities and research networks that have not
// moved for decades.
func TestWellKnownNetworksAreInTheirCountry(t *testing.T) {
	city, _ := open(t)
	for _, c := range []struct{ addr, country, continent string }{
		{"193.0.0.1", "NL", "EU"},
		{"131.130.1.1", "AT", "EU"},
		{"202.232.2.1", "JP", "AS"},
		{"139.130.4.5", "AU", "OC"},
		{"199.7.83.42", "US", "NA"},
		{"::ffff:193.0.0.1", "NL", "EU"}, // mapped
		{"2002:c100:1::1", "NL", "EU"},   // 6to4 of 193.0.0.1
		{"2001:610::1", "NL", "EU"},
		{"2001:200::1", "JP", "AS"},
		{"2001:388::1", "AU", "OC"},
	} {
		got, err := city.City(netip.MustParseAddr(c.addr))
		if err != nil {
			t.Fatal(err)
		}
		if got.Country.ISOCode != c.country || got.Continent.Code != c.continent {
			t.Errorf("%s: %q in %q, want %q in %q", c.addr, got.Country.ISOCode, got.Continent.Code, c.country, c.continent)
		}
		if !got.Location.HasCoordinates() {
			t.Errorf("%s: no coordinates", c.addr)
		}
	}
}

func TestSpecialPurposeAddressesAreNowhere(t *testing.T) {
	_, raw := open(t)
	for _, addr := range []string{
		"10.1.2.3", "127.0.20.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.168.1.1", "224.0.0.1",
		"::1", "2001:db8::1", "fe80::1", "fd00::1", "ff02::1",
	} {
		if raw.Lookup(netip.MustParseAddr(addr)).Found() {
			t.Errorf("%s is located", addr)
		}
	}
}

func TestFileIsSmallAndSound(t *testing.T) {
	_, raw := open(t)
	if n := len(dbip.Bytes()); n > maxBytes {
		t.Errorf("%d bytes, want at most %d", n, maxBytes)
	}
	if err := raw.Verify(); err != nil {
		t.Error(err)
	}
	m := raw.Metadata
	if !strings.Contains(m.DatabaseType, "City") || m.IPVersion != 6 || m.BuildEpoch == 0 {
		t.Errorf("metadata: type %q, IP version %d, build epoch %d", m.DatabaseType, m.IPVersion, m.BuildEpoch)
	}
	if !strings.Contains(m.Description["en"], dbip.Attribution) {
		t.Errorf("description %q lacks the attribution", m.Description["en"])
	}
}
