package snapshot

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/regionstest"
)

// numbered is a snapshot that tells its number.
func numbered(n int64) Snapshot {
	return Snapshot{Instance: "us-east-1", SavedAt: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Revision: n}
}

// Every truncation, and every single bit that is not as it was.
func TestNoDamageIsBelieved(t *testing.T) {
	whole, err := encode(numbered(1))
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if _, err := decode(whole[:n]); err == nil {
			t.Fatalf("cut to %d bytes it is believed", n)
		}
		for bit := range 8 {
			damaged := bytes.Clone(whole)
			damaged[n] ^= 1 << bit
			if _, err := decode(damaged); err == nil {
				t.Fatalf("with bit %d of byte %d flipped it is believed", bit, n)
			}
		}
	}
}

// What disks do to files: blocks that are zero, stale, swapped or missing.
// Any change is noticed.
func TestDamagedWorldsAreRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole, err := encode(Of("us-east-1", regions.Judge(regionstest.Input(t)), nil))
		if err != nil {
			t.Fatal(err)
		}
		damaged := damage(t, bytes.Clone(whole))
		if _, err := decode(damaged); err == nil && !bytes.Equal(damaged, whole) {
			t.Fatalf("believed:\n%q\nwas\n%q", damaged, whole)
		}
	})
}

func damage(t *rapid.T, file []byte) []byte {
	from := rapid.IntRange(0, len(file)-1).Draw(t, "from")
	to := rapid.IntRange(from, len(file)).Draw(t, "to")
	switch rapid.SampledFrom([]string{"zero", "cut", "lost", "twice", "noise"}).Draw(t, "how") {
	case "zero":
		clear(file[from:to])
	case "cut":
		return file[:from]
	case "lost":
		return append(file[:from], file[to:]...)
	case "twice":
		return append(file[:to:to], file[from:]...)
	case "noise":
		for i := from; i < to; i++ {
			file[i] = rapid.Byte().Draw(t, "byte")
		}
	}
	return file
}

// dying is a disk whose process ends before one of its changes; a write that
// it ends in is torn.
type dying struct {
	files
	left int     // changes until the end
	torn float64 // how much of the last write is there
}

var errDead = errors.New("the process has ended")

func (d *dying) next() error {
	if d.left--; d.left < 0 {
		return errDead
	}
	return nil
}

func (d *dying) Write(name string, data []byte) error {
	if err := d.next(); err != nil {
		if d.left == -1 {
			_ = d.files.Write(name, data[:int(d.torn*float64(len(data)))]) // the end came in it
		}
		return err
	}
	return d.files.Write(name, data)
}

func (d *dying) Link(from, to string) error {
	if err := d.next(); err != nil {
		panic(errDead) // a failed link is not the end: the caller would go on
	}
	return d.files.Link(from, to)
}

func (d *dying) Rename(from, to string) error {
	if err := d.next(); err != nil {
		return err
	}
	return d.files.Rename(from, to)
}

func (d *dying) Remove(name string) error {
	if err := d.next(); err != nil {
		return err
	}
	return d.files.Remove(name)
}

func (d *dying) SyncDir(name string) error {
	if err := d.next(); err != nil {
		return err
	}
	return d.files.SyncDir(name)
}

// dieIn saves and dies before the change of that number; done: it did not.
func dieIn(path string, change int, torn float64, n int64) (done bool) {
	defer func() {
		if r := recover(); r != nil && r != any(errDead) {
			panic(r)
		}
	}()
	return SaveTo(&dying{left: change, torn: torn}, path, numbered(n)) == nil
}

// The process ends before any change to the disk: what Save replaced, or what
// it wrote, is there, and the next Save works.
func TestACrashAtAnyChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path := filepath.Join(tempDir(t), "state")
		saved := int64(0)
		for n := int64(1); n <= 4; n++ {
			if dieIn(path, rapid.IntRange(0, 8).Draw(t, "changes"), rapid.Float64Range(0, 1).Draw(t, "torn"), n) {
				saved = n
			}
			got, _, err := Load(path)
			if saved == 0 && errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil || got.Revision < saved || got.Revision > n {
				t.Fatalf("revision %d was saved, %d was tried; loaded %d, %v", saved, n, got.Revision, err)
			}
			saved = got.Revision
		}
		if err := Save(path, numbered(5)); err != nil {
			t.Fatal(err)
		}
		if got, src, err := Load(path); err != nil || got.Revision != 5 || src.Previous {
			t.Fatalf("after all crashes: revision %d from %+v, %v", got.Revision, src, err)
		}
	})
}

func tempDir(t *rapid.T) string {
	dir, err := os.MkdirTemp("", "snapshot-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// A disk without room costs the new file, not the old one, and says what to do.
func TestAFullDiskKeepsTheSavedState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	if err := Save(path, numbered(1)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/full", path+".tmp"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".tmp"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	err := Save(path, numbered(2))
	if err == nil || !strings.Contains(err.Error(), "free space on that disk") || !strings.Contains(err.Error(), path) {
		t.Errorf("a full disk: %v", err)
	}
	if got, src, err := Load(path); err != nil || got.Revision != 1 || src.Previous {
		t.Errorf("after it: revision %d from %+v, %v", got.Revision, src, err)
	}
	if err := Save(path, numbered(3)); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// saveWithoutEnd makes this test binary the victim of TestKilledAtAnyPoint.
const saveWithoutEnd = "STEERDNS_SAVE_WITHOUT_END"

func TestMain(m *testing.M) {
	if path := os.Getenv(saveWithoutEnd); path != "" {
		victim(path)
	}
	os.Exit(m.Run())
}

// victim saves numbered states and tells of each that is done.
func victim(path string) {
	s, _, _ := Load(path) // none at first
	for n := s.Revision + 1; ; n++ {
		if err := Save(path, numbered(n)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(n)
	}
}

// kill -9 at any moment: what was told to be saved, or newer, is there.
func TestKilledAtAnyPoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	told := int64(0)
	for round := range 20 {
		told = max(told, killOnce(t, path, time.Duration(rand.IntN(20_000))*time.Microsecond))
		got, _, err := Load(path)
		if err != nil || got.Revision < told {
			t.Fatalf("round %d: revision %d was saved; loaded %d, %v", round, told, got.Revision, err)
		}
	}
	if told == 0 {
		t.Fatal("nothing was ever saved")
	}
}

// killOnce lets a victim save for a while after its first save and returns
// the last number that it told.
func killOnce(t *testing.T, path string, after time.Duration) int64 {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), saveWithoutEnd+"="+path)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	rest, _ := io.ReadAll(lines)
	_ = cmd.Wait() // it was killed
	if err != nil {
		t.Fatalf("the victim said %q: %v", first, err)
	}
	all := strings.Fields(first + string(rest[:bytes.LastIndexByte(rest, '\n')+1]))
	n, err := strconv.ParseInt(all[len(all)-1], 10, 64)
	if err != nil {
		t.Fatalf("the victim said %q", all[len(all)-1])
	}
	return n
}
