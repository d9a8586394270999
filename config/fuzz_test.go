package config

import (
	"os"
	"path/filepath"
	"testing"
)

// seed adds every file of the test data, up to the size that a fuzzer likes.
func seed(f *testing.F) {
	f.Helper()
	f.Add(ExampleFleet)
	for _, pattern := range []string{"testdata/*.yaml", "testdata/bad/*.yaml", "testdata/bad-instance/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range files {
			text, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			if len(text) < 8192 {
				f.Add(string(text))
			}
		}
	}
}

func FuzzFleet(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text string) { parsesOrSaysWhere(t, text) })
}

func FuzzInstance(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text string) {
		in, problems := ParseInstance("i.yaml", []byte(text))
		checkProblems(t, text, in != nil, problems)
	})
}
