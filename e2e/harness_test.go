//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is the program under test, built once by TestMain.
var program string

// patience is for what has no bound of its own; a loaded machine is slow.
const patience = 60 * time.Second

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) int {
	dir, err := os.MkdirTemp("", "steerdns-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "steerdns")
	build := exec.Command("go", "build", "-o", program, "../cmd/steerdns")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building steerdns:", err)
		return 1
	}
	go forker()
	code := m.Run()
	if err := common.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "ending the shared demo:", err)
		return 1
	}
	return code
}

// words collects what a process says.
type words struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(p)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// process is a child of the tests.
type process struct {
	cmd   *exec.Cmd
	said  *words
	ended chan struct{}
}

// forks are starts of processes, for forker.
var forks = make(chan func())

// forker starts all processes from one thread that lives as long as the tests,
// because a parent's death signal is sent when the thread that forked ends, and
// threads that enter a namespace end early.
func forker() {
	runtime.LockOSThread()
	for fork := range forks {
		fork()
	}
}

// spawn starts a process that dies with the tests.
func spawn(name string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(name, args...), said: &words{}, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started := make(chan error)
	forks <- func() { started <- p.cmd.Start() }
	if err := <-started; err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // ProcessState tells
		close(p.ended)
	}()
	return p, nil
}

// start is spawn for the length of a test.
func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p, err := spawn(name, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.end(syscall.SIGTERM); err != nil {
			t.Errorf("%s: %v", filepath.Base(name), err)
		}
		if t.Failed() {
			t.Logf("%s %s said:\n%s", filepath.Base(name), strings.Join(args, " "), tail(p.said.String(), 30))
		}
	})
	return p
}

func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// end sends a signal and waits; one that does not hear it is killed.
func (p *process) end(sig syscall.Signal) error {
	if !p.alive() {
		return nil
	}
	_ = p.cmd.Process.Signal(sig) // it may have ended just now
	select {
	case <-p.ended:
		return nil
	case <-time.After(20 * time.Second):
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
	return errors.New("had to be killed, 20s after " + sig.String())
}

// tail is the last lines of a text.
func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// await polls until ok returns nil. Its last error is the failure.
func await(t testing.TB, within time.Duration, what string, ok func() error) {
	t.Helper()
	if err := poll(within, ok); err != nil {
		t.Fatalf("%s: not within %s: %v", what, within, err)
	}
}

func poll(within time.Duration, ok func() error) error {
	deadline := time.Now().Add(within)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ok()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		<-tick.C
	}
}

// result is how a command ended.
type result struct {
	out    string // stdout
	errs   string // stderr
	status int
}

// command runs a program to its end.
func command(t testing.TB, name string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer stop.Stop()
	_ = cmd.Wait() // ProcessState tells
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// steerdns runs a verb.
func steerdns(t testing.TB, args ...string) result {
	t.Helper()
	return command(t, program, args...)
}

// must wants exit status 0 and returns stdout.
func (r result) must(t testing.TB) string {
	t.Helper()
	if r.status != 0 {
		t.Fatalf("exit status %d\n%s%s", r.status, r.out, r.errs)
	}
	return r.out
}

// exists tells whether a pid is a live process (a zombie is not).
func exists(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := bytes.Cut(text, []byte(") "))
	return len(after) > 0 && after[0] != 'Z' && after[0] != 'X'
}

// freePort is a TCP and UDP port of 127.0.0.1 that nobody used a moment ago.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := ln.Addr().(*net.TCPAddr).Port
		pc, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
		_ = ln.Close()
		if err == nil {
			_ = pc.Close()
			return port
		}
	}
	t.Fatal("no port is free for TCP and UDP")
	return 0
}

// write makes a file in dir.
func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
