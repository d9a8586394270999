package store

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// TestRestartOfEtcd stops etcd under two instances and starts it again on the
// same directory and port.
func TestRestartOfEtcd(t *testing.T) {
	t.Parallel()
	etcd := newServer(t)
	etcd.start()
	var log lines
	opt := quick(t, "a", etcd.at)
	opt.Log = log.logger()
	a, b := start(t, opt), start(t, quick(t, "b", etcd.at))
	a.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	a.PublishInstance(regions.Instance{Region: "us-east", Started: noon})
	before := b.picture("a's ballot", func(p *regions.Picture) bool { return len(p.Ballots) == 1 && len(p.Instances) == 1 })
	etcd.stop()
	a.status("the loss", func(s Status) bool { return !s.Connected && strings.Contains(s.Reason, "refused") })
	b.status("the loss", func(s Status) bool { return !s.Connected && !s.Since.IsZero() })
	a.PublishVotes(vote("us-east", "e", healthcheck.Down, "while etcd was away"))
	etcd.start()
	p := b.picture("a's new vote", func(p *regions.Picture) bool {
		return len(p.Ballots) == 1 && len(p.Instances) == 1 && p.Ballots[0].Votes["e"].State == healthcheck.Down
	})
	if p.Cluster != before.Cluster || p.Ballots[0].Seq <= before.Ballots[0].Seq || p.Ballots[0].Boot != before.Ballots[0].Boot {
		t.Errorf("before %+v, after %+v", before, p)
	}
	a.status("the return", func(s Status) bool { return s.Connected && s.Reason == "" })
	neverBackwards(t, b)
	if n := log.count("store lost"); n != 1 {
		t.Errorf("the loss was logged %d times", n)
	}
}

// neverBackwards holds the pictures of one cluster to rising revisions.
func neverBackwards(t *testing.T, r *running) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, p := range r.pictures[1:] {
		if old := r.pictures[i]; old.Cluster == p.Cluster && old.Revision > p.Revision {
			t.Errorf("revision %d after %d", p.Revision, old.Revision)
		}
	}
}

func TestAnotherClusterAtTheSamePlace(t *testing.T) {
	t.Parallel()
	etcd := newServer(t)
	etcd.start()
	a := start(t, quick(t, "a", etcd.at))
	a.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	before := a.picture("a ballot", func(p *regions.Picture) bool { return len(p.Ballots) == 1 && p.Ballots[0].Seq > 2 })
	etcd.stop()
	etcd.opt.Dir = filepath.Join(t.TempDir(), "fresh")
	etcd.start()
	p := a.picture("another cluster", func(p *regions.Picture) bool { return p.Cluster != before.Cluster && len(p.Ballots) == 1 })
	if p.Ballots[0].Seq <= before.Ballots[0].Seq {
		t.Error("the sequence of one boot went backwards")
	}
}

// TestOlderDataAtTheSamePlace puts back what the server's disk held earlier:
// the same cluster, but its history went back. That is said in the log too,
// although it comes after the loss itself, and once.
func TestOlderDataAtTheSamePlace(t *testing.T) {
	t.Parallel()
	etcd := newServer(t)
	etcd.start()
	etcd.stop()
	backup := filepath.Join(t.TempDir(), "backup")
	if err := os.CopyFS(backup, os.DirFS(etcd.opt.Dir)); err != nil {
		t.Fatal(err)
	}
	etcd.start()
	var log lines
	opt := quick(t, "a", etcd.at)
	opt.Log = log.logger()
	a := start(t, opt)
	a.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	before := a.picture("a ballot", func(p *regions.Picture) bool { return len(p.Ballots) == 1 && p.Ballots[0].Seq > 2 })
	etcd.stop()
	a.status("the loss", func(s Status) bool { return !s.Connected && !s.Behind })
	etcd.opt.Dir = backup
	etcd.start()
	a.status("the refusal", func(s Status) bool {
		return s.Behind && !s.Connected && s.Cluster == before.Cluster && strings.Contains(s.Reason, "etcd shows an older history")
	})
	tick, lists := time.NewTicker(10*time.Millisecond), a.Stats().Relists
	defer tick.Stop()
	for limit := time.Now().Add(patience); a.Stats().Relists < lists+3; <-tick.C {
		if time.Now().After(limit) {
			t.Fatal("the store is not listed again")
		}
	}
	if lost, why := log.count("store lost"), log.count("etcd shows an older history"); lost != 2 || why != 1 {
		t.Errorf("the loss was logged %d times, its reason %d times: want 2 and 1", lost, why)
	}
	a.AllowCluster(before.Cluster)
	a.status("belief", func(s Status) bool { return s.Connected && !s.Behind })
}

// TestSilence puts a proxy between that stops passing anything, without
// closing: only silence tells.
func TestSilence(t *testing.T) {
	t.Parallel()
	proxy := newProxy(t, shared)
	opt := quick(t, "a", "http://"+proxy.address(), shared)
	opt.Silence = 500 * time.Millisecond
	a := start(t, opt)
	a.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	a.status("a connection through the proxy", func(s Status) bool { return s.Connected })
	proxy.freeze()
	a.wait("the loss", func() bool {
		for _, s := range a.statuses {
			if !s.Connected && (strings.Contains(s.Reason, "silent") || strings.Contains(s.Reason, "never answered")) {
				return true
			}
		}
		return false
	})
	a.status("a connection past the proxy", func(s Status) bool { return s.Connected })
	a.PublishVotes(vote("us-east", "e", healthcheck.Down, ""))
	a.picture("votes past the proxy", func(p *regions.Picture) bool {
		return len(p.Ballots) == 1 && p.Ballots[0].Votes["e"].State == healthcheck.Down
	})
}

