package transfer

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/steerdns/steerdns/dnsserver/zone"
	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

const apex = "example.com."

// preamble begins the text of a test zone; %d is the serial.
const preamble = `$ORIGIN example.com.
$TTL 300
@ SOA ns hostmaster %d 3600 900 1209600 60
@ NS ns
ns A 192.0.2.53
`

// buildZone makes a zone of text behind the preamble, with www steered by
// service 0 if counted.
func buildZone(t testing.TB, serial uint32, counted bool, text string) *zone.Set {
	t.Helper()
	src := zone.Source{Name: apex, File: "test", Text: fmt.Sprintf(preamble, serial) + text, Counted: counted}
	if counted {
		src.Steered = []zone.SteeredName{{Name: "www.example.com.", Service: 0, File: "test", Line: 1, HTTPS: true}}
	}
	set, problems := zone.Build([]zone.Source{src})
	if set == nil {
		t.Fatal(problems)
	}
	return set
}

// world has two regions with two IPv4 endpoints each and one IPv6; those whose
// index is in down are.
func world(down ...int) *regions.World {
	top := &regions.Topology{
		Hash:    "0123456789",
		Regions: []regions.Region{{Name: "a", Capacity: 100}, {Name: "b", Capacity: 100}},
		Services: []regions.Service{{
			Name: "www.example.com.", TTLMin: 5, TTLMax: 30, HTTPS: &regions.Binding{ALPN: []string{"h2"}},
			Policy: []regions.Stage{{Kind: regions.StageHealthy}, {Kind: regions.StageNear}, {Kind: regions.StageBalance}, {Kind: regions.StageTake, Count: 1, MinRegions: 1}},
			Endpoints: []regions.Endpoint{
				{ID: "0", Region: 0, Addr: netip.MustParseAddr("198.51.100.1"), Weight: 1},
				{ID: "1", Region: 0, Addr: netip.MustParseAddr("198.51.100.2"), Weight: 1},
				{ID: "2", Region: 1, Addr: netip.MustParseAddr("203.0.113.1"), Weight: 1},
				{ID: "3", Region: 1, Addr: netip.MustParseAddr("203.0.113.2"), Weight: 1},
				{ID: "4", Region: 1, Addr: netip.MustParseAddr("2001:db8::1"), Weight: 1},
			},
		}},
	}
	w := &regions.World{
		Topology: top, Ready: true, Regions: make([]regions.Verdict, 2), Services: make([]*regions.Override, 1),
		Endpoints: [][]regions.Verdict{make([]regions.Verdict, 5)},
	}
	for i := range w.Endpoints[0] {
		w.Endpoints[0][i].State = healthcheck.Up
	}
	for _, i := range down {
		w.Endpoints[0][i].State = healthcheck.Down
	}
	return w
}

// register stands for the store: a linearizable register for one zone.
type register struct {
	mu   sync.Mutex
	now  *regions.ZoneSerial
	ever []regions.ZoneSerial
	told func(regions.ZoneSerial) // called after each change
}

var errBusy = errors.New("somebody else was faster")

func (r *register) bind(_ context.Context, before *regions.ZoneSerial, z regions.ZoneSerial) error {
	r.mu.Lock()
	if (before == nil) != (r.now == nil) || before != nil && (before.Serial != r.now.Serial || before.Digest != r.now.Digest) {
		r.mu.Unlock()
		return errBusy
	}
	r.now = &z
	r.ever = append(r.ever, z)
	r.mu.Unlock()
	if r.told != nil {
		r.told(z)
	}
	return nil
}

// serials is what a world says of it.
func (r *register) serials() []regions.ZoneSerial {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now == nil {
		return nil
	}
	return []regions.ZoneSerial{*r.now}
}

// contentOf is the records of a content as text-like keys, for comparisons.
func contentOf(t testing.TB, c *content) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	if err := c.records(func(b []byte) error { all[string(b)] = true; return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}
