package config

import (
	"log/slog"
	"net/netip"
	"time"
)

// Instance is a validated instance file: what one process needs to know of
// itself. It is immutable. Paths in it are already resolved: relative ones
// were taken relative to the instance file.
type Instance struct {
	File   string      // as given to ParseInstance; "" for DefaultInstance
	Pos    Pos         // of the first key
	Name   string      // `name`: unique in the fleet; lower-case letters, digits, "-", "_" and ".", at most 63
	Region string      // `region`: the name of one of the fleet's regions
	Fleet  FleetSource // `fleet`
	Data   string      // `data`: directory for state, default /var/lib/steerdns
	Store  Store       // `store`: default embedded
	DNS    DNS         // `dns`
	Geo    Geo         // `geo`
	Checks Checks      // `checks`
	Push   Push        // `push`
	Admin  Admin       // `admin`
	Log    Log         // `log`

	RegionPos Pos // of the region's name
}

// FleetSource is where the fleet file comes from. Exactly one field besides
// Pos is set.
type FleetSource struct {
	Pos     Pos
	Path    string // `fleet: fleet.yaml`
	Etcd    bool   // `fleet: etcd`: what `steerdns apply` stored. (Write ./etcd for a file of that name.)
	BuiltIn bool   // ExampleFleet; only DefaultInstance says so
}

// Store is where the fleet's votes meet. Exactly one field is set.
type Store struct {
	Embedded *Embedded // `embedded`: an etcd server that the instance keeps
	Etcd     *Etcd     // `etcd`: a cluster of the user's
}

// Embedded is an etcd server that the instance keeps, in a process of its own.
type Embedded struct {
	Dir    string         // `dir`: default the directory "etcd" under Instance.Data
	Listen netip.AddrPort // `listen`: where other clients reach it; invalid (the default): nowhere
}

// Etcd is a cluster of the user's.
type Etcd struct {
	Pos          Pos
	Endpoints    []string // `endpoints`: http:// or https:// URLs without a path, or host:port; at least one
	Prefix       string   // `prefix`: of all keys; begins and ends with "/", default "/steerdns/"
	CA           string   // `ca`: file with certificates to trust; "" for the system's
	Cert         string   // `cert`: file with the client certificate; set together with Key
	Key          string   // `key`: file with the client's private key
	Username     string   // `username`
	Password     string   // `password`; not together with PasswordFile
	PasswordFile string   // `password_file`: its first line is the password
}

// DNS is where and how queries are answered.
type DNS struct {
	Listen     []netip.AddrPort // `listen`: UDP and TCP, port 0 for a free one; default 127.0.0.1:5300
	Workers    int              // `workers`: UDP workers an address, 0..1024; 0 (the default): one a core
	MaxUDPSize int              // `max_udp_size`: largest UDP reply, 512..4096 bytes, default 1232
	TCP        TCP              // `tcp`
	Identity   string           // `identity`: for NSID, id.server and hostname.bind; default Instance.Name; "" for "off"
	Version    string           // `version`: for version.server and version.bind; "" (the default) for "off"
	Cookies    Cookies          // `cookies`
	TSIGKeys   string           // `tsig_keys`: file of the keys for signed queries, transfers and NOTIFY; "" (the default): none
	RateLimit  *RateLimit       // `rrl`; nil (the default): no response rate limiting
	Access     Access           // `access`
	Dnstap     *Dnstap          // `dnstap`; nil (the default): nothing is told
	QueryLog   QueryLog         // `query_log`

	TLS          Encrypted      // `tls`: DNS over TLS
	HTTPS        Encrypted      // `https`: DNS over HTTPS
	QUIC         Encrypted      // `quic`: DNS over QUIC
	Certificates []Certificate  // `certificates`: needed by those three; the first is for clients that name none
	Proxy        []netip.Prefix // `proxy`: load balancers whose packets and connections begin with a PROXY header (version 2)
	Drain        time.Duration  // `drain_timeout`: how long connections may go on after a handover, 0..5m, default 10s
}

// TCP bounds what the clients of a stream transport may take.
type TCP struct {
	MaxConnections int           // `max_connections`: in all, 1..1000000, default 1024
	MaxPerClient   int           // `max_per_client`: of one address, 1..MaxConnections; default 32, or MaxConnections when that is less
	IdleTimeout    time.Duration // `idle_timeout`: 100ms..10m, default 10s
}

// Geo names databases in MaxMind's format. "" means that the built-in one
// serves, or none.
type Geo struct {
	City    string // `city`: file in the GeoIP2-City schema
	Country string // `country`: file in the GeoIP2-Country schema
	ASN     string // `asn`: file in the GeoLite2-ASN schema
}

// Checks bounds what this instance probes at once, and names what it may run.
type Checks struct {
	MaxInFlight   int      // `max_in_flight`: probes under way, 1..100000, default 4096
	MaxPerAddress int      // `max_per_address`: of those, to one address, 1..MaxInFlight; default 64, or MaxInFlight when that is less
	AllowExec     []string // `allow_exec`: programs that checks of type exec may run, by absolute path; default none
}

// Push is where endpoints report themselves.
type Push struct {
	Listen netip.AddrPort // `listen`; invalid (the default): nowhere
	Tokens string         // `tokens`: file of who may report what; set together with Listen
	Cert   string         // `cert`: file with the server's certificate; "" for plain HTTP, on loopback only
	Key    string         // `key`: its private key; set together with Cert
}

// Admin is the listener for the page, the API and the metrics.
type Admin struct {
	Listen netip.AddrPort // `listen`: default 127.0.0.1:8053; invalid when Off
	Off    bool           // `listen: "off"`
}

// Log is how the instance logs.
type Log struct {
	Level  slog.Level // `level`: debug, info (the default), warn, error
	Format string     // `format`: LogText (the default) or LogJSON
}

// The formats of the log.
const (
	LogText = "text"
	LogJSON = "json"
)
