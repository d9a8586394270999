//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// doFill: fill etcd, fill the disk of INSTANCE.
func doFill(s *story, args []string) error {
	if args[0] == "etcd" {
		return s.fleet.fill()
	}
	return s.diskOf(args, func(dir string) error {
		f, err := os.Create(filepath.Join(dir, "filler"))
		for err == nil {
			_, err = f.Write(make([]byte, 4096))
		}
		if !strings.Contains(err.Error(), "no space") {
			return err
		}
		return f.Close()
	})
}

// doEmpty: empty etcd, empty the disk of INSTANCE.
func doEmpty(s *story, args []string) error {
	if args[0] == "etcd" {
		return s.makeRoom()
	}
	return s.diskOf(args, func(dir string) error { return os.Remove(filepath.Join(dir, "filler")) })
}

func (s *story) diskOf(args []string, do func(dir string) error) error {
	list, err := s.pickAll(args[3:])
	for _, u := range list {
		err = errors.Join(err, do(s.dataDir(u.name)))
	}
	return err
}

func (s *story) readonly(u *unit) error { return s.remount(u, "ro") }
func (s *story) writable(u *unit) error { return s.remount(u, "rw") }

func (s *story) remount(u *unit, how string) error {
	mount := []string{"mount", "-o", "remount," + how, s.dataDir(u.name)}
	inside := append([]string{"nsenter", "-m", "-t", fmt.Sprint(u.process.cmd.Process.Pid)}, mount...)
	return poll(10*time.Second, func() error { // busy while it is written to
		for _, cmd := range [][]string{mount, inside} { // `ip netns exec` gives each process mounts of its own
			if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
				return fmt.Errorf("mount: %s", out)
			}
		}
		return nil
	})
}

// doDamage: damage the state of INSTANCE; damage both states of INSTANCE.
func doDamage(s *story, args []string) error {
	u, err := s.pick(args[len(args)-1])
	if err != nil {
		return err
	}
	files := []string{"state"}
	if args[0] == "both" {
		files = append(files, "state.prev")
	}
	for _, name := range files {
		path := filepath.Join(s.dataDir(u[0].name), name)
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		data[len(data)/2] ^= 4
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}
