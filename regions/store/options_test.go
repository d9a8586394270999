package store

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

func TestOptions(t *testing.T) {
	junk := filepath.Join(t.TempDir(), "junk.pem")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := func() Options { return Options{Instance: "a", Remote: Remote{Endpoints: []string{"127.0.0.1:2379"}}} }
	tests := []struct {
		name   string
		change func(*Options)
		want   string // "" is fine
	}{
		{"good", func(o *Options) {}, ""},
		{"all schemes", func(o *Options) {
			o.Remote.Endpoints = []string{"http://192.0.2.1:2379", "https://etcd.example.com:2379", "unix:///run/etcd.sock", "[2001:db8::1]:2379"}
		}, ""},
		{"a reader", func(o *Options) { o.Instance = "" }, ""},
		{"no endpoint", func(o *Options) { o.Remote.Endpoints = nil }, "no etcd endpoint"},
		{"no port", func(o *Options) { o.Remote.Endpoints = []string{"http://192.0.2.1"} }, "host:port"},
		{"a strange scheme", func(o *Options) { o.Remote.Endpoints = []string{"ftp://192.0.2.1:1"} }, "want http://"},
		{"a strange name", func(o *Options) { o.Instance = "a\n" }, "instance name"},
		{"a short lease", func(o *Options) { o.LeaseTTL = 6 * time.Second }, "two vote beats"},
		{"a slow beat", func(o *Options) { o.VoteBeat, o.LeaseTTL = time.Hour, 2*time.Hour }, "vote beat"},
		{"no CA file", func(o *Options) { o.Remote.CAFile = junk + "x" }, "CA file"},
		{"a bad CA file", func(o *Options) { o.Remote.CAFile = junk }, "no PEM"},
		{"half a pair", func(o *Options) { o.Remote.CertFile = junk }, "both"},
		{"a bad pair", func(o *Options) { o.Remote.CertFile, o.Remote.KeyFile = junk, junk }, "client certificate"},
		{"a password of nobody", func(o *Options) { o.Remote.Password = "secret" }, "without a username"},
		{"two at once", func(o *Options) { o.Instance, o.Remote.Endpoints = "\n", nil }, "instance name \"\\n\": want 1 to 512 printable characters\nno etcd"},
	}
	for _, test := range tests {
		opt := good()
		test.change(&opt)
		_, err := New(opt)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	opt := good()
	opt.Prefix = "/fleet"
	s, err := New(opt)
	if err != nil || s.keys.Current() != "/fleet/fleet/current" || s.opt.LeaseTTL != 15*time.Second {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestEmbeddedOptions(t *testing.T) {
	for _, test := range []struct {
		opt  EmbeddedOptions
		want string
	}{
		{EmbeddedOptions{Dir: "d"}, ""},
		{EmbeddedOptions{Dir: "d", ListenClient: "unix:///run/s"}, ""},
		{EmbeddedOptions{}, "no directory"},
		{EmbeddedOptions{Dir: "d", ListenClient: "localhost:1"}, "no IP address"},
		{EmbeddedOptions{Dir: "d", ListenClient: "unix://s"}, "unix:///path"},
		{EmbeddedOptions{Dir: "d", ListenPeer: "1"}, "missing port"},
	} {
		if _, err := NewEmbedded(test.opt); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v", test.opt, err)
		}
	}
}

func TestReporterTellsWhatMatters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []Status
		r := reporter{now: time.Now}
		r.start(func(s Status) { told = append(told, s) })
		r.connected(7, 10)
		since := time.Now()
		for range 100 { // ten seconds of contact and nothing else
			time.Sleep(contactStep / 10)
			r.contact()
		}
		if n := len(told); n < 10 || n > 13 {
			t.Errorf("told %d times", n)
		}
		r.writes("disk full")
		if s := told[len(told)-1]; !s.Connected || s.Reason != "disk full" || !s.Since.Equal(since) || s.Cluster != 7 || s.Revision != 10 {
			t.Errorf("%+v", s)
		}
		r.lost("gone", true)
		if s := r.status(); s.Connected || !s.Behind || s.Reason != "gone" || !s.Since.Equal(time.Now()) || !s.LastContact.Equal(s.Since) {
			t.Errorf("%+v", s)
		}
		r.connected(7, 10)
		if s := r.status(); s.Behind || s.Reason != "disk full" {
			t.Errorf("%+v", s)
		}
	})
}

func TestZapBridge(t *testing.T) {
	var log lines
	logger := slog.New(slog.NewTextHandler(&log, nil))
	failed := make(chan error, 2)
	z := newZap(logger, new(atomic.Bool), func(err error) { failed <- err }).With()
	z.Info("chatter")
	z.Warn("slow disk")
	z.Warn(expected[0] + " and so on")
	z.Error("corrupt")
	if log.count("level=WARN") != 1 || log.count("level=ERROR") != 1 || !log.contains("etcd: slow disk") || log.contains("chatter") {
		t.Error(log.text.String())
	}
	for _, giveUp := range []func(string, ...zap.Field){z.Panic, z.Fatal} {
		ended := make(chan bool, 1)
		go func() {
			defer func() { ended <- recover() == nil }()
			giveUp("failed to commit", zap.Error(syscall.ENOSPC), zap.String("path", "p"))
		}()
		if !<-ended {
			t.Error("it panics")
		}
		if err := <-failed; err.Error() != "failed to commit: no space left on device" {
			t.Errorf("told: %v", err)
		}
	}
	if log.contains("failed to commit") {
		t.Error("what is told is in the log as well")
	}
}

func TestAdvice(t *testing.T) {
	for _, test := range []struct{ words, want string }{
		{"embedded etcd: another process uses /d: stop it", ""},
		{"embedded etcd in /d: failed to commit tx: write /d/etcd/member/snap/db: no space left on device", "free space on the disk of /d;"},
		{"open database: permission denied", "user write in /d;"},
		{" in /d ended: panic: assertion failed: Page expected to be: 4", "Move /d away"},
		{" in /d ended: fatal error: fault", "Move /d away"},
		{"failed to open database: invalid database", "`steerdns apply`"},
		{" in /d ended: signal: killed", "memory"},
		{" in /d ended: exit status 0", ""},
	} {
		if got := Advice("/d", test.words); (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", test.words, got, test.want)
		}
	}
}
