package config

import (
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"
	"time"
)

func TestExampleInstance(t *testing.T) {
	in, err := LoadInstance("testdata/example-instance.yaml")
	if err != nil {
		t.Fatal(err)
	}
	pos := func(line, col int) Pos { return Pos{"testdata/example-instance.yaml", line, col} }
	wantEqual(t, "instance", in, &Instance{
		File: "testdata/example-instance.yaml", Pos: pos(3, 1), Name: "us-east-1", Region: "us-east", RegionPos: pos(4, 9),
		Fleet: FleetSource{Pos: pos(5, 8), Path: "testdata/example-fleet.yaml"},
		Data:  "/var/lib/steerdns",
		Store: Store{Etcd: &Etcd{
			Pos:       pos(9, 5),
			Endpoints: []string{"https://etcd1.example.com:2379", "https://etcd2.example.com:2379"},
			Prefix:    "/steerdns/", CA: "testdata/ca.pem", Cert: "testdata/client.pem", Key: "testdata/client-key.pem",
			Username: "steerdns", PasswordFile: "testdata/password",
		}},
		DNS: DNS{
			Listen:     []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:5300"), netip.MustParseAddrPort("[::1]:5300")},
			MaxUDPSize: 1232, Identity: "us-east-1", TCP: TCP{MaxConnections: 1024, MaxPerClient: 32, IdleTimeout: 10 * time.Second},
			TLS: Encrypted{
				Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8853")},
				TCP:    TCP{MaxConnections: 2048, MaxPerClient: 64, IdleTimeout: 20 * time.Second},
			},
			HTTPS: Encrypted{
				Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8443")},
				TCP:    TCP{MaxConnections: 512, MaxPerClient: 32, IdleTimeout: 10 * time.Second}, MaxStreams: 50, Path: "/dns-query",
			},
			QUIC: Encrypted{
				Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8853")},
				TCP:    TCP{MaxConnections: 512, MaxPerClient: 32, IdleTimeout: 30 * time.Second}, MaxStreams: 20,
			},
			Certificates: []Certificate{{Cert: "testdata/ns.pem", Key: "testdata/ns-key.pem"}},
			Proxy:        []netip.Prefix{netip.MustParsePrefix("192.0.2.10/32"), netip.MustParsePrefix("2001:db8::/64")},
			Drain:        5 * time.Second,
		},
		Geo:    Geo{City: "testdata/GeoLite2-City.mmdb", ASN: "testdata/GeoLite2-ASN.mmdb"},
		Checks: Checks{MaxInFlight: 4096, MaxPerAddress: 64},
		Admin:  Admin{Listen: netip.MustParseAddrPort("127.0.0.1:8053")},
		Log:    Log{Level: slog.LevelInfo, Format: LogText},
	})
}

// The built-in instance has the defaults of an instance file, so that a file
// that says nothing behaves the same.
func TestDefaultInstance(t *testing.T) {
	in, problems := ParseInstance("x.yaml", []byte("name: local\nregion: local\nfleet: etcd\n"))
	if problems != nil {
		t.Fatal(problems)
	}
	def := DefaultInstance()
	if !def.Fleet.BuiltIn || !filepath.IsAbs(def.Data) || def.Store.Embedded.Dir != filepath.Join(def.Data, "etcd") {
		t.Errorf("%+v", def)
	}
	wantEqual(t, "name", []string{in.Name, in.Region}, []string{def.Name, def.Region})
	wantEqual(t, "dns", in.DNS, def.DNS)
	wantEqual(t, "admin", in.Admin, def.Admin)
	wantEqual(t, "log", in.Log, def.Log)
	wantEqual(t, "fleet", in.Fleet, FleetSource{Pos: Pos{"x.yaml", 3, 8}, Etcd: true})
	wantEqual(t, "store", in.Store, Store{Embedded: &Embedded{Dir: "/var/lib/steerdns/etcd"}})
}

func TestInstanceVariants(t *testing.T) {
	const base = "name: a\nregion: b\nfleet: ./etcd\n"
	parse := func(rest string) *Instance {
		t.Helper()
		in, problems := ParseInstance("/etc/steerdns/a.yaml", []byte(base+rest))
		if problems != nil {
			t.Fatal(problems)
		}
		return in
	}
	in := parse(`data: d
store: {embedded: {listen: "127.0.0.1:2379"}}
dns: {workers: 4, max_udp_size: 1400, listen: ["0.0.0.0:0", "[::]:53"], tcp: {max_connections: 8}}
admin: {listen: off}
log: {level: debug, format: json}
`)
	wantEqual(t, "fleet", in.Fleet.Path, "/etc/steerdns/etcd")
	wantEqual(t, "data", in.Data, "/etc/steerdns/d")
	wantEqual(t, "embedded", *in.Store.Embedded, Embedded{"/etc/steerdns/d/etcd", netip.MustParseAddrPort("127.0.0.1:2379")})
	wantEqual(t, "admin", in.Admin, Admin{Off: true})
	wantEqual(t, "log", in.Log, Log{slog.LevelDebug, LogJSON})
	wantEqual(t, "dns", in.DNS, DNS{
		Listen:  []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:0"), netip.MustParseAddrPort("[::]:53")},
		Workers: 4, MaxUDPSize: 1400, Identity: "a", TCP: TCP{MaxConnections: 8, MaxPerClient: 8, IdleTimeout: 10 * time.Second},
		TLS: DefaultInstance().DNS.TLS, HTTPS: DefaultInstance().DNS.HTTPS, QUIC: DefaultInstance().DNS.QUIC, Drain: 10 * time.Second,
	})
	in = parse("dns: {identity: \"off\", version: steerdns, cookies: {secrets_file: s.txt, require: true}}\n")
	wantEqual(t, "identity and version", []string{in.DNS.Identity, in.DNS.Version}, []string{"", "steerdns"})
	wantEqual(t, "cookies", in.DNS.Cookies, Cookies{"/etc/steerdns/s.txt", true})
	in = parse("dns: {rrl: {rate: 20, errors: 5, exempt: [192.0.2.0/24]}, access: {deny: [\"2001:db8::/32\"], denied: drop, max_rate: 100}}\n")
	wantEqual(t, "rrl", *in.DNS.RateLimit, RateLimit{Rate: 20, Referrals: 20, NoData: 20, NXDomain: 20, Errors: 5, Window: 15 * time.Second,
		Slip: 2, IPv4Prefix: 24, IPv6Prefix: 56, TableSize: 262144, Exempt: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	wantEqual(t, "access", in.DNS.Access, Access{Deny: []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")}, Drop: true, MaxRate: 100})
	in = parse("dns: {dnstap: {socket: tap.sock, sample: 10%}, query_log: {sample: 0.01}}\n")
	wantEqual(t, "dnstap", *in.DNS.Dnstap, Dnstap{Socket: "/etc/steerdns/tap.sock", Sample: 0.1})
	wantEqual(t, "query log", in.DNS.QueryLog, QueryLog{0.01})
	in = parse("dns: {dnstap: {file: /var/log/tap}}\n")
	wantEqual(t, "dnstap", *in.DNS.Dnstap, Dnstap{File: "/var/log/tap", Sample: 1})
	in = parse("store: {etcd: {endpoints: [\"etcd.example.com:2379\"], prefix: /a/b, username: u, password: \"p\"}}\n")
	wantEqual(t, "prefix", in.Store.Etcd.Prefix, "/a/b/")
	wantEqual(t, "password", in.Store.Etcd.Password, "p")
}
