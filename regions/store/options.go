package store

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/steerdns/steerdns/regions/store/protocol"
)

// Options says where the store is and how this instance uses it.
type Options struct {
	// Instance names this instance's keys. Empty: nothing can be published,
	// reading and the operator's writes still work.
	Instance string
	// Prefix holds all keys of the fleet; default "/steerdns/". A final slash
	// is added when missing.
	Prefix string
	Remote Remote
	Log    *slog.Logger // nil: silent

	VoteBeat time.Duration // the longest time between two writes of votes; default 5s, at most MaxBeat
	LeaseTTL time.Duration // life of votes after the last sign of their instance; default 15s, at least two beats
	Relist   time.Duration // between two full lists; default 60s, varied by a quarter
	Silence  time.Duration // a watch that says nothing for so long is torn down; default 6s
	Coalesce time.Duration // the shortest time between two writes of votes; default 100ms

	connect func(ctx context.Context, endpoints []string) (peer, error) // nil: to etcd
}

func (o Options) timing() protocol.Timing {
	return protocol.Timing{Beat: o.VoteBeat, LeaseTTL: o.LeaseTTL, Relist: o.Relist, Silence: o.Silence, Coalesce: o.Coalesce}
}

// Bounds of what is believed; protocol has them all.
const (
	MaxVotes      = protocol.MaxVotes
	MaxBeat       = protocol.MaxBeat
	MaxDrain      = protocol.MaxDrain
	MaxFleetText  = protocol.MaxFleetText
	MaxFleetFiles = protocol.MaxFleetFiles
)

// Remote is an etcd cluster.
type Remote struct {
	Endpoints []string // "http://host:port", "https://host:port", "unix:///path", or "host:port"
	CAFile    string   // PEM; who signs the servers' certificates; "" for the system's
	CertFile  string   // PEM; this client's certificate; with KeyFile
	KeyFile   string
	Username  string
	Password  string
}

// DefaultPrefix is the prefix of a fleet that names none.
const DefaultPrefix = "/steerdns/"

// withDefaults fills what is zero in.
func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if !strings.HasSuffix(o.Prefix, "/") {
		o.Prefix += "/"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	orDuration(&o.VoteBeat, 5*time.Second)
	orDuration(&o.LeaseTTL, 15*time.Second)
	orDuration(&o.Relist, time.Minute)
	orDuration(&o.Silence, 6*time.Second)
	orDuration(&o.Coalesce, 100*time.Millisecond)
	return o
}

func orDuration(d *time.Duration, otherwise time.Duration) {
	if *d == 0 {
		*d = otherwise
	}
}

// problems are all reasons why the options cannot work.
func (o Options) problems() error {
	var all []error
	say := func(bad bool, format string, args ...any) {
		if bad {
			all = append(all, fmt.Errorf(format, args...))
		}
	}
	say(o.Instance != "" && !protocol.IsName(o.Instance), "instance name %q: want 1 to %d printable characters", o.Instance, protocol.MaxName)
	say(!protocol.IsName(o.Prefix), "prefix %q: want 1 to %d printable characters", o.Prefix, protocol.MaxName)
	say(o.VoteBeat < 0 || o.VoteBeat > MaxBeat, "vote beat %v: want at most %v", o.VoteBeat, MaxBeat)
	say(o.LeaseTTL < 2*o.VoteBeat, "lease of %v: want at least two vote beats (%v)", o.LeaseTTL, 2*o.VoteBeat)
	say(o.Relist < 0 || o.Silence < 0 || o.Coalesce < 0, "relist %v, silence %v, coalesce %v: want positive times", o.Relist, o.Silence, o.Coalesce)
	say(len(o.Remote.Endpoints) == 0, "no etcd endpoint given")
	for _, e := range o.Remote.Endpoints {
		if err := checkEndpoint(e); err != nil {
			all = append(all, err)
		}
	}
	if _, err := o.Remote.tlsConfig(); err != nil {
		all = append(all, err)
	}
	say(o.Remote.Password != "" && o.Remote.Username == "", "an etcd password without a username")
	return errors.Join(all...)
}

// checkEndpoint refuses what cannot be an etcd endpoint.
func checkEndpoint(endpoint string) error {
	if !strings.Contains(endpoint, "://") {
		endpoint = "http://" + endpoint
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return fmt.Errorf("etcd endpoint: %w", err)
	}
	switch {
	case u.Scheme == "unix" && u.Path != "":
		return nil
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("etcd endpoint %q: want http://, https:// or unix:///path", endpoint)
	case u.Hostname() == "" || u.Port() == "":
		return fmt.Errorf("etcd endpoint %q: want host:port", endpoint)
	}
	return nil
}

// tlsConfig reads the files anew at each call, so that a renewed certificate
// is used by the next client. It is nil when nothing asks for TLS.
func (r Remote) tlsConfig() (*tls.Config, error) {
	secure := r.CAFile != "" || r.CertFile != "" || r.KeyFile != ""
	for _, e := range r.Endpoints {
		secure = secure || strings.HasPrefix(e, "https://")
	}
	if !secure {
		return nil, nil
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if err := r.addRoots(conf); err != nil {
		return nil, err
	}
	return conf, r.addCertificate(conf)
}

func (r Remote) addRoots(conf *tls.Config) error {
	if r.CAFile == "" {
		return nil
	}
	pem, err := os.ReadFile(r.CAFile)
	if err != nil {
		return fmt.Errorf("etcd CA file: %w", err)
	}
	conf.RootCAs = x509.NewCertPool()
	if !conf.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("etcd CA file %s: no PEM certificate in it", r.CAFile)
	}
	return nil
}

func (r Remote) addCertificate(conf *tls.Config) error {
	if r.CertFile == "" && r.KeyFile == "" {
		return nil
	}
	if r.CertFile == "" || r.KeyFile == "" {
		return errors.New("etcd client certificate: give both the certificate file and the key file")
	}
	pair, err := tls.LoadX509KeyPair(r.CertFile, r.KeyFile)
	if err != nil {
		return fmt.Errorf("etcd client certificate: %w", err)
	}
	conf.Certificates = []tls.Certificate{pair}
	return nil
}
