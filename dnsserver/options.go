package dnsserver

import (
	"log/slog"
	"net/netip"
	"runtime"
	"time"

	"github.com/steerdns/steerdns/dnsserver/transfer"
	"github.com/steerdns/steerdns/dnsserver/wire"
)

// defaultMaxUDP is the reply size that travels without fragments on all
// usual paths.
const defaultMaxUDP = 1232

// maxPacket is the longest UDP packet that is read or written.
const maxPacket = 4096

// Options is what a Server needs to know. The zero value of every field but
// Listen means its default.
type Options struct {
	Listen   []netip.AddrPort // UDP and TCP; port 0: a free one, the same for both
	Workers  int              // threads for each UDP address; default: one for each CPU
	Instance string           // for NSID and id.server; "": none
	Version  string           // for version.bind; "": not told
	Cookies  CookieOptions
	Access   AccessOptions
	RRL      RRLOptions
	Dnstap   DnstapOptions
	QueryLog QueryLogOptions
	MaxUDP   int // longest UDP reply in octets, 512 to 4096; default 1232
	TCP      StreamOptions
	DoT      SecureOptions
	DoH      SecureOptions
	DoQ      SecureOptions

	Certificates  *Certificates   // for DoT, DoH and DoQ; nil when none of them listens
	LoadBalancers []netip.Prefix  // whose packets and connections begin with a PROXY header (version 2); not of DoQ
	Sockets       *Sockets        // to listen on instead of own ones; nil: none
	After         <-chan struct{} // until it is closed another process reads the sockets of DoQ; nil: none does

	Transfers *transfer.Server // who may fetch zones, and the keys of signed queries; nil: nobody, none
	Log       *slog.Logger     // default: nothing is logged
}

// StreamOptions bound what the clients of one stream transport may use
// (RFC 7766 6.2).
type StreamOptions struct {
	MaxConns     int           // open at once; when there are more, the idlest makes room; default 1024
	MaxPerClient int           // open at once from one IPv4 address or IPv6 /64; default 64
	IdleTimeout  time.Duration // from one query's end to the next one's; default 10 s
	BeginTimeout time.Duration // for what comes before the first query, and over QUIC and HTTPS for one query to come whole; default 5 s
	WriteTimeout time.Duration // for a client to take the replies to what it sent; default 5 s
}

// SecureOptions are those of an encrypted transport.
type SecureOptions struct {
	Listen []netip.AddrPort // none: the transport is off; port 0: a free one
	StreamOptions
	MaxStreams int    // DoH, DoQ: queries that one connection may have under way; default 100
	Path       string // DoH; default /dns-query
}

func (o SecureOptions) withDefaults() SecureOptions {
	o.StreamOptions = o.StreamOptions.withDefaults()
	setDefault(&o.MaxStreams, 100)
	if o.Path == "" {
		o.Path = "/dns-query"
	}
	return o
}

func (o Options) maxUDP() uint16 {
	if o.MaxUDP == 0 {
		return defaultMaxUDP
	}
	return uint16(min(max(o.MaxUDP, wire.MinUDPSize), maxPacket))
}

// UDPWorkers is how many UDP workers a Server has.
func (o Options) UDPWorkers() int { return o.withDefaults().Workers * len(o.Listen) }

// roomy says that Go has processors for all UDP workers and one more, so that
// a worker that keeps its own during a short wait is in nobody's way.
func (o Options) roomy() bool { return runtime.GOMAXPROCS(0) > o.UDPWorkers() }

func (o Options) withDefaults() Options {
	if o.Workers <= 0 {
		o.Workers = runtime.NumCPU()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.TCP = o.TCP.withDefaults()
	o.DoT, o.DoH, o.DoQ = o.DoT.withDefaults(), o.DoH.withDefaults(), o.DoQ.withDefaults()
	return o
}

func (o StreamOptions) withDefaults() StreamOptions {
	setDefault(&o.MaxConns, 1024)
	setDefault(&o.MaxPerClient, 64)
	setDefault(&o.IdleTimeout, 10*time.Second)
	setDefault(&o.BeginTimeout, 5*time.Second)
	setDefault(&o.WriteTimeout, 5*time.Second)
	return o
}

// stream is what bounds a transport's connections.
func (o *Options) stream(t Transport) *StreamOptions {
	if t.Encrypted() {
		return &o.secure(t).StreamOptions
	}
	return &o.TCP
}

// secure is what belongs to an encrypted transport.
func (o *Options) secure(t Transport) *SecureOptions {
	switch t {
	case DoT:
		return &o.DoT
	case DoH:
		return &o.DoH
	}
	return &o.DoQ
}

func setDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}
