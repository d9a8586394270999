package main

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"runtime"

	"github.com/steerdns/steerdns/config"
	"github.com/steerdns/steerdns/dnsserver"
)

// dnsOptions is what the instance file says of DNS, in the server's words. It
// reads the certificates.
func dnsOptions(conf *config.Instance, log *slog.Logger) (dnsserver.Options, error) {
	workers := conf.DNS.Workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	certificates, err := certificatesOf(conf, log)
	if err != nil {
		return dnsserver.Options{}, err
	}
	return dnsserver.Options{
		Listen: conf.DNS.Listen, Workers: workers, MaxUDP: conf.DNS.MaxUDPSize, Log: log,
		Instance: conf.DNS.Identity, Version: conf.DNS.Version, Cookies: dnsserver.CookieOptions{Require: conf.DNS.Cookies.Require},
		TCP: streamOptions(conf.DNS.TCP), DoT: secureOptions(conf.DNS.TLS), DoH: secureOptions(conf.DNS.HTTPS),
		RRL: rrlOptions(conf.DNS.RateLimit), Access: accessOptions(conf.DNS.Access),
		Dnstap: dnstapOptions(conf.DNS, log), QueryLog: dnsserver.QueryLogOptions{Share: conf.DNS.QueryLog.Sample, Log: log},
		DoQ: secureOptions(conf.DNS.QUIC), Certificates: certificates, LoadBalancers: conf.DNS.Proxy,
	}, nil
}

// quietQUIC keeps the QUIC library from writing to standard error, in a form
// of its own, that the system grants a small buffer.
const quietQUIC = "QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING"

func certificatesOf(conf *config.Instance, log *slog.Logger) (*dnsserver.Certificates, error) {
	if len(conf.DNS.Certificates) == 0 {
		return nil, nil
	}
	if err := os.Setenv(quietQUIC, "true"); err != nil {
		return nil, err
	}
	files := make([]dnsserver.CertificateFiles, len(conf.DNS.Certificates))
	for i, c := range conf.DNS.Certificates {
		files[i] = dnsserver.CertificateFiles{Chain: c.Cert, Key: c.Key}
	}
	certificates, err := dnsserver.LoadCertificates(files, log)
	if err != nil {
		return nil, fmt.Errorf("dns.certificates: %w", err)
	}
	return certificates, nil
}

func streamOptions(c config.TCP) dnsserver.StreamOptions {
	return dnsserver.StreamOptions{MaxConns: c.MaxConnections, MaxPerClient: c.MaxPerClient, IdleTimeout: c.IdleTimeout}
}

func secureOptions(c config.Encrypted) dnsserver.SecureOptions {
	return dnsserver.SecureOptions{Listen: c.Listen, StreamOptions: streamOptions(c.TCP), MaxStreams: c.MaxStreams, Path: c.Path}
}

// listeners names what an instance listens on, for its log.
func (in *instance) listeners() []any {
	list := []any{"dns", addrStrings(in.dns.Addrs())}
	for _, t := range []dnsserver.Transport{dnsserver.DoT, dnsserver.DoH, dnsserver.DoQ} {
		if at := in.dns.AddrsOf(t); len(at) > 0 {
			list = append(list, t.String(), addrStrings(at))
		}
	}
	return append(list, "admin", in.adminAddr())
}

// addrStrings writes listeners for people and for the store.
func addrStrings(list []netip.AddrPort) []string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = a.String()
	}
	return out
}
