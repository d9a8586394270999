package healthcheck

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"time"
)

// output is what a program says, heard by a goroutine of its own.
type output struct {
	pipe *os.File
	line firstLine     // owned by the goroutine until done
	done chan struct{} // closed when nothing more is heard
}

// startHeard starts a program and listens to it. The pipe is ours rather than
// the command's, whose Wait would wait for all that hold its other end: also
// for children that left the group.
func startHeard(cmd *exec.Cmd) (*output, error) {
	ours, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = theirs, theirs
	err = cmd.Start()
	_ = theirs.Close() // the program has its own
	if err != nil {
		_ = ours.Close() // nothing was said
		return nil, err
	}
	o := &output{pipe: ours, done: make(chan struct{})}
	go func() {
		defer close(o.done)
		_, _ = io.Copy(&o.line, ours) // until all hung up, or end
	}()
	return o, nil
}

// end gives what an ended program said. It waits for the rest of that for a
// while, but no longer than ctx.
func (o *output) end(ctx context.Context, wait time.Duration) string {
	bounded, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	stop := context.AfterFunc(bounded, func() { _ = o.pipe.Close() })
	<-o.done
	if stop() {
		_ = o.pipe.Close() // all was heard
	}
	return o.line.text()
}

// firstLine keeps the beginning of what a program says and drops the rest.
type firstLine struct{ buf []byte }

func (f *firstLine) Write(p []byte) (int, error) {
	f.buf = append(f.buf, p[:min(len(p), maxOutput-len(f.buf))]...)
	return len(p), nil
}

func (f *firstLine) text() string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(f.buf), []byte("\n"))
	if len(line) == 0 {
		return ""
	}
	return ": " + string(line)
}
