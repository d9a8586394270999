//go:build e2e

package e2e

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// keeper is an instance that keeps an etcd of its own.
type keeper struct {
	*lone
	data string // of etcd
	p    *process
}

func newKeeper(t *testing.T, data string) *keeper {
	t.Helper()
	fleet := write(t, t.TempDir(), "fleet.yaml", oneFleet)
	k := &keeper{lone: loneInstance(t, fleet, "embedded: {dir: "+data+"}", ""), data: data}
	k.start(t)
	return k
}

func (k *keeper) start(t *testing.T) {
	t.Helper()
	k.p = k.serve(t)
	k.awaitReady(t, k.p)
}

// etcd is the process id of the embedded etcd.
func (k *keeper) etcd() (int, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", k.p.cmd.Process.Pid))
	for _, task := range tasks {
		list, _ := os.ReadFile(task) // a thread that has ended has none
		for _, word := range strings.Fields(string(list)) {
			pid, convErr := strconv.Atoi(word)
			line, _ := os.ReadFile("/proc/" + word + "/cmdline")
			if convErr == nil && bytes.Contains(line, []byte(k.data)) {
				return pid, nil
			}
		}
	}
	return 0, errors.Join(err, errors.New("no etcd"))
}

// awaitStore waits until the store is connected, and returns etcd's pid.
func (k *keeper) awaitStore(t *testing.T) (pid int) {
	t.Helper()
	await(t, patience, "the store is there", func() (err error) {
		s, err := k.status()
		if err == nil && !s.Store.Connected {
			err = errors.New(s.Store.Reason)
		}
		if err == nil {
			pid, err = k.etcd()
		}
		return err
	})
	return pid
}

func (k *keeper) awaitSaved(t *testing.T) {
	t.Helper()
	await(t, patience, "the state is on disk", func() error {
		_, err := os.Stat(filepath.Join(k.dir, "data", "state"))
		return err
	})
}

// awaitAway waits until the status gives all these reasons for the store's
// absence.
func (k *keeper) awaitAway(t *testing.T, reasons ...string) {
	t.Helper()
	await(t, patience, "the status says why", func() error {
		s, err := k.status()
		if err == nil && s.Store.Connected {
			err = errors.New("the store is there")
		}
		for _, r := range reasons {
			if err == nil && !strings.Contains(s.Store.Reason, r) {
				err = fmt.Errorf("no %q in %q", r, s.Store.Reason)
			}
		}
		return err
	})
}

