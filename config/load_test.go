package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestExampleFleetConstant(t *testing.T) {
	f, problems := ParseFleet("built-in", []byte(ExampleFleet), nil)
	if problems != nil {
		t.Fatal(problems)
	}
	if len(f.Regions) != 1 || f.Regions[0].Name != DefaultInstance().Region || f.Services[0].Name != "www.gslb.example.com." {
		t.Errorf("%+v", f)
	}
	if c := f.Checks[0]; c.Type != CheckTCP || uint16(c.Port) != DefaultInstance().DNS.Listen[0].Port() {
		t.Errorf("the check %+v does not reach the built-in instance itself", c)
	}
}

// What cannot be read is a Problems like any other, and names the file once.
func TestLoadUnreadable(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big.yaml")
	if err := os.WriteFile(big, []byte(strings.Repeat("# much\n", maxText/7+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty.yaml")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): ": cannot be read: no such file or directory (check the path)",
		dir:                             ": cannot be read: it is a directory (check the path and its permissions)",
		big:                             ": cannot be read: it has more than 1048576 bytes (check the path and its permissions)",
		empty:                           ":1:1: the file is empty (write at least the keys that have no default)",
	} {
		f, err := LoadFleet(path)
		var problems Problems
		if !errors.As(err, &problems) || err.Error() != path+want || f != nil {
			t.Errorf("fleet: %v, %v", f, err)
		}
		in, err := LoadInstance(path)
		if !errors.As(err, &problems) || err.Error() != path+want || in != nil {
			t.Errorf("instance: %v, %v", in, err)
		}
	}
}

// Keys that both files have, such as checks, tell nothing of which it is.
func TestIsFleet(t *testing.T) {
	for text, want := range map[string]bool{
		"zones: []":                         true,
		"{regions: [], checks: []}":         true,
		"\ufeff\"services\": []\r\n":        true,
		"name: a\nzones: []\nzones: []\n":   true,
		"name: a\nchecks: {}\nregion: b\n":  false,
		"checks: []\nplaces: {}\nbrake: {}": false,
		"# zones:\nlog:\n  zones: {}\n":     false,
		"zones":                             false,
		"zones: [":                          false,
		"":                                  false,
	} {
		if got := IsFleet([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestLoadZoneFileProblems(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "fleet.yaml")
	text := strings.Replace(ExampleFleet, "    records: |", "    file: sub\n    x: |", 1)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := LoadFleet(path)
	if err == nil || !strings.Contains(err.Error(), `zones[0].file: file "sub" cannot be read: it is a directory`) {
		t.Error(err)
	}
}

// Two zones of one file read it once, and the text that was read is the text
// that is hashed and kept.
func TestFilesAreReadOnce(t *testing.T) {
	text := "zones:\n- {name: a.example.com, file: z}\n- {name: b.example.com, file: z}\n" +
		"regions: [{name: r, latitude: 0, longitude: 0}]\n"
	reads, buffer := 0, []byte("@ NS ns\r\n")
	f, problems := ParseFleet("dir/f.yaml", []byte(text), func(name string, _ bool) ([]byte, error) {
		reads++
		return buffer, nil
	})
	if problems != nil || reads != 1 {
		t.Fatal(problems, reads)
	}
	buffer[0] = 'X'
	if string(f.Files["z"]) != "@ NS ns\r\n" || f.Zones[1].Records.Value != "@ NS ns\n" {
		t.Errorf("%q %q", f.Files, f.Zones[1].Records)
	}
	wantEqual(t, "pos", f.Zones[1].Records.Pos, Pos{"dir/z", 1, 1})
	_, problems = ParseFleet("f.yaml", []byte(text), func(string, bool) ([]byte, error) { return nil, fs.ErrPermission })
	if len(problems) != 2 {
		t.Error(problems)
	}
}

// Each part is hashed with its length: what moves from one file to another,
// or from a name to a text, makes another hash. Line ends do not.
func TestHash(t *testing.T) {
	base := Hash([]byte("a\nb"), map[string][]byte{"x": []byte("yz"), "y": []byte("")})
	if other := Hash([]byte("\ufeffa\r\nb"), map[string][]byte{"y": nil, "x": []byte("yz")}); other != base {
		t.Error("line ends or order changed the hash")
	}
	for _, other := range []string{
		Hash([]byte("a\nbx"), map[string][]byte{"x": []byte("yz"), "y": nil}),
		Hash([]byte("a\nb"), map[string][]byte{"xy": []byte("z"), "y": nil}),
		Hash([]byte("a\nb"), map[string][]byte{"x": []byte("y"), "y": []byte("z")}),
		Hash([]byte("a\nb"), map[string][]byte{"x": []byte("yz")}),
		Hash([]byte("a\nb"), nil),
	} {
		if other == base || len(other) != 64 {
			t.Error("different configurations share a hash")
		}
	}
}

func TestProblems(t *testing.T) {
	ps := Problems{
		{Pos: Pos{"f", 14, 9}, Path: "a.b", Message: "wrong", Fix: "right"},
		{Pos: Pos{"f", 2, 30}, Message: "odd"},
		{Pos: Pos{"f", 14, 9}, Path: "a.b", Message: "wrong", Fix: "right"},
	}
	if got, want := ps.Sorted().Error(), "f:2:30: odd\nf:14:9: a.b: wrong (right)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if Problems(nil).Err() != nil || ps.Err() == nil {
		t.Error("Err")
	}
}

// A name that imitates the end of one file and the start of the next.
func TestHashOfImitatingName(t *testing.T) {
	two := Hash(nil, map[string][]byte{"m": []byte("e"), "n": []byte("d")})
	one := Hash(nil, map[string][]byte{"m\x00\x00\x00\x00\x00\x00\x00\x01en": []byte("d")})
	if one == two {
		t.Error("one file hashes like two")
	}
}
