package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// job is one process of the demo.
type job struct {
	name string
	kind string // "etcd", "instance" or "backend"
	args []string
}

// crew are the processes of a demo. They are children of this process in
// process groups of their own, so that Ctrl-C reaches this process alone,
// which then ends them in order.
type crew struct {
	exe   string
	dir   string // logs go here, NAME.log
	voice *narrator

	mu      sync.Mutex
	jobs    []job // in the order of their first start
	running map[string]*exec.Cmd
	ended   map[string]chan struct{} // closed when the process is gone
	closing bool
}

func newCrew(exe, dir string, voice *narrator) *crew {
	return &crew{exe: exe, dir: dir, voice: voice, running: map[string]*exec.Cmd{}, ended: map[string]chan struct{}{}}
}

// start starts a job for the first time.
func (c *crew) start(j job) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.jobs = append(c.jobs, j)
	return c.launch(j)
}

// restart starts a job that has ended, and returns its pid.
func (c *crew) restart(name string) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.jobs, func(j job) bool { return j.name == name })
	switch {
	case i < 0:
		return 0, fmt.Errorf("the demo has no process %q (it has: %s)", name, c.names())
	case c.running[name] != nil:
		return 0, fmt.Errorf("%s runs already, pid %d (if it was stopped: kill -CONT %d)", name, c.running[name].Process.Pid, c.running[name].Process.Pid)
	}
	if err := c.launch(c.jobs[i]); err != nil {
		return 0, err
	}
	return c.running[name].Process.Pid, nil
}

func (c *crew) names() (list string) {
	for i, j := range c.jobs {
		if i > 0 {
			list += ", "
		}
		list += j.name
	}
	return list
}

// launch needs c.mu.
func (c *crew) launch(j job) error {
	if c.closing {
		return fmt.Errorf("%s is not started: the demo is ending", j.name)
	}
	logFile, err := os.OpenFile(c.logPath(j.name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer logFile.Close() // the child has its own
	cmd := exec.Command(c.exe, j.args...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = childAttr(syscall.SIGTERM)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", j.name, err)
	}
	gone := make(chan struct{})
	c.running[j.name], c.ended[j.name] = cmd, gone
	go c.reap(j, cmd, gone)
	return nil
}

// reap waits for a process and tells when it ended by itself.
func (c *crew) reap(j job, cmd *exec.Cmd, gone chan struct{}) {
	_ = cmd.Wait() // ProcessState says how it ended
	c.mu.Lock()
	delete(c.running, j.name)
	closing := c.closing
	c.mu.Unlock()
	close(gone)
	if !closing {
		c.voice.say("%s %s (pid %d) ended: %s. Bring it back: %s demo start %s%s", j.kind, j.name,
			cmd.Process.Pid, cmd.ProcessState, c.voice.program, j.name, c.voice.controlFlag)
	}
}

func (c *crew) logPath(name string) string { return filepath.Join(c.dir, name+".log") }

// pid is 0 when the process does not run.
func (c *crew) pid(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cmd := c.running[name]; cmd != nil {
		return cmd.Process.Pid
	}
	return 0
}

// gone is closed when the process of that name has ended.
func (c *crew) gone(name string) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended[name]
}

// stopAll ends every process: instances first, the store last, each kindly
// and after a while by force. Stopped processes are woken to hear it.
func (c *crew) stopAll() {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	for _, kind := range []string{"instance", "backend", "etcd"} {
		c.stopKind(kind)
	}
}

func (c *crew) stopKind(kind string) {
	var waits []<-chan struct{}
	var cmds []*exec.Cmd
	c.mu.Lock()
	for _, j := range c.jobs {
		if cmd := c.running[j.name]; cmd != nil && j.kind == kind {
			_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended just now
			_ = cmd.Process.Signal(syscall.SIGCONT)
			waits, cmds = append(waits, c.ended[j.name]), append(cmds, cmd)
		}
	}
	c.mu.Unlock()
	force := time.AfterFunc(5*time.Second, func() {
		for _, cmd := range cmds {
			_ = cmd.Process.Kill() // it may have ended just now
		}
	})
	defer force.Stop()
	for _, w := range waits {
		<-w
	}
}
