package healthcheck

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"time"
)

// Prober probes one target once.
//
// Probe ends within t.Check.Timeout, or as soon as ctx is done, and never
// panics, whatever the target is or sends. The observation's reason is never
// empty, printable, and at most MaxReason bytes. Probe may be called by many
// goroutines at once. An observation made while ctx ended means nothing.
type Prober interface {
	Probe(ctx context.Context, t Target) Observation
}

// ProberOptions are what all probes share. The zero value works.
type ProberOptions struct {
	Version   string         // of steerdns, for the User-Agent
	Resolver  *net.Resolver  // for aliases; nil: the host's resolv.conf, without caching
	Roots     *x509.CertPool // whose certificates are accepted; nil: the host's
	AllowExec []string       // programs that Exec may run, by their absolute paths; none: no Exec
}

// NewProber makes the prober that speaks to real endpoints. Each probe opens
// a connection of its own and closes it. It follows no redirect and asks no
// HTTP proxy, whatever the environment says.
func NewProber(opts ProberOptions) Prober {
	resolver := opts.Resolver
	if resolver == nil {
		resolver = &net.Resolver{PreferGo: true}
	}
	n := network{
		dialer: net.Dialer{Resolver: resolver, KeepAlive: -1},
		roots:  opts.Roots,
		agent:  fmt.Sprintf("steerdns/%s (health check)", opts.Version),
	}
	return &netProber{kinds: map[Kind]probe{
		HTTP:  httpProbe{network: n}.probe,
		HTTPS: httpProbe{network: n, secure: true}.probe,
		TCP:   streamProbe{network: n}.probe,
		TLS:   streamProbe{network: n, secure: true}.probe,
		UDP:   udpProbe{n}.probe,
		ICMP:  icmpProbe{n}.probe,
		GRPC:  grpcProbe{n}.probe,
		DNS:   dnsProbe{n}.probe,
		Exec:  execProbe{slices.Clone(opts.AllowExec), outputWait}.probe,
	}}
}

// finding is what a probe found good.
type finding struct {
	text     string    // for a person
	warning  string    // what is good now and will not stay so; "" for nothing
	certEnds time.Time // when the first certificate of the chain shown ends; zero without TLS
}

// probe is one attempt by one kind: what it found good, or why it failed.
// It ends when ctx does.
type probe func(ctx context.Context, t Target) (finding, error)

// netProber dispatches by kind. Immutable.
type netProber struct{ kinds map[Kind]probe }

func (p *netProber) Probe(ctx context.Context, t Target) (o Observation) {
	began := time.Now()
	defer func() {
		if r := recover(); r != nil {
			o = Observation{Reason: fmt.Sprintf("probe failed inside: %v", r)}
		}
		o.At = time.Now()
		o.Took = o.At.Sub(began)
		o.Reason = clean(o.Reason)
	}()
	return p.attempt(ctx, t)
}

func (p *netProber) attempt(ctx context.Context, t Target) Observation {
	run, ok := p.kinds[t.Check.Kind]
	if !ok { // a newer version's kind: not the target's fault
		return Observation{Blind: true, Reason: fmt.Sprintf("no probe of kind %q", t.Check.Kind)}
	}
	limit := t.Check.timeout()
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	found, err := run(bounded, t)
	o := Observation{OK: err == nil, Reason: found.text, Warning: found.warning, CertEnds: found.certEnds}
	if err != nil {
		o.Reason, o.Blind = reasonOf(ctx, err, limit), isBlind(err)
	}
	return o
}