// Whatever is in etcd's files, DNS is answered from the saved state, and the
// operator is told what to do, which helps.
func TestDamagedStoreCostsTheStoreAlone(t *testing.T) {
	noise := func(page, pages int) func(t *testing.T, f *os.File) {
		return func(t *testing.T, f *os.File) {
			text := make([]byte, pages*4096)
			_, _ = rand.Read(text) // never fails
			if _, err := f.WriteAt(text, int64(page)*4096); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, damage := range map[string]func(*testing.T, *os.File){
		"its head is noise":   noise(0, 3),
		"its pages are noise": noise(2, 6),
		"it is cut short": func(t *testing.T, f *os.File) {
			if err := f.Truncate(5000); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t, filepath.Join(t.TempDir(), "etcd"))
			k.awaitStore(t)
			k.awaitSaved(t)
			if err := k.p.end(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(filepath.Join(k.data, "etcd/member/snap/db"), os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			damage(t, f)
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			k.start(t)
			mustAsk(t, k.DNS, question{})
			k.awaitAway(t, "Move "+k.data+" away")
			mustAsk(t, k.DNS, question{})
			k.followAdvice(t)
		})
	}
}

// followAdvice does what the status says of a damaged store.
func (k *keeper) followAdvice(t *testing.T) {
	t.Helper()
	if err := os.Rename(k.data, k.data+".damaged"); err != nil {
		t.Fatal(err)
	}
	word := ""
	await(t, patience, "the status names the word", func() error {
		s, err := k.status()
		_, after, _ := strings.Cut(strings.Join(s.Notes, " "), "steerdns accept-cluster ")
		if words := strings.Fields(after); len(words) > 0 {
			word = words[0]
			return nil
		}
		return errors.Join(err, fmt.Errorf("notes: %q", s.Notes))
	})
	steerdns(t, "accept-cluster", word, "--admin", k.Admin).must(t)
	k.awaitStore(t)
	await(t, patience, "the new store is believed", func() error {
		s, err := k.status()
		if notes := strings.Join(s.Notes, " "); err == nil && strings.Contains(notes, "accept-cluster") {
			err = errors.New(notes)
		}
		return err
	})
	if n := strings.Count(k.p.said.String(), "the store cannot be used"); n != 1 {
		t.Errorf("the log tells of it %d times", n)
	}
}

func TestKilledStoreComesBack(t *testing.T) {
	k := newKeeper(t, filepath.Join(t.TempDir(), "etcd"))
	for range 2 {
		pid := k.awaitStore(t)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		k.awaitAway(t, "signal: killed", "started again by itself")
		if again := k.awaitStore(t); again == pid {
			t.Error("the same process")
		}
	}
}

// A store that outlived its instance would keep the next one out.
func TestStoreEndsWithItsInstance(t *testing.T) {
	k := newKeeper(t, filepath.Join(t.TempDir(), "etcd"))
	pid := k.awaitStore(t)
	if err := k.p.end(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, 5*time.Second, "etcd ends", func() error { return absent(pid) })
	k.start(t)
	k.awaitStore(t)
}

// What is sent to all processes of the unit at once (systemd does) is the
// instance's to hear: it takes its leave of the store first. A store that hangs
// does not keep it.
func TestStoreEndsAfterItsInstance(t *testing.T) {
	k := newKeeper(t, filepath.Join(t.TempDir(), "etcd"))
	pid := k.awaitStore(t)
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := k.p.end(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if said := k.p.said.String(); strings.Contains(said, "without a word") || !strings.Contains(tail(said, 1), "stopped") {
		t.Errorf("its last words:\n%s", tail(said, 3))
	}
	await(t, 5*time.Second, "etcd ends", func() error { return absent(pid) })

	k.start(t)
	pid = k.awaitStore(t)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := k.p.end(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("ended after %v; systemd would have killed it", took)
	}
	await(t, 5*time.Second, "etcd ends", func() error { return absent(pid) })
}

// A disk without room ends etcd, whose parts cannot recover. With room it is
// back without a hand.
func TestStoreOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("mount: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	k := newKeeper(t, filepath.Join(dir, "etcd"))
	pid := k.awaitStore(t)
	filler := filepath.Join(dir, "filler")
	if err := fill(filler); err != nil {
		t.Fatal(err)
	}
	await(t, patience, "etcd gives up", func() error { return absent(pid) }) // it writes with every beat of the votes
	await(t, patience, "the log says why", func() error { return k.p.saidTimes("free space on the disk of", 1) })
	mustAsk(t, k.DNS, question{})
	if err := os.Remove(filler); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	await(t, patience, "etcd is back", func() error {
		s, err := k.status()
		if err == nil && (!s.Store.Connected || s.Store.Reason != "") {
			err = fmt.Errorf("connected: %v, %s", s.Store.Connected, s.Store.Reason)
		}
		return err
	})
}

// fill writes until the disk takes no more.
func fill(path string) error {
	f, err := os.Create(path)
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return f.Close()
}

// Two processes with one data directory would replace each other's state. A
// handover passes it on.
func TestDataDirectoryIsOnes(t *testing.T) {
	fleet := write(t, t.TempDir(), "fleet.yaml", oneFleet)
	first, second := loneInstance(t, fleet, embedded(t), ""), loneInstance(t, fleet, embedded(t), "")
	data := filepath.Join(first.dir, "data")
	text, err := os.ReadFile(second.config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, second.dir, "lone.yaml", strings.Replace(string(text), filepath.Join(second.dir, "data"), data, 1))
	refused := func() {
		t.Helper()
		r := steerdns(t, "serve", "--config", second.config)
		if r.status != 1 || !strings.Contains(r.errs, "data directory "+data+": another process uses it") {
			t.Errorf("status %d:\n%s%s", r.status, r.out, r.errs)
		}
	}
	p := first.serve(t)
	first.awaitReady(t, p)
	refused()
	if err := syscall.Kill(p.cmd.Process.Pid, syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	next := 0
	await(t, patience, "another process takes over", func() error {
		_, after, found := strings.Cut(p.said.String(), "has taken over; this one ends when its connections have\" pid=")
		if !found {
			return errors.New("not yet")
		}
		_, err := fmt.Sscan(after, &next)
		return err
	})
	t.Cleanup(func() {
		_ = syscall.Kill(next, syscall.SIGTERM) // it may have ended
		await(t, patience, "it ends", func() error { return absent(next) })
	})
	refused()
	await(t, patience, "the first ends", func() error { return absent(p.cmd.Process.Pid) })
	refused()
	await(t, patience, "the next has the store", func() error {
		s, err := first.status()
		if err == nil && !s.Store.Connected {
			err = errors.New(s.Store.Reason)
		}
		return err
	})
}

// Without a store and without a usable file there is no state, and nothing says
// that there is.
func TestNoStateHasNoAge(t *testing.T) {
	l := loneInstance(t, write(t, t.TempDir(), "fleet.yaml", oneFleet), deadStore(t), "")
	data := filepath.Join(l.dir, "data")
	if err := os.Mkdir(data, 0o750); err != nil {
		t.Fatal(err)
	}
	write(t, data, "state", "noise")
	write(t, data, "state.prev", "noise")
	p := l.serve(t)
	l.wantUnready(t, "no verdicts are known yet")
	out := steerdns(t, "status", "--admin", l.Admin).must(t)
	if !strings.Contains(out, "; no state\n") || !strings.Contains(out, "there is no state: what is steered is not answered") || strings.Contains(out, "stands") {
		t.Errorf("the status says\n%s", out)
	}
	if _, body, err := get(l.Admin, "/metrics"); err != nil || strings.Contains(body, "\nsteerdns_state_age_seconds") {
		t.Errorf("there is an age among the metrics, or none of them: %v", err)
	}
	await(t, patience, "the loss is logged", func() error { return p.saidTimes("not reachable", 1) })
	if said := p.said.String(); strings.Contains(said, "stands") {
		t.Errorf("it says that something stands:\n%s", said)
	}
}
