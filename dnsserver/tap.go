package dnsserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/steerdns/steerdns/dnsserver/dnstap"
)

// DnstapOptions are about what is told to a dnstap reader. Exactly one of
// Socket and File is set; neither: nothing is told.
type DnstapOptions struct {
	Socket   string  // a Unix socket on which a reader listens
	File     string  // written anew; when it reaches MaxFile it is renamed, with ".old" behind its name
	MaxFile  int64   // octets; default 256 MiB
	Share    float64 // of the queries, above 0 and up to 1
	Identity string
	Version  string
	Log      *slog.Logger
}

const (
	tapRetry   = time.Second            // between attempts to reach the reader
	tapTimeout = 2 * time.Second        // for a reader to take what is sent
	tapEnd     = 500 * time.Millisecond // the same, when the server ends
)

// tap tells what is on its tape to a dnstap reader.
type tap struct {
	tape   *tape
	opt    DnstapOptions
	source dnstap.Source
	ill    string // what was logged last

	frame, scratch []byte
}

func newTap(opt DnstapOptions) *tap {
	if opt.MaxFile <= 0 {
		opt.MaxFile = 256 << 20
	}
	return &tap{tape: newTape("dnstap", opt.Share), opt: opt, source: dnstap.Source{Identity: opt.Identity, Version: opt.Version}}
}

// run writes until ctx is done, and begins anew after every failure. While
// there is no reader the records of a full tape are lost.
func (t *tap) run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := t.session(ctx)
		t.tell(err)
		if err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(tapRetry):
		}
	}
	return nil
}

// tell logs a failure once.
func (t *tap) tell(err error) {
	said := ""
	if err != nil {
		said = err.Error()
	}
	if said != t.ill && err != nil {
		t.opt.Log.Warn("dnstap has no reader; records are lost until it is back", "error", err)
	}
	t.ill = said
}

// session writes to one connection or file, until ctx is done, it fails, or the
// file is full.
func (t *tap) session(ctx context.Context) (err error) {
	out, err := t.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	var w *dnstap.Writer
	defer context.AfterFunc(ctx, func() { hurry(ctx, out) })()
	hurry(ctx, out)
	if conn, ok := out.(net.Conn); ok {
		w, err = dnstap.NewWriter(conn, conn)
	} else {
		w, err = dnstap.NewWriter(out, nil)
	}
	if err != nil {
		return err
	}
	t.opt.Log.Info("dnstap has a reader", "path", t.path())
	t.ill = ""
	if err := t.copy(ctx, out, w); err != nil {
		return err
	}
	hurry(ctx, out)
	return w.Close()
}

// hurry gives the reader its time to take what is sent. A file has no deadline.
func hurry(ctx context.Context, out sink) {
	limit := tapTimeout
	if ctx.Err() != nil {
		limit = tapEnd
	}
	_ = out.SetDeadline(time.Now().Add(limit))
}

// sink is a connection or a file.
type sink interface {
	Write([]byte) (int, error)
	SetDeadline(time.Time) error
	Close() error
}

func (t *tap) path() string { return t.opt.Socket + t.opt.File }

func (t *tap) open(ctx context.Context) (sink, error) {
	if t.opt.Socket != "" {
		d := net.Dialer{Timeout: tapTimeout}
		return d.DialContext(ctx, "unix", t.opt.Socket)
	}
	if err := os.Rename(t.opt.File, t.opt.File+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("keep the file before: %w", err)
	}
	return os.OpenFile(t.opt.File, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
}

// copy writes records as they come. What is written is sent when the tape has
// nothing more at the moment.
func (t *tap) copy(ctx context.Context, out sink, w *dnstap.Writer) error {
	for {
		if len(t.tape.full) == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
		}
		if t.opt.File != "" && w.Written() > t.opt.MaxFile {
			return nil
		}
		rec, ok := t.tape.next(ctx)
		if !ok {
			return nil
		}
		hurry(ctx, out)
		err := t.write(w, rec)
		t.tape.done(rec)
		if err != nil {
			return err
		}
	}
}

var tapProtocols = [transports]dnstap.Protocol{UDP: dnstap.UDP, TCP: dnstap.TCP, DoT: dnstap.DoT, DoH: dnstap.DoH, DoQ: dnstap.DoQ}

func (t *tap) write(w *dnstap.Writer, rec *taped) error {
	m := dnstap.Message{Type: dnstap.AuthQuery, Protocol: tapProtocols[rec.tr], Client: rec.client, Asked: rec.asked, Packet: rec.query}
	if err := t.put(w, &m); err != nil || len(rec.reply) == 0 {
		return err
	}
	m.Type, m.Answered, m.Packet = dnstap.AuthResponse, rec.done, rec.reply
	return t.put(w, &m)
}

func (t *tap) put(w *dnstap.Writer, m *dnstap.Message) error {
	t.frame, t.scratch = t.source.Append(t.frame[:0], t.scratch, m)
	return w.Frame(t.frame)
}
