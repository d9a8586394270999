package config

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// ExampleFleet is the fleet file that `steerdns serve` runs without
// --config: one region, one zone, one service. It parses cleanly, and its
// endpoints are up as long as DefaultInstance listens: the check connects to
// the port of its DNS server.
const ExampleFleet = `# The built-in example: one region, one zone, one steered name.
zones:
  - name: gslb.example.com
    soa: {mname: ns1.gslb.example.com, rname: hostmaster.example.com}
    ns: [ns1.gslb.example.com]
    records: |
      ns1   A    127.0.0.1
      @     TXT  "steerdns built-in example"
regions:
  - {name: local, latitude: 52.52, longitude: 13.40, country: DE}
checks:
  - {name: self, type: tcp, port: 5300} # steerdns answers DNS over TCP there
services:
  - name: www.gslb.example.com
    check: self
    endpoints:
      local:
        - {address: 192.0.2.1, probe: 127.0.0.1}
        - {address: 192.0.2.2, probe: 127.0.0.1}
        - {address: "2001:db8::1", probe: 127.0.0.1}
places:
  127.0.0.0/8: local
  "::/64": local
`

// DefaultInstance is what `steerdns serve` runs without --config: instance
// "local" in region "local" of ExampleFleet, with an embedded etcd in the
// user's cache directory.
func DefaultInstance() *Instance {
	data := defaultData()
	return &Instance{
		Name:   "local",
		Region: "local",
		Fleet:  FleetSource{BuiltIn: true},
		Data:   data,
		Store:  Store{Embedded: &Embedded{Dir: filepath.Join(data, "etcd")}},
		DNS: DNS{
			Listen:     []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:5300")},
			MaxUDPSize: 1232,
			Identity:   "local",
			TCP:        TCP{MaxConnections: 1024, MaxPerClient: 32, IdleTimeout: 10 * time.Second},
			TLS:        Encrypted{TCP: TCP{MaxConnections: 1024, MaxPerClient: 32, IdleTimeout: 10 * time.Second}},
			HTTPS: Encrypted{
				TCP: TCP{MaxConnections: 512, MaxPerClient: 32, IdleTimeout: 10 * time.Second}, MaxStreams: 100, Path: "/dns-query",
			},
			QUIC:  Encrypted{TCP: TCP{MaxConnections: 512, MaxPerClient: 32, IdleTimeout: 10 * time.Second}, MaxStreams: 100},
			Drain: 10 * time.Second,
		},
		Checks: Checks{MaxInFlight: 4096, MaxPerAddress: 64},
		Admin:  Admin{Listen: netip.MustParseAddrPort("127.0.0.1:8053")},
		Log:    Log{Level: slog.LevelInfo, Format: LogText},
	}
}

// defaultData is where an instance without a configuration keeps its state.
func defaultData() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "steerdns", "local")
}
