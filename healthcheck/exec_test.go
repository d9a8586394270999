package healthcheck

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program writes a shell script and gives its path.
func program(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "check")
	// A child that another test forks meanwhile would keep the file open for
	// writing, and it could not be run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExecProbe(t *testing.T) {
	left := filepath.Join(t.TempDir(), "left")
	for _, c := range []struct {
		name, script string
		args         []string
		timeout      time.Duration
		want         string
	}{
		{"ok", "exit 0", nil, 5 * time.Second, "+exit status 0"},
		{"says", "echo all is well; echo more", nil, 5 * time.Second, "+exit status 0: all is well"},
		{"fails", "echo disk full >&2; exit 3", nil, 5 * time.Second, "exit status 3: disk full"},
		{"dies", "kill -9 $$", nil, 5 * time.Second, "signal: killed"},
		{"arguments are no shell's", `[ "$1" = '$(echo x); a b' ] && [ $# = 1 ]`, []string{"$(echo x); a b"}, 5 * time.Second, "+exit status 0"},
		{"environment", `[ "$STEERDNS_ADDRESS:$STEERDNS_PORT" = 127.0.0.1:80 ] && [ -z "$HOME" ] && env | sort | cut -d= -f1 | tr '\n' ' '`, nil, 5 * time.Second,
			"+exit status 0: LC_ALL PATH PWD STEERDNS_ADDRESS STEERDNS_ENDPOINT STEERDNS_PORT STEERDNS_SERVICE STEERDNS_TIMEOUT_MS"},
		{"hangs", "sleep 1000", nil, 300 * time.Millisecond, "timeout after 300ms while the program runs"},
		{"hangs with children", "sleep 1000 & sleep 1000 & trap '' TERM; wait", nil, 300 * time.Millisecond, "timeout after 300ms while the program runs"},
		{"leaves a child behind", "(sleep 0.7; touch " + left + ") & exit 0", nil, 5 * time.Second, "+exit status 0"},
		{"floods", "yes | head -c 10000000; exit 1", nil, 5 * time.Second, "exit status 1: y"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := program(t, c.script)
			target := patient(Exec, 80, func(check *Check) {
				check.Command, check.Timeout = append([]string{path}, c.args...), c.timeout
			})
			o := observe(t, NewProber(ProberOptions{AllowExec: []string{"/bin/true", path}}), target)
			expect(t, o, c.want)
		})
	}
	t.Cleanup(func() { // after all, which took longer than the child's sleep or did not
		time.Sleep(1500 * time.Millisecond)
		if _, err := os.Stat(left); err == nil {
			t.Error("the child that a program left behind lived on")
		}
	})
}

func TestExecIsBlindUnlessAllowed(t *testing.T) {
	path := program(t, "exit 0")
	missing := filepath.Join(t.TempDir(), "missing")
	for command, want := range map[string]string{
		path:    "this instance does not run ",
		missing: "cannot run: fork/exec ",
	} {
		o := observe(t, NewProber(ProberOptions{AllowExec: []string{missing, "/bin/true"}}), patient(Exec, 0, func(c *Check) { c.Command = []string{command} }))
		if o.OK || !o.Blind || !strings.HasPrefix(o.Reason, want) {
			t.Errorf("%s: %+v, want blind with %q", command, o, want)
		}
	}
}

// TestChildrenThatLeftTheGroup may hold the program's output: that takes
// nothing from a program that ended well, and no time beyond the timeout.
func TestChildrenThatLeftTheGroup(t *testing.T) {
	for _, c := range []struct{ name, script, want string }{
		{"ends", "setsid sleep 20 & echo well; exit 0", ""},
		{"hangs", "setsid sleep 20 & sleep 20", "timeout after 300ms while the program runs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := program(t, c.script)
			p := &netProber{kinds: map[Kind]probe{Exec: execProbe{[]string{path}, 10 * time.Second}.probe}}
			target := patient(Exec, 80, func(check *Check) { check.Command, check.Timeout = []string{path}, 300*time.Millisecond })
			if c.want == "" {
				target.Check.Timeout = time.Second // the shell is slow on a busy machine
				c.want = "+exit status 0: well"
			}
			o := observe(t, p, target)
			expect(t, o, c.want)
			if o.Took > 5*time.Second {
				t.Errorf("took %s", o.Took)
			}
		})
	}
}
