package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/steerdns/steerdns/dnsserver"
)

// A handover replaces the process without losing a query: SIGUSR2 starts the
// program's file anew, and the new process gets the sockets themselves, so that
// no packet ever waits in one that is closed.
//
//	old                                    new
//	saves its state, starts the new one    opens nothing; loads the fleet file and the saved state
//	                                       ready: begins to read the sockets, says "ready"
//	reads no more, answers what it read
//	lets connections finish (drain_timeout)
//	lets go of the store, of QUIC and of
//	its state, says "free", or ends        reads QUIC, opens the store, saves

// envHandover names the sockets that a new process gets, in the order of their
// descriptors.
const envHandover = "STEERDNS_HANDOVER"

// The descriptors of a new process: a pipe to the old one, one from it, and
// then the sockets.
const (
	fdReady = 3 + iota
	fdFree
	fdSockets
)

// handoverTimeout is how long a new process may take to become ready.
const handoverTimeout = 60 * time.Second

// successor is the process that takes over.
type successor struct {
	cmd   *exec.Cmd
	ready *os.File // it says here that it is ready
	free  *os.File // it is told here, or by its end, that the rest is free
	ended chan error
}

// startSuccessor starts the program at path with the arguments and the
// environment of this one. lock is on the data directory; nil: there is none.
func startSuccessor(path string, sockets []dnsserver.Socket, lock *os.File) (*successor, error) {
	ready, sayReady, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer sayReady.Close()
	hearFree, free, err := os.Pipe()
	if err != nil {
		ready.Close()
		return nil, err
	}
	defer hearFree.Close()
	s := &successor{cmd: exec.Command(path, os.Args[1:]...), ready: ready, free: free, ended: make(chan error, 1)}
	s.cmd.Stdout, s.cmd.Stderr = os.Stdout, os.Stderr
	s.cmd.ExtraFiles = []*os.File{sayReady, hearFree}
	var names []string
	for _, one := range sockets {
		names = append(names, one.Name)
		s.cmd.ExtraFiles = append(s.cmd.ExtraFiles, one.File)
	}
	if lock != nil {
		names = append(names, dataLock)
		s.cmd.ExtraFiles = append(s.cmd.ExtraFiles, lock)
	}
	s.cmd.Env = append(withoutSockets(os.Environ()), envHandover+"="+strings.Join(names, ","))
	if err := s.cmd.Start(); err != nil {
		s.close()
		return nil, err
	}
	go func() { s.ended <- s.cmd.Wait() }()
	return s, nil
}

// withoutSockets is an environment that speaks of no sockets.
func withoutSockets(env []string) (out []string) {
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case envHandover, "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES":
		default:
			out = append(out, v)
		}
	}
	return out
}

func (s *successor) close() {
	s.ready.Close()
	s.free.Close()
}

// awaitReady waits until the new process serves. If it does not, it is ended.
func (s *successor) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, handoverTimeout)
	defer cancel()
	said := make(chan error, 1)
	go func() {
		_, err := bufio.NewReader(s.ready).ReadString('\n')
		said <- err
	}()
	var err error
	select {
	case err = <-said:
		if err == nil {
			return nil
		}
		err = fmt.Errorf("it ended before it served; its own words say why")
	case <-ctx.Done():
		err = fmt.Errorf("it did not serve within %v", handoverTimeout)
	}
	_ = s.cmd.Process.Kill() // it may have ended by itself
	<-s.ended
	s.close()
	return err
}

// predecessor is the process that this one takes over from; nil: none.
type predecessor struct {
	ready *os.File
	lock  *os.File      // on the data directory; nil: it had none
	free  chan struct{} // closed when it has let go of everything
}

