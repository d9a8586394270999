package dnsserver

import (
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// tapReader is a dnstap reader on a socket that hands on the lengths of the
// frames it gets.
func tapReader(t *testing.T, path string) (l net.Listener, frames chan int) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	frames = make(chan int, 1<<16)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serveTap(conn, frames)
		}
	}()
	return l, frames
}

func serveTap(conn net.Conn, frames chan<- int) {
	defer conn.Close()
	var n [4]byte
	next := func() ([]byte, bool) {
		if _, err := io.ReadFull(conn, n[:]); err != nil {
			return nil, false
		}
		b := make([]byte, binary.BigEndian.Uint32(n[:]))
		_, err := io.ReadFull(conn, b)
		return b, err == nil
	}
	for {
		b, ok := next()
		if !ok {
			return
		}
		if len(b) > 0 {
			frames <- len(b)
			continue
		}
		control, ok := next()
		if !ok {
			return
		}
		switch control[3] {
		case 4: // READY: say ACCEPT with the same fields
			control[3] = 1
			conn.Write(append(binary.BigEndian.AppendUint32(make([]byte, 4), uint32(len(control))), control...))
		case 3: // STOP
			conn.Write([]byte{0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 5})
			return
		}
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// tapped is a Responder whose dnstap runs until the test ends, or stop is
// called.
func tapped(t *testing.T, opt DnstapOptions) (l limited, stop func()) {
	opt.Share, opt.Log = 1, slog.New(slog.DiscardHandler)
	l = newLimited(t, Options{Dnstap: opt})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.readers[0].run(ctx) }()
	ended := false
	stop = func() {
		if cancel(); !ended {
			if ended = true; <-done != nil {
				t.Error("the tap failed")
			}
		}
	}
	t.Cleanup(stop)
	return l, stop
}

func receive(t *testing.T, frames <-chan int, n int) {
	t.Helper()
	for i := range n {
		select {
		case <-frames:
		case <-time.After(patience):
			t.Fatalf("%d frames of %d", i, n)
		}
	}
}

func TestDnstapComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tap")
	l, stop := tapped(t, DnstapOptions{Socket: path})
	l.outcomes(t, 10, "192.0.2.1", "static.example.com A") // before there is a reader
	reader, frames := tapReader(t, path)
	receive(t, frames, 20)
	reader.Close()
	l.outcomes(t, 10, "192.0.2.1", "static.example.com A")
	receive(t, frames, 20)
	stop()
}

// TestDnstapNeverHoldsUpQueries: a reader that agrees and then reads nothing.
func TestDnstapNeverHoldsUpQueries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tap")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		ready := make([]byte, 42)
		io.ReadFull(conn, ready)
		ready[11] = 1
		conn.Write(ready)
	}()
	l, _ := tapped(t, DnstapOptions{Socket: path})
	tape := l.tapes[0]
	await(t, "no record was lost: this test tests nothing", func() bool {
		l.want(t, 1000, "192.0.2.1", "static.example.com A", 1000, 0, 0)
		return tape.dropped.Load() > 0
	})
	if waiting := len(tape.full); waiting > tapeLength {
		t.Errorf("%d records wait", waiting)
	}
}

func TestDnstapFilesAreBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tap")
	if err := os.WriteFile(path, []byte("of the process before"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, stop := tapped(t, DnstapOptions{File: path, MaxFile: 4096})
	if old := eventually(t, path+".old"); string(old) != "of the process before" {
		t.Errorf("%q", old)
	}
	for range 10 {
		l.outcomes(t, 10, "192.0.2.1", "static.example.com A")
		await(t, "the tape is read", func() bool { return len(l.tapes[0].free) == tapeLength })
	}
	stop()
	for _, p := range []string{path, path + ".old"} {
		b, err := os.ReadFile(p)
		if err != nil || len(b) > 8192 || string(b[len(b)-4:]) != "\x00\x00\x00\x03" {
			t.Errorf("%s: %d octets, %v", p, len(b), err)
		}
	}
}

func eventually(t *testing.T, path string) (text []byte) {
	t.Helper()
	await(t, path, func() (ok bool) {
		var err error
		text, err = os.ReadFile(path)
		return err == nil
	})
	return text
}
