//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// No process of a demo outlives it, stopped ones and those that were started
// later included.
func TestDemoEndsEveryChild(t *testing.T) {
	for name, sig := range map[string]syscall.Signal{"Ctrl-C": syscall.SIGINT, "kill -9": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			d, err := launch()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = d.close() }) // a second time when all is well
			d.signal(t, syscall.SIGKILL, "eu-west-web-1")
			d.revive(t, "eu-west-web-1")
			for _, name := range []string{"us-east-web-2", "us-west-2"} {
				d.signal(t, syscall.SIGSTOP, name)
				await(t, patience, name+" stops", func() error { return stopped(d.find(t, name).PID) })
			}
			pids := d.pids()
			if len(pids) != 13 {
				t.Fatalf("the demo has processes %v, want 6 instances, 6 backends and etcd", pids)
			}
			if err := d.end(sig); err != nil {
				t.Fatal(err)
			}
			for _, pid := range pids {
				await(t, 10*time.Second, "every child ends", func() error { return absent(pid) })
			}
			if sig == syscall.SIGINT && d.cmd.ProcessState.ExitCode() != 0 {
				t.Errorf("the demo ended with %v:\n%s", d.cmd.ProcessState, tail(d.said.String(), 10))
			}
		})
	}
}

// stopped reports why a process has not stopped yet: some thread of it runs.
// The system wakes what its parent's end leaves stopped, and only that.
func stopped(pid int) error {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("process %d has no threads: %w", pid, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if _, state, _ := strings.Cut(string(text), ") "); !strings.HasPrefix(state, "T") {
			return fmt.Errorf("%s: %s", file, state[:1])
		}
	}
	return nil
}

// The words of the demo hold what a visitor needs to go on.
func TestDemoTellsHowToAskAndBreakIt(t *testing.T) {
	d := wholeDemo(t)
	said := d.said.String()
	for _, part := range d.Instances {
		if !strings.Contains(said, part.Name) || !strings.Contains(said, part.DNS) {
			t.Errorf("the demo does not name %s at %s", part.Name, part.DNS)
		}
	}
	asked := 0
	for line := range strings.Lines(said) {
		words, _, _ := strings.Cut(strings.TrimSpace(line), "#")
		if !strings.HasPrefix(words, "dig @") || strings.Contains(words, "YOUR.IP") {
			continue
		}
		asked++
		args := strings.Fields(words)
		if out := command(t, args[0], args[1:]...).must(t); !strings.Contains(out, "www.gslb.example.com.") {
			t.Errorf("%s\nprinted %q", words, out)
		}
	}
	if asked < 4 {
		t.Errorf("the demo offers %d dig lines", asked)
	}
}
