package snapshot_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/snapshot"
)

// sample is a small snapshot that tells its revision.
func sample(revision int64) snapshot.Snapshot {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return snapshot.Snapshot{
		Instance: "us-east-1", SavedAt: at, Cluster: 1<<63 + 1, Revision: revision,
		Fleet:     &regions.FleetFile{Text: "zones: []\n", Hash: "ab", By: "ada", At: at, N: 3},
		Overrides: []regions.Override{{Kind: regions.OverrideRegion, Name: "us-east", Owner: "ada", Expires: at.Add(time.Hour)}},
		Regions:   map[string]regions.Verdict{"us-east": {State: healthcheck.Down, Held: true, Since: at, Reason: "down"}},
		Endpoints: map[string]regions.Verdict{"www.example.com/us-east/192.0.2.1": {State: healthcheck.Down, Held: true, Since: at}},
		Brake:     regions.BrakeState{Allowed: 1, Held: []string{"us-east"}},
		Serials:   []regions.ZoneSerial{{Zone: "example.com.", Serial: 1<<32 - 1, Digest: "ab", By: "us-east-1", At: at}},
	}
}

func save(t testing.TB, path string, revision int64) {
	t.Helper()
	if err := snapshot.Save(path, sample(revision)); err != nil {
		t.Fatal(err)
	}
}

func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	if _, _, err := snapshot.Load(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("first start: %v, want not exist", err)
	}
	for revision := int64(1); revision <= 3; revision++ {
		save(t, path, revision)
		got, src, err := snapshot.Load(path)
		if err != nil || !reflect.DeepEqual(got, sample(revision)) || src.Previous || src.Path != path {
			t.Fatalf("loaded %+v from %+v: %v", got, src, err)
		}
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}

// Whatever happens to the latest file, the one before it serves, and Load
// says so.
func TestLoadFallsBack(t *testing.T) {
	tests := map[string]func(path string, data []byte) error{
		"missing":   func(path string, _ []byte) error { return os.Remove(path) },
		"empty":     func(path string, _ []byte) error { return os.WriteFile(path, nil, 0o600) },
		"no header": func(path string, _ []byte) error { return os.WriteFile(path, []byte("{}\n"), 0o600) },
		"grown":     func(path string, data []byte) error { return os.WriteFile(path, append(data, ' '), 0o600) },
		"newer version": func(path string, data []byte) error {
			return os.WriteFile(path, bytes.Replace(data, []byte(" 1 "), []byte(" 2 "), 1), 0o600)
		},
		"older version": func(path string, data []byte) error {
			return os.WriteFile(path, bytes.Replace(data, []byte(" 1 "), []byte(" 0 "), 1), 0o600)
		},
		"a directory": func(path string, _ []byte) error {
			return errors.Join(os.Remove(path), os.Mkdir(path, 0o700))
		},
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state")
			save(t, path, 1)
			save(t, path, 2)
			data, err := os.ReadFile(path)
			if err := errors.Join(err, damage(path, data)); err != nil {
				t.Fatal(err)
			}
			got, src, err := snapshot.Load(path)
			if err != nil || got.Revision != 1 || !src.Previous || src.Refused == nil {
				t.Fatalf("revision %d, source %+v, %v", got.Revision, src, err)
			}
			if age, _, versioned := strings.Cut(name, " version"); versioned && !strings.Contains(src.Refused.Error(), "from a "+age+" steerdns") &&
				!strings.Contains(src.Refused.Error(), "from an "+age+" steerdns") {
				t.Errorf("refused with %v", src.Refused)
			}
		})
	}
}

// A damaged latest file must not become the previous one.
func TestSaveKeepsOnlyWholeFilesAsPrevious(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	save(t, path, 1)
	save(t, path, 2)
	if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	save(t, path, 3)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got, _, err := snapshot.Load(path); err != nil || got.Revision != 1 {
		t.Errorf("previous is revision %d, %v, want 1", got.Revision, err)
	}
}

// What a crash left half done is in nobody's way.
func TestSaveAfterACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	save(t, path, 1)
	for _, leftover := range []string{path + ".tmp", path + ".prev.tmp"} {
		if err := os.WriteFile(leftover, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, src, err := snapshot.Load(path); err != nil || got.Revision != 1 || src.Previous {
		t.Errorf("after the crash: revision %d, %+v, %v", got.Revision, src, err)
	}
	save(t, path, 2)
	if got, _, err := snapshot.Load(path); err != nil || got.Revision != 2 {
		t.Errorf("after the next save: revision %d, %v", got.Revision, err)
	}
}

func TestSaveRefusesWhatLoadWould(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	save(t, path, 1)
	for name, edit := range map[string]func(*snapshot.Snapshot){
		"too large":         func(s *snapshot.Snapshot) { s.Fleet.Text = strings.Repeat("x", 64<<20) },
		"no time":           func(s *snapshot.Snapshot) { s.SavedAt = time.Time{} },
		"negative revision": func(s *snapshot.Snapshot) { s.Revision = -1 },
		"odd override":      func(s *snapshot.Snapshot) { s.Overrides[0].Kind = "planet" },
		"endless override":  func(s *snapshot.Snapshot) { s.Overrides[0].Expires = time.Time{} },
		"nameless verdict":  func(s *snapshot.Snapshot) { s.Regions[""] = regions.Verdict{} },
		"held though up":    func(s *snapshot.Snapshot) { s.Regions["x"] = regions.Verdict{State: healthcheck.Up, Held: true} },
		"state out of range": func(s *snapshot.Snapshot) {
			s.Regions["x"] = regions.Verdict{State: 9}
		},
	} {
		s := sample(2)
		edit(&s)
		if err := snapshot.Save(path, s); err == nil {
			t.Errorf("%s: saved", name)
		}
	}
	if err := snapshot.Save(filepath.Join(path, "below-a-file"), sample(2)); err == nil {
		t.Error("saved below a file")
	}
	if got, _, err := snapshot.Load(path); err != nil || got.Revision != 1 {
		t.Errorf("refused saves left revision %d, %v", got.Revision, err)
	}
}

func BenchmarkSave(b *testing.B) {
	path := filepath.Join(b.TempDir(), "state")
	s := sample(1)
	for i := range 1000 {
		s.Endpoints[fmt.Sprintf("www.example.com/us-east/%d", i)] = regions.Verdict{State: healthcheck.Up, Reason: "up: 3 of 3 fresh vantages"}
	}
	for b.Loop() {
		if err := snapshot.Save(path, s); err != nil {
			b.Fatal(err)
		}
	}
}
