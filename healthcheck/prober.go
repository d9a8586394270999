package healthcheck

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
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
	Version  string         // of steerdns, for the User-Agent
	Resolver *net.Resolver  // for aliases; nil: the host's resolv.conf, without caching
	Roots    *x509.CertPool // whose certificates HTTPS accepts; nil: the host's
}

// NewProber makes the prober that speaks to real endpoints. Each probe opens
// a connection of its own and closes it. It follows no redirect and asks no
// HTTP proxy, whatever the environment says.
func NewProber(opts ProberOptions) Prober {
	resolver := opts.Resolver
	if resolver == nil {
		resolver = &net.Resolver{PreferGo: true}
	}
	dialer := net.Dialer{Resolver: resolver, KeepAlive: -1}
	agent := fmt.Sprintf("steerdns/%s (health check)", opts.Version)
	return &netProber{kinds: map[Kind]probe{
		TCP:   tcpProbe{dialer: dialer}.probe,
		HTTP:  httpProbe{dialer: dialer, agent: agent}.probe,
		HTTPS: httpProbe{dialer: dialer, agent: agent, secure: true, roots: opts.Roots}.probe,
	}}
}

// probe is one attempt by one kind: what it found good, or why it failed.
// It ends when ctx does.
type probe func(ctx context.Context, t Target) (string, error)

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
	if !ok {
		return Observation{Reason: fmt.Sprintf("no probe of kind %q", t.Check.Kind)}
	}
	limit := t.Check.timeout()
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	found, err := run(bounded, t)
	if err != nil {
		return Observation{Reason: reasonOf(ctx, err, limit)}
	}
	return Observation{OK: true, Reason: found}
}
