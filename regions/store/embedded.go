package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	"go.etcd.io/etcd/server/v3/embed"
)

// EmbeddedOptions describes an etcd server of our own.
type EmbeddedOptions struct {
	Dir          string       // its data; made with mode 0700 when missing
	Name         string       // of the member; default "steerdns"
	ListenClient string       // an IP address and port, port 0 for a free one, or "unix:///path"; default "127.0.0.1:0"
	ListenPeer   string       // an IP address and port; default "127.0.0.1:0". Nobody needs to reach it.
	Log          *slog.Logger // nil: silent
}

// Embedded is an etcd server of one member, for one instance or a demo. It
// speaks plain HTTP and checks no passwords: keep it on loopback or a unix
// socket.
//
// Give it a process of its own. On a damaged file or a full disk etcd panics in
// goroutines of its own, or leaves some behind for ever: only the end of the
// process is a cure.
type Embedded struct {
	opt     EmbeddedOptions
	closing atomic.Bool // etcd is being stopped
	failed  chan error  // why etcd gave up; room for the first
}

// Bounds of the embedded server.
const (
	embeddedQuota    = 1 << 30 // bytes of its database
	embeddedKeep     = "1000"  // revisions that compaction leaves
	embeddedTick     = 50      // ms of a heartbeat; there is nobody to wait for
	embeddedElection = 500     // ms

	embeddedStop = 3 * time.Second // for an end in order
)

// NewEmbedded checks the options and starts nothing.
func NewEmbedded(opt EmbeddedOptions) (*Embedded, error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	orText(&opt.Name, "steerdns")
	orText(&opt.ListenClient, "127.0.0.1:0")
	orText(&opt.ListenPeer, "127.0.0.1:0")
	_, clientErr := listenURL(opt.ListenClient)
	_, peerErr := listenURL(opt.ListenPeer)
	var dirErr error
	if opt.Dir == "" {
		dirErr = errors.New("embedded etcd: no directory given")
	}
	return &Embedded{opt: opt, failed: make(chan error, 1)}, errors.Join(dirErr, clientErr, peerErr)
}

func orText(s *string, otherwise string) {
	if *s == "" {
		*s = otherwise
	}
}

// listenURL is the URL of a listener: etcd wants literal IP addresses.
func listenURL(listen string) (url.URL, error) {
	if path, unix := strings.CutPrefix(listen, "unix://"); unix {
		if !filepath.IsAbs(path) {
			return url.URL{}, fmt.Errorf("embedded etcd: socket %q: want unix:///path", listen)
		}
		return url.URL{Scheme: "unix", Path: path}, nil
	}
	host, _, err := net.SplitHostPort(listen)
	if err == nil && net.ParseIP(host) == nil {
		err = fmt.Errorf("%q is no IP address", host)
	}
	if err != nil {
		return url.URL{}, fmt.Errorf("embedded etcd: listener %q: %w", listen, err)
	}
	return url.URL{Scheme: "http", Host: listen}, nil
}

// Run serves until ctx ends, then stops in order and returns nil. ready is
// called once, with the endpoint for Remote, when requests are answered. After
// an error parts of etcd may still run: the process should end. It may be
// called once.
func (e *Embedded) Run(ctx context.Context, ready func(endpoint string)) error {
	if err := os.MkdirAll(e.opt.Dir, 0o700); err != nil {
		return fmt.Errorf("embedded etcd: %w", err)
	}
	lock, err := e.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	conf, err := e.config()
	if err != nil {
		return err
	}
	server, err := e.open(conf)
	if err != nil {
		return fmt.Errorf("embedded etcd in %s, listening on %s: %w", e.opt.Dir, e.opt.ListenClient, err)
	}
	if err := e.serve(ctx, server, ready); err != nil {
		return fmt.Errorf("embedded etcd in %s: %w", e.opt.Dir, err)
	}
	return e.stop(server)
}

