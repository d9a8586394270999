package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/steerdns/steerdns/config"
)

// What config refuses is refused as a whole, and judging what could be read of it
// adds no problem that comes of the first one. The zones of most bad files lack
// an address of their server.
func TestOneMistakeMakesOneProblem(t *testing.T) {
	files, err := filepath.Glob("../../config/testdata/bad/*.yaml")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	const besides = ": gslb.example.com: NS ns1.gslb.example.com. of gslb.example.com. has no address "
	read := func(name string, _ bool) ([]byte, error) {
		text, err := os.ReadFile(filepath.Join("../../config/testdata/bad", name))
		if err != nil {
			return nil, os.ErrNotExist
		}
		return text, nil
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		want, wantErr := os.ReadFile(strings.TrimSuffix(path, ".yaml") + ".want")
		if err = errors.Join(err, wantErr); err != nil {
			t.Fatal(err)
		}
		f, problems := config.ParseFleet(filepath.Base(path), text, read)
		a, err := assemble(f, problems, nil)
		if a != nil || err == nil {
			t.Errorf("%s is accepted", path)
			continue
		}
		got := ""
		for line := range strings.Lines(err.Error() + "\n") {
			if !strings.Contains(line, besides) {
				got += line
			}
		}
		if got != string(want) {
			t.Errorf("got:\n%swant:\n%s", got, want)
		}
	}
}

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