// proxy passes bytes between an address of its own and etcd.
type proxy struct {
	listener net.Listener
	frozen   chan struct{} // closed: nothing passes any more
}

func newProxy(t *testing.T, endpoint string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, frozen: make(chan struct{})}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			here, err := l.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "http://"))
			if err != nil {
				here.Close()
				continue
			}
			t.Cleanup(func() { here.Close(); there.Close() })
			go p.pass(here, there)
			go p.pass(there, here)
		}
	}()
	return p
}

func (p *proxy) pass(from, to net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			to.Close()
			return
		}
		select {
		case <-p.frozen:
			continue
		default:
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) address() string { return p.listener.Addr().String() }
func (p *proxy) freeze()         { close(p.frozen) }

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + l.Addr().String()
	l.Close()
	a := start(t, quick(t, "a", nobody))
	a.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	a.status("the reason", func(s Status) bool {
		return !s.Connected && strings.Contains(s.Reason, "etcd at "+nobody+": not reachable: connection refused")
	})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	calls := map[string]func() error{
		"Apply":          func() error { _, err := a.Apply(ctx, fleetFile("text", "ann"), 0); return err },
		"History":        func() error { _, err := a.History(ctx); return err },
		"CurrentFleet":   func() error { _, err := a.CurrentFleet(ctx); return err },
		"PutOverride":    func() error { return a.PutOverride(ctx, drain(regions.OverrideRegion, "r", "ann"), -1, false) },
		"DeleteOverride": func() error { _, _, err := a.DeleteOverride(ctx, regions.OverrideRegion, "r"); return err },
	}
	for name, call := range calls {
		if err := call(); err == nil || !strings.Contains(err.Error(), nobody) || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := a.Leave(t.Context()); err != nil {
		t.Errorf("there is nothing to leave, and yet: %v", err)
	}
}

func TestMisunderstoodServer(t *testing.T) {
	t.Parallel()
	a := start(t, quick(t, "a", strings.Replace(shared, "http", "https", 1)))
	a.status("the reason", func(s Status) bool {
		return !s.Connected && strings.Contains(s.Reason, "does it speak TLS?")
	})
}

// TestNoSpace raises etcd's alarm: writes fail for a reason, reading goes on.
func TestNoSpace(t *testing.T) {
	t.Parallel()
	etcd := newServer(t)
	etcd.start()
	a := start(t, quick(t, "a", etcd.at))
	a.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	a.picture("a ballot", func(p *regions.Picture) bool { return len(p.Ballots) == 1 })
	admin := raw(t, etcd.at)
	maintenance := etcdserverpb.NewMaintenanceClient(admin.ActiveConnection())
	alarm := func(do etcdserverpb.AlarmRequest_AlarmAction) {
		t.Helper()
		r, err := maintenance.Alarm(t.Context(), &etcdserverpb.AlarmRequest{Action: do, Alarm: etcdserverpb.AlarmType_NOSPACE, MemberID: 1})
		if err != nil {
			t.Fatal(r, err)
		}
	}
	alarm(etcdserverpb.AlarmRequest_ACTIVATE)
	a.status("why writes fail", func(s Status) bool {
		return s.Connected && strings.Contains(s.Reason, "votes cannot be written") && strings.Contains(s.Reason, "compact and defragment")
	})
	if err := a.PutOverride(t.Context(), drain(regions.OverrideRegion, "r", "ann"), -1, false); err == nil || !strings.Contains(err.Error(), "compact and defragment") {
		t.Errorf("an override: %v", err)
	}
	stuck := a.picture("a picture", func(*regions.Picture) bool { return true })
	alarm(etcdserverpb.AlarmRequest_DEACTIVATE)
	a.picture("a new ballot", func(p *regions.Picture) bool {
		return len(p.Ballots) == 1 && p.Ballots[0].Seq > stuck.Ballots[0].Seq
	})
	a.status("the end of it", func(s Status) bool { return s.Connected && s.Reason == "" })
	if a.Stats().WatchRestarts != 0 {
		t.Error("failing writes disturbed the watch")
	}
}

func TestEmbeddedIsAlone(t *testing.T) {
	t.Parallel()
	etcd := newServer(t)
	etcd.start()
	second, err := NewEmbedded(EmbeddedOptions{Dir: etcd.opt.Dir})
	if err != nil {
		t.Fatal(err)
	}
	err = second.Run(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "another process uses "+etcd.opt.Dir) {
		t.Errorf("a second one in the same directory: %v", err)
	}
	third, err := NewEmbedded(EmbeddedOptions{Dir: t.TempDir(), ListenClient: etcd.opt.ListenClient})
	if err != nil {
		t.Fatal(err)
	}
	if err := third.Run(t.Context(), nil); err == nil || !strings.Contains(err.Error(), etcd.opt.ListenClient) {
		t.Errorf("a second one at the same port: %v", err)
	}
}

func TestEmbeddedOnASocket(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "etcd") // t.TempDir is too long a path for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	etcd := newServer(t)
	etcd.opt.ListenClient = "unix://" + filepath.Join(dir, "s")
	etcd.start()
	a := start(t, quick(t, "a", etcd.at))
	a.PublishVotes(vote("us-east", "e", healthcheck.Up, ""))
	a.picture("a ballot", func(p *regions.Picture) bool { return len(p.Ballots) == 1 })
}

func TestEmbeddedEndsWhileStarting(t *testing.T) {
	t.Parallel()
	e, err := NewEmbedded(EmbeddedOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Run(ctx, nil); err != nil {
		t.Error(err)
	}
}
