package config

import (
	"log/slog"
	"net/netip"
	"time"
)

// dns reads where and how queries are answered by the instance of that name.
func (d *decoder) dns(file, name string, v item) DNS {
	t := v.table("listen", "workers", "max_udp_size", "tcp", "identity", "version", "cookies", "tsig_keys",
		"tls", "https", "quic", "certificates", "proxy", "drain_timeout",
		"rrl", "access", "dnstap", "query_log")
	tcp := t.get("tcp").table("max_connections", "max_per_client", "idle_timeout")
	seen := map[netip.AddrPort]Pos{}
	out := DNS{
		Listen:     plainListeners(t.get("listen"), seen),
		Workers:    int(t.get("workers").integer(0, 0, 1024)),
		MaxUDPSize: int(t.get("max_udp_size").integer(1232, 512, 4096)),
		Identity:   t.get("identity").disclosed(name),
		Version:    t.get("version").disclosed(""),
		Cookies:    d.cookies(file, t.get("cookies")),
		TSIGKeys:   resolved(file, t.get("tsig_keys"), ""),
		RateLimit:  d.rateLimit(t.get("rrl")),
		Access:     d.access(t.get("access")),
		Dnstap:     d.dnstap(file, t.get("dnstap")),
		QueryLog:   d.queryLog(t.get("query_log")),
		TCP:        limits(tcp, 1024),
		Proxy:      loadBalancers(t.get("proxy")),
		Drain:      t.get("drain_timeout").duration(10*time.Second, 0, 5*time.Minute),
	}
	d.encrypted(file, t, seen, &out)
	return out
}

func plainListeners(v item, seen map[netip.AddrPort]Pos) []netip.AddrPort {
	if !v.given() {
		return []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:5300")}
	}
	return listeners(v, seen)
}

// listeners reads addresses to listen on, none of which is among those seen.
func listeners(v item, seen map[netip.AddrPort]Pos) []netip.AddrPort {
	var out []netip.AddrPort
	list := v.items("listen addresses")
	for _, e := range list {
		a, ok := parsed(e, "address:port", parseListen)
		if ok && (a.Port() == 0 || once(seen, e, a, "address "+a.String())) {
			out = append(out, a)
		}
	}
	if v.kind == kindList && len(list) == 0 {
		v.fail("the list is empty", "write at least one, such as 127.0.0.1:5300")
	}
	return out
}

func (d *decoder) geo(file string, v item) Geo {
	t := v.table("city", "country", "asn")
	return Geo{
		City:    resolved(file, t.get("city"), ""),
		Country: resolved(file, t.get("country"), ""),
		ASN:     resolved(file, t.get("asn"), ""),
	}
}

func (d *decoder) admin(v item) Admin {
	listen := v.table("listen").get("listen")
	switch {
	case !listen.given():
		return Admin{Listen: netip.MustParseAddrPort("127.0.0.1:8053")}
	case listen.kind == kindText && listen.text == wordOff:
		return Admin{Off: true}
	}
	a, _ := parsed(listen, `address:port or "off"`, parseListen)
	return Admin{Listen: a}
}

func (d *decoder) log(v item) Log {
	t := v.table("level", "format")
	levels := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	return Log{
		Level:  levels[t.get("level").choice("info", "debug", "info", "warn", "error")],
		Format: t.get("format").choice(LogText, LogText, LogJSON),
	}
}
