package config

import (
	"net/netip"
	"strings"
	"time"
)

// Encrypted is one of the encrypted transports.
type Encrypted struct {
	Listen     []netip.AddrPort // `listen`: port 0 for a free one; none (the default): the transport is off
	TCP                         // `max_connections` (default 1024; 512 for https and quic), `max_per_client`, `idle_timeout`
	MaxStreams int              // `max_streams` of https and quic: of one connection, 1..1000, default 100
	Path       string           // `path` of https, default /dns-query
}

// Certificate is a pair of files in PEM.
type Certificate struct {
	Cert string // `cert`: the server's certificate, and those that lead to one that clients trust
	Key  string // `key`: its private key
}

// limits reads what the clients of a stream transport may take.
func limits(t table, connections int64) TCP {
	most := t.get("max_connections").integer(connections, 1, 1000000)
	return TCP{
		MaxConnections: int(most),
		MaxPerClient:   int(t.get("max_per_client").integer(min(32, most), 1, most)),
		IdleTimeout:    t.get("idle_timeout").duration(10*time.Second, 100*time.Millisecond, 10*time.Minute),
	}
}

// encrypted reads what is about TLS, HTTPS and QUIC. seen are the addresses of
// plain DNS.
func (d *decoder) encrypted(file string, t table, seen map[netip.AddrPort]Pos, out *DNS) {
	tls := t.get("tls").table("listen", "max_connections", "max_per_client", "idle_timeout")
	https := t.get("https").table("listen", "path", "max_connections", "max_per_client", "max_streams", "idle_timeout")
	quic := t.get("quic").table("listen", "max_connections", "max_per_client", "max_streams", "idle_timeout")
	datagrams := map[netip.AddrPort]Pos{} // QUIC is UDP, the others share the ports of TCP
	for at, pos := range seen {
		datagrams[at] = pos
	}
	out.TLS = Encrypted{Listen: secureListeners(tls, seen), TCP: limits(tls, 1024)}
	out.HTTPS = Encrypted{Listen: secureListeners(https, seen), TCP: limits(https, 512), MaxStreams: streams(https), Path: dohPath(https)}
	out.QUIC = Encrypted{Listen: secureListeners(quic, datagrams), TCP: limits(quic, 512), MaxStreams: streams(quic)}
	out.Certificates = certificates(file, t.get("certificates"))
	shown := false
	for _, one := range []table{tls, https, quic} {
		shown = shown || one.get("listen").given()
		if one.get("listen").given() && !t.get("certificates").given() {
			one.get("listen").fail("an encrypted listener without a certificate", "add certificates: [{cert: cert.pem, key: key.pem}] to dns")
		}
	}
	if !shown && len(out.Certificates) > 0 {
		t.get("certificates").fail("certificates that no listener shows", "add tls, https or quic with listen, or remove them")
	}
}

// secureListeners reads the listeners of an encrypted transport, which has
// none by default.
func secureListeners(t table, seen map[netip.AddrPort]Pos) []netip.AddrPort {
	v := t.get("listen")
	if !v.given() {
		return nil
	}
	return listeners(v, seen)
}

func streams(t table) int { return int(t.get("max_streams").integer(100, 1, 1000)) }

func dohPath(t table) string {
	if path, ok := parsed(t.get("path"), "a path such as /dns-query", parseDoHPath); ok {
		return path
	}
	return "/dns-query"
}

// parseDoHPath reads the path of a URL that is written without escapes.
func parseDoHPath(s string) (string, flaw) {
	if !strings.HasPrefix(s, "/") || len(s) > 255 || !isPrintable(s) || strings.ContainsAny(s, " ?#%{}\"\\") {
		return "", flaw{"bad path " + quote(s), "begin with a slash, as in /dns-query, and use no escapes and no query"}
	}
	return s, flaw{}
}

func certificates(file string, v item) (out []Certificate) {
	if !v.given() {
		return nil
	}
	list := v.items("certificates")
	seen := map[string]Pos{}
	for _, e := range list {
		t := e.table("cert", "key")
		cert := t.need("cert", "cert.pem")
		c := Certificate{Cert: resolved(file, cert, ""), Key: resolved(file, t.need("key", "key.pem"), "")}
		if c.Cert != "" && c.Key != "" && once(seen, cert, c.Cert, "certificate "+quote(cert.text)) {
			out = append(out, c)
		}
	}
	if v.kind == kindList && len(list) == 0 {
		v.fail("the list is empty", "write at least one {cert: cert.pem, key: key.pem}, or remove it")
	}
	return out
}

// loadBalancers reads the prefixes whose connections begin with a PROXY
// header.
func loadBalancers(v item) (out []netip.Prefix) {
	if !v.given() {
		return nil
	}
	list := v.items("prefixes")
	seen := map[netip.Prefix]Pos{}
	for _, e := range list {
		if p, ok := parsed(e, "a prefix such as 192.0.2.10 or 192.0.2.0/28", parseHosts); ok && once(seen, e, p, "prefix "+p.String()) {
			out = append(out, p)
		}
	}
	if v.kind == kindList && len(list) == 0 {
		v.fail("the list is empty", "name a load balancer's address, or remove the key")
	}
	return out
}
