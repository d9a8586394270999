package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/steerdns/steerdns/regions/store"
)

const (
	// storeReady is how long a new etcd may take until it answers: it reads
	// its log and its database first.
	storeReady = 60 * time.Second
	// storeGrace is how long etcd may take to end in order.
	storeGrace = 4 * time.Second
)

// storeProcess is the embedded etcd in a process of its own: a damaged file or
// a full disk ends it, and nothing else (docs/adr/0023). It ends when its
// standard input does, and so with this process, however that ends.
type storeProcess struct {
	cmd   *exec.Cmd
	dir   string
	stdin io.Closer
	words *etcdWords
	ready chan string   // its endpoint, once
	ended chan struct{} // closed when it is gone
}

// startStore starts etcd with these options; its complaints go to words.
func startStore(opt store.EmbeddedOptions, words *etcdWords) (*storeProcess, error) {
	program, err := ownProgram()
	if err != nil {
		return nil, err
	}
	p := &storeProcess{dir: opt.Dir, words: words, ready: make(chan string, 1), ended: make(chan struct{})}
	p.cmd = exec.Command(program, "etcd", "--tied", "--dir="+opt.Dir, "--name="+opt.Name, "--listen="+opt.ListenClient)
	p.cmd.Args[0] = "steerdns"
	p.cmd.Env = withoutSockets(os.Environ())
	p.cmd.Stdout, p.cmd.Stderr = &firstLineOf{to: p.ready}, words
	p.cmd.SysProcAttr = childAttr(syscall.SIGKILL)
	p.cmd.WaitDelay = time.Second
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	started := make(chan error, 1)
	go p.run(started)
	return p, <-started
}

// run holds its thread as long as the process lives: with the end of the
// thread that started it, Linux takes its parent for dead.
func (p *storeProcess) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	if err != nil {
		p.stdin.Close()
		started <- fmt.Errorf("starting etcd: %w", err)
		return
	}
	started <- nil
	_ = p.cmd.Wait() // ProcessState says how it ended
	close(p.ended)
}

// ownProgram is the file that this process runs, also when another has taken
// its name since.
func ownProgram() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}

// await waits until etcd answers, and returns its endpoint.
func (p *storeProcess) await(ctx context.Context) (string, error) {
	late := time.NewTimer(storeReady)
	defer late.Stop()
	select {
	case endpoint := <-p.ready:
		return endpoint, nil
	case <-p.ended:
		return "", p.why()
	case <-late.C:
		return "", p.explain(fmt.Sprintf(" in %s did not answer within %v of its start and is started anew: %s", p.dir, storeReady, p.words.last()))
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// while is ctx until etcd ends; the cause tells why it did.
func (p *storeProcess) while(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-p.ended:
			cancel(p.why())
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// why is the reason for the end of a process that has ended.
func (p *storeProcess) why() error {
	last := p.words.last()
	if last == "" {
		last = p.cmd.ProcessState.String()
	}
	if own, says := strings.CutPrefix(last, errStoreEnded.Error()); says {
		return p.explain(own)
	}
	return p.explain(" in " + p.dir + " ended: " + last)
}

// explain adds what a person can do to what happened.
func (p *storeProcess) explain(what string) error {
	if do := store.Advice(p.dir, what); do != "" {
		what += " (" + do + ")"
	}
	return fmt.Errorf("%w%s", errStoreEnded, what)
}

// errStoreEnded is what happens to an embedded etcd. The words are those that
// its own errors begin with.
var errStoreEnded = errors.New("embedded etcd")

// stop ends etcd in order, and after a while by force. A process that hangs in
// the kernel is left behind.
func (p *storeProcess) stop() {
	p.stdin.Close()
	if p.gone(storeGrace) {
		return
	}
	_ = p.cmd.Process.Kill() // it may have ended just now
	p.gone(storeGrace)
}

func (p *storeProcess) gone(within time.Duration) bool {
	t := time.NewTimer(within)
	defer t.Stop()
	select {
	case <-p.ended:
		return true
	case <-t.C:
		return false
	}
}

// firstLineOf sends the first line that is written, once.
type firstLineOf struct {
	to   chan<- string // with room for it
	line string
	done bool
}

func (f *firstLineOf) Write(text []byte) (int, error) {
	if !f.done {
		f.line += string(text)
		if line, _, whole := strings.Cut(f.line, "\n"); whole {
			f.done = true
			f.to <- line
		}
	}
	return len(text), nil
}

// serveEtcd is what the store's process does: it serves until stdin ends or
// ctx does.
func serveEtcd(ctx context.Context, opt store.EmbeddedOptions, stdin io.Reader, stdout io.Writer) error {
	server, err := store.NewEmbedded(opt)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if stdin != nil {
		go func() {
			_, _ = io.Copy(io.Discard, stdin) // an error is an end as well
			cancel()
		}()
	}
	return server.Run(ctx, func(endpoint string) { fmt.Fprintln(stdout, endpoint) })
}

// tie makes this process one that only its parent ends: what is sent to the
// whole group of processes (by systemd, say) the parent hears, and the store
// outlives its client, so that it can say goodbye. When memory is short, the
// kernel is to choose it and not its parent.
func tie() {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	_ = os.WriteFile("/proc/self/comm", []byte("steerdns-etcd"), 0) // Linux only
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0)  // Linux only
}