// passedIn is what this process was given: sockets by systemd, or all that a
// predecessor had.
func passedIn(systemd func(unset bool) []*os.File) (*dnsserver.Sockets, *predecessor) {
	names, handover := os.LookupEnv(envHandover)
	if !handover {
		var list []dnsserver.Socket
		for _, f := range systemd(true) {
			list = append(list, dnsserver.Socket{File: f})
		}
		return dnsserver.NewSockets(list), nil
	}
	_ = os.Unsetenv(envHandover) // fails for malformed names only
	syscall.CloseOnExec(fdReady)
	syscall.CloseOnExec(fdFree)
	p := &predecessor{ready: os.NewFile(fdReady, "ready"), free: make(chan struct{})}
	var list []dnsserver.Socket
	for i, name := range strings.Split(names, ",") {
		syscall.CloseOnExec(fdSockets + i)
		f := os.NewFile(uintptr(fdSockets+i), name)
		if name == dataLock {
			p.lock = f
			continue
		}
		list = append(list, dnsserver.Socket{Name: name, File: f})
	}
	go p.listen(os.NewFile(fdFree, "free"))
	return dnsserver.NewSockets(list), p
}

// listen waits for the predecessor's word, or its end.
func (p *predecessor) listen(from *os.File) {
	defer close(p.free)
	defer from.Close()
	_, _ = io.ReadAll(from) // an error is an end as well
}

// dataLock is the lock that this process inherits, or nil.
func (p *predecessor) dataLock() *os.File {
	if p == nil {
		return nil
	}
	return p.lock
}

// sayReady tells the predecessor that this process serves.
func (p *predecessor) sayReady() error {
	defer p.ready.Close()
	_, err := p.ready.WriteString("ready\n")
	return err
}

// freed is closed when nobody else holds what two processes cannot share; nil
// when nobody ever did.
func (p *predecessor) freed() <-chan struct{} {
	if p == nil {
		return nil
	}
	return p.free
}

// programPath is where the program's file will be looked for at a handover: by
// the name that it was started with, so that a link may be switched meanwhile.
func programPath() (string, error) {
	path, err := exec.LookPath(os.Args[0])
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// handovers answers SIGUSR2 until ctx is done or another process has taken
// over; then it calls stop.
func (in *instance) handovers(ctx context.Context, stop func()) error {
	path, pathErr := programPath()
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR2)
	defer signal.Stop(asked)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-asked:
		}
		next, err := in.handOver(ctx, path, pathErr)
		if err != nil {
			in.log.Error("no handover: this process serves on", "program", path, "reason", err)
			continue
		}
		in.log.Info("another process has taken over; this one ends when its connections have", "pid", next.cmd.Process.Pid, "within", in.conf.DNS.Drain)
		notify(in.log, fmt.Sprintf("MAINPID=%d", next.cmd.Process.Pid))
		in.dns.HandOver(in.conf.DNS.Drain)
		stop()
		<-in.dns.Freed()
		<-in.storeEnded
		<-in.saverEnded // only one process writes the state
		next.close()
		return nil
	}
}

// handOver starts another process and waits until it serves.
func (in *instance) handOver(ctx context.Context, path string, pathErr error) (*successor, error) {
	if err := in.mayHandOver(pathErr); err != nil {
		return nil, err
	}
	in.saver.saveNow(ctx)
	sockets, err := in.sockets()
	defer func() {
		for _, s := range sockets {
			s.File.Close()
		}
	}()
	if err != nil {
		return nil, fmt.Errorf("copying the sockets: %w", err)
	}
	next, err := startSuccessor(path, sockets, in.lock)
	if err != nil {
		return nil, err
	}
	in.log.Info("handover: a new process starts", "program", path, "pid", next.cmd.Process.Pid)
	return next, next.awaitReady(ctx)
}

func (in *instance) mayHandOver(pathErr error) error {
	unready := ""
	in.facts.set(func(f *facts) { unready = f.notReady() })
	switch {
	case pathErr != nil:
		return pathErr
	case os.Getpid() == 1:
		return errors.New("this is process 1, whose end is the end of its container: replace the container instead")
	case unready != "":
		return fmt.Errorf("this process is not ready itself (%s): restart it", unready)
	}
	return nil
}

// takeOver waits until this process has something to answer from, begins to
// serve, and says so to the process before.
func (in *instance) takeOver(ctx context.Context) {
	if in.before == nil {
		return
	}
	select {
	case <-ctx.Done():
		return
	case <-in.readied:
	}
	if err := in.before.sayReady(); err != nil {
		in.log.Warn("the process before is gone already", "error", err)
	}
}
