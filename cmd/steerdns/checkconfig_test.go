package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/steerdns/steerdns/config"
)

// A brake is noted when it could let a region go but for its share.
func TestBrakeNote(t *testing.T) {
	for _, c := range []struct {
		share   float64
		regions int
		want    string
	}{
		{0.3, 3, "30% of 3 regions"}, {0.3, 3, "write 34% or more"}, {0.33, 3, "33% of 3 regions"},
		{0.34, 3, ""}, {1.0 / 3, 3, ""}, {0.5, 2, ""}, {0.49, 2, "write 50% or more"}, {0.01, 100, ""},
		{0, 3, ""}, {0.5, 1, ""},
	} {
		f := &config.Fleet{Regions: make([]config.Region, c.regions), Brake: config.Brake{Share: c.share}}
		if got := brakeNote(f); (got != "") != (c.want != "") || !strings.Contains(got, c.want) {
			t.Errorf("%v of %d: %q", c.share, c.regions, got)
		}
	}
}

// check-config takes the complete examples of the manual for what they are.
func TestCheckConfigOfDocumentedExamples(t *testing.T) {
	manual, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for heading, want := range map[string]string{
		"## A complete instance file\n": ": ok: instance us-east-1 in region us-east\n",
		"## A complete fleet file\n":    ": ok: fleet of 1 zone, 3 regions, 3 services with 12 endpoints, configuration ",
	} {
		_, section, _ := strings.Cut(string(manual), heading)
		_, text, _ := strings.Cut(section, "```yaml\n")
		text, _, found := strings.Cut(text, "```")
		if !found {
			t.Fatalf("the manual has no example below %q", heading)
		}
		path := filepath.Join(t.TempDir(), "example.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr bytes.Buffer
		if !checkFile(&stdout, &stderr, path) || !strings.HasPrefix(stdout.String(), path+want) {
			t.Errorf("%s%s%s", heading, &stdout, &stderr)
		}
	}
}
