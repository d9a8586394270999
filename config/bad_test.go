package config

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what the bad files give today as what they should")

// readBeside reads the zone files of the bad fleets.
func readBeside(name string, _ bool) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join("testdata/bad", name))
	if err != nil {
		return nil, fs.ErrNotExist
	}
	return text, nil
}

// TestBad holds one file a rule, with exactly the problems it must give.
func TestBad(t *testing.T) {
	for dir, parse := range map[string]func(string, []byte) Problems{
		"testdata/bad": func(file string, text []byte) Problems {
			_, problems := ParseFleet(file, text, readBeside)
			return problems
		},
		"testdata/bad-instance": func(file string, text []byte) Problems {
			_, problems := ParseInstance(file, text)
			return problems
		},
	} {
		files, err := filepath.Glob(dir + "/*.yaml")
		if err != nil || len(files) < 40 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
		}
		for _, path := range files {
			t.Run(path, func(t *testing.T) { testBad(t, path, parse) })
		}
	}
}

func testBad(t *testing.T, path string, parse func(string, []byte) Problems) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	problems := parse(filepath.Base(path), text)
	for _, p := range problems {
		if p.Line < 1 || p.Col < 1 || p.Message == "" || p.Fix == "" {
			t.Errorf("a problem without position, message or fix: %#v", p)
		}
	}
	got := problems.Error() + "\n"
	wantPath := strings.TrimSuffix(path, ".yaml") + ".want"
	if *update {
		if err := os.WriteFile(wantPath, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(wantPath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal([]byte(got), want) || len(problems) == 0 {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}
