package geo

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/netip"
	"testing"
)

func smallCity(t interface{ Fatal(...any) }) []byte {
	return makeDB(t, "GeoLite2-City",
		entry{"192.0.2.0/24", inCity(52.5, 13.4, "DE")}, entry{"198.51.100.0/25", inCountry("FR")},
		entry{"2001:db8::/32", inCity(40.7, -74, "US")}, entry{"2001:db8:0:1:8000::/66", inCity(1, 1, "BR")})
}

// openAnything opens raw as each kind; what opens can be compiled and asked.
func openAnything(raw []byte) bool {
	opened := false
	for _, k := range []kind{kindCity, kindCountry, kindASN} {
		db, err := readDatabase(k, "x", raw)
		if err != nil {
			continue
		}
		opened = true
		var d *Data
		if k != kindASN {
			d = assemble(db, db, nil, nil)
		} else {
			d = assemble(&database{v4: nothing[uint32](), v6: nothing[uint64](), places: []Place{{}}}, nil, db, nil)
		}
		a, err := Compile(context.Background(), d, nil, byCountry, nil)
		if err != nil {
			continue
		}
		for _, at := range []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, 1}), netip.IPv6Unspecified(), addr6(0x20010db8 << 32), addr6(^uint64(0))} {
			a.Locate(at)
			d.Locate(at)
		}
	}
	return opened
}

func FuzzDatabase(f *testing.F) {
	city := smallCity(f)
	f.Add(city)
	f.Add(city[:len(city)/2])
	f.Add(makeDB(f, "GeoLite2-ASN", entry{"192.0.2.0/24", inAS(64496)}))
	f.Add([]byte("\xab\xcd\xefMaxMind.com"))
	f.Fuzz(func(t *testing.T, raw []byte) { openAnything(raw) })
}

// Each byte of a database, flipped; each length, cut.
func TestDamagedDatabases(t *testing.T) {
	raw := smallCity(t)
	r := rand.New(rand.NewPCG(3, 4))
	refused := 0
	for i := 0; i < len(raw); i++ {
		bad := bytes.Clone(raw)
		bad[i] ^= 1 << r.IntN(8)
		if !openAnything(bad) {
			refused++
		}
		if i%7 == 0 && openAnything(raw[:i]) {
			t.Errorf("cut at %d of %d, it opens", i, len(raw))
		}
	}
	if refused < 50 {
		t.Errorf("only %d of %d flipped bytes are noticed", refused, len(raw))
	}
}
