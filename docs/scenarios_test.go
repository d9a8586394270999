package docs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The operator's guide names every scenario, and none that is not there.
func TestScenariosAreInTheGuide(t *testing.T) {
	text, err := os.ReadFile("operator.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "is shown by (`e2e/testdata/fleet/NAME.txt`)")
	table, _, _ = strings.Cut(table, "\n\n")
	if !found {
		t.Fatal("operator.md has no table of scenarios")
	}
	scripts, err := filepath.Glob("../e2e/testdata/fleet/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	there := map[string]bool{}
	for _, path := range scripts {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		if there[name] = true; !strings.Contains(table, "`"+name+"`") {
			t.Errorf("operator.md does not name the scenario %s", name)
		}
	}
	for i, word := range strings.Split(table, "`") {
		if i%2 == 1 && !there[word] {
			t.Errorf("operator.md names %q, which is no scenario", word)
		}
	}
}