// open starts etcd from a goroutine of its own, which etcd's last word ends.
func (e *Embedded) open(conf *embed.Config) (*embed.Etcd, error) {
	var server *embed.Etcd
	done := make(chan error, 1)
	go func() {
		var err error
		server, err = embed.StartEtcd(conf)
		done <- err
	}()
	select {
	case err := <-done:
		return server, err
	case err := <-e.failed:
		return nil, err
	}
}

// serve waits for the end of ctx or of etcd.
func (e *Embedded) serve(ctx context.Context, server *embed.Etcd, ready func(endpoint string)) error {
	answers := server.Server.ReadyNotify()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-e.failed:
			return err
		case err := <-server.Err():
			return err
		case <-server.Server.StopNotify():
			return e.whyStopped()
		case <-answers:
			answers = nil
			if ready != nil {
				ready(e.endpoint(server))
			}
		}
	}
}

// whyStopped is what etcd said before it stopped by itself.
func (e *Embedded) whyStopped() error {
	select {
	case err := <-e.failed:
		return err
	default:
		return errors.New("it has stopped by itself")
	}
}

// stop ends the server first, which ends all watches: a graceful end of the
// listeners would wait for them in vain. With goroutines of its own dead, etcd
// may wait for ever.
func (e *Embedded) stop(server *embed.Etcd) error {
	e.closing.Store(true)
	done := make(chan struct{})
	go func() {
		server.Server.Stop()
		server.Close()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-time.After(embeddedStop):
		return fmt.Errorf("embedded etcd in %s did not stop within %v", e.opt.Dir, embeddedStop)
	}
}

// fail keeps the first reason why etcd gave up.
func (e *Embedded) fail(err error) {
	select {
	case e.failed <- err:
	default:
	}
}

// lock keeps a second process out of the directory; etcd itself would only
// wait.
func (e *Embedded) lock() (*fileutil.LockedFile, error) {
	lock, err := fileutil.TryLockFile(filepath.Join(e.opt.Dir, "lock"), os.O_CREATE|os.O_WRONLY, 0o600)
	if errors.Is(err, fileutil.ErrLocked) {
		return nil, fmt.Errorf("embedded etcd: another process uses %s: stop it, or give this one its own directory", e.opt.Dir)
	}
	if err != nil {
		return nil, fmt.Errorf("embedded etcd: %w", err)
	}
	return lock, nil
}

func (e *Embedded) config() (*embed.Config, error) {
	client, err := listenURL(e.opt.ListenClient)
	if err != nil {
		return nil, err
	}
	peer, err := listenURL(e.opt.ListenPeer)
	if err != nil {
		return nil, err
	}
	conf := embed.NewConfig()
	conf.Name = e.opt.Name
	conf.Dir = filepath.Join(e.opt.Dir, "etcd")
	conf.ListenClientUrls = []url.URL{client}
	conf.AdvertiseClientUrls = []url.URL{client}
	conf.ListenPeerUrls = []url.URL{peer}
	conf.AdvertisePeerUrls = []url.URL{peer}
	conf.InitialClusterToken = rand.Text() // counts when the directory is fresh: a new cluster gets a new id
	conf.InitialCluster = e.opt.Name + "=" + peer.String()
	conf.TickMs, conf.ElectionMs = embeddedTick, embeddedElection
	conf.QuotaBackendBytes = embeddedQuota
	conf.AutoCompactionMode, conf.AutoCompactionRetention = embed.CompactorModeRevision, embeddedKeep
	conf.ZapLoggerBuilder = embed.NewZapLoggerBuilder(newZap(e.opt.Log, &e.closing, e.fail))
	return conf, nil
}

// endpoint is where the server really listens.
func (e *Embedded) endpoint(server *embed.Etcd) string {
	address := server.Clients[0].Addr()
	if address.Network() == "unix" {
		return e.opt.ListenClient
	}
	return "http://" + address.String()
}
