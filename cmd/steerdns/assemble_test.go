package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/steerdns/steerdns/config"
)

// The same zones keep what was answered from them, whatever else changes.
func TestZonesAreTakenOverWhenTheyAreTheSame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fleet.yaml")
	load := func(text string, have *assembled) *assembled {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := loadFleet(path, have)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	first := load(config.ExampleFleet, nil)
	second := load("# moves all lines\n"+strings.Replace(config.ExampleFleet, "port: 5300", "port: 5301", 1), first)
	if second.topology.Services[0].Check.Port != 5301 || second.zones != first.zones {
		t.Errorf("another check made other zones: %v", second.zones != first.zones)
	}
	for _, change := range []struct{ from, to string }{
		{"zones:\n", "zones:\n  - {name: other.example.net, soa: {mname: ns.example.org}, ns: [ns.example.org]}\n"},
		{"name: www.", "name: web."},
	} {
		text := strings.Replace(config.ExampleFleet, change.from, change.to, 1)
		if text == config.ExampleFleet {
			t.Fatalf("the example has no %q", change.from)
		}
		if third := load(text, second); third.zones == second.zones {
			t.Errorf("%q: the zones before were kept", change.to)
		}
	}
}
