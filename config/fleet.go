package config

import (
	"net/netip"
	"time"
)

// Fleet is a validated fleet file: what all instances of a fleet share.
// It is immutable; lists keep the order of the file unless said otherwise.
//
// Every domain name in it is absolute, in lower case and with the final dot.
type Fleet struct {
	File  string            // as given to ParseFleet
	Text  []byte            // the YAML as read
	Files map[string][]byte // what the zones' `file` keys named, by the name they use
	Hash  string            // Hash(Text, Files)

	Zones    []Zone    // `zones`: at least one; one inside another has to be delegated there
	Regions  []Region  // `regions`: 1 to 256
	Checks   []Check   // `checks`
	Services []Service // `services`
	Places   []Place   // `places`: sorted by prefix; a longer prefix wins over a shorter one
	Brake    Brake     // `brake`
	Recovery Recovery  // `recovery`: what holds for regions that do not say otherwise
	Damping  Damping   // `recovery.damping`

	countries []Mention
}

// Mention is a word that stands somewhere in the fleet file.
type Mention struct {
	Word string
	Path string
	Pos  Pos
}

// Countries lists every country code of the file. This package checks only
// that a code is two letters; who knows the ISO 3166-1 table checks the rest.
func (f *Fleet) Countries() []Mention { return f.countries }

// Zone is a part of the name space that the fleet is authoritative for.
type Zone struct {
	Pos     Pos
	Name    string        // `name`
	TTL     time.Duration // `ttl`: of static records without one; whole seconds, default 1h
	SOA     *SOA          // `soa`: nil when Records is to hold it
	NS      []NameServer  // `ns`: empty when Records is to hold them
	Records Text          // `records`, or what `file` names: master-file text (RFC 1035, section 5), relative to Name
	File    string        // `file`: as written; "" when the records are inline or there are none. With
	// `sha256` it is a file of each instance's own, and not among Fleet.Files

	Transfer *Transfer // `transfer`: nil when nobody may fetch the zone

	Partial bool // only beside problems: what stands beside Records could not all be read
	unread  bool // only beside problems: the name or the records could not be read
}

// SOA is a zone's start of authority (RFC 1035, section 3.3.13). Durations
// are whole seconds.
type SOA struct {
	Pos         Pos
	MName       string        // `mname`: the primary server; default: the first of `ns`
	RName       string        // `rname`: the mailbox as a domain name; default: hostmaster.ZONE. "hostmaster@example.com" may be written too
	Serial      uint32        // `serial`: default 1
	Written     bool          // the serial is written, not the default
	Refresh     time.Duration // `refresh`: default 1h
	Retry       time.Duration // `retry`: default 15m
	Expire      time.Duration // `expire`: default 14d
	NegativeTTL time.Duration // `negative_ttl`: the MINIMUM field (RFC 2308), default 60s
	TTL         time.Duration // `ttl`: of the SOA record itself, default 1h
}

// NameServer is one server of a zone.
type NameServer struct {
	Pos  Pos
	Name string
}

// Text is text out of a configuration file. Line n of Value (from 1) is line
// Pos.Line+n-1 of Pos.File, and its column c is column Pos.Col+c-1 there.
type Text struct {
	Value string
	Pos   Pos
}

// Region is a place where the user runs things.
type Region struct {
	Pos       Pos
	Name      string  // `name`: lower-case letters, digits, "-", "_" and ".", at most 63
	Latitude  float64 // `latitude`: -90..90 degrees
	Longitude float64 // `longitude`: -180..180 degrees
	Country   string  // `country`: two upper-case letters (ISO 3166-1), or ""
	Continent string  // `continent`: AF AN AS EU NA OC SA, or "" to derive it from Country
	Capacity  float64 // `capacity`: above 0, relative to the other regions'; default 100
	BiasKm    float64 // `bias`: a distance such as 500km, positive attracts clients; -20000km..20000km, default 0
	MinUp     float64 // `min_up`: 0..1, a region with a smaller share of its endpoints up is down; default 0.5

	Entrance netip.Addr // `entrance`: what Check probes; invalid when the region has no check of its own
	Check    string     // `check`: the name of one of Fleet.Checks, or ""
	Vantage  bool       // `vantage`: whether instances there vote; default true
	Recovery Recovery   // `failback`, `hold`, `slow_start`; default: Fleet.Recovery
}

// Service is a DNS name that is steered.
type Service struct {
	Pos       Pos
	Name      string        // `name`: inside one of the zones
	Zone      string        // the zone it lies in
	Check     string        // `check`: the name of one of Fleet.Checks
	TTLMin    time.Duration // `ttl.min`: whole seconds, 1s..1d, default 5s
	TTLMax    time.Duration // `ttl.max`: whole seconds, at least TTLMin, default 30s. `ttl: 20s` sets both
	Policy    []Stage       // `policy`: default healthy, near, balance, take 3 from 2 regions (of aliases: take 1)
	AllDown   string        // `all_down`: AllDownFailOpen by default
	Fallback  []netip.Addr  // `all_down: {fallback: [...]}`
	Endpoints []Endpoint    // `endpoints`: at least one; sorted by the order of Fleet.Regions, then as in the file
	Needs     []string      // `needs`: names of other services that it drops with, region by region; no circles
	HTTPS     *Binding      // `https`: nil when not given; only with addresses
	SVCB      *Binding      // `svcb`: the same
}

// Binding is what the HTTPS or SVCB record of a service says beside its addresses.
type Binding struct {
	ALPN []string // `alpn`: protocols in the order of preference; may be empty
	Port uint16   // `port`: 0 when not given
}

// What a service answers when none of its endpoints is up.
const (
	AllDownFailOpen = "fail-open" // every ranked endpoint
	AllDownNoData   = "nodata"    // an empty answer
	AllDownServFail = "servfail"  // SERVFAIL
	AllDownFallback = "fallback"  // Service.Fallback
)

// Endpoint is one address or alias target of a service in a region. Exactly
// one of Addr and Alias is set, and a service has only one of the two kinds.
type Endpoint struct {
	Pos    Pos
	Region string     // the key it stands under: the name of one of Fleet.Regions
	Addr   netip.Addr // `address`: unicast, without a zone, never IPv4-mapped
	Alias  string     // `cname`
	Weight uint32     // `weight`: 1..65535, default 1
	Probe  netip.Addr // `probe`: where to probe instead; invalid when not given
}

// The stages of a policy.
const (
	StageHealthy = "healthy" // drop what is down or drained
	StageFence   = "fence"   // clients that match may only use Regions
	StageTier    = "tier"    // only the first tier that has a candidate
	StageNear    = "near"    // rank by distance
	StageBalance = "balance" // among equally near: by weight
	StageTake    = "take"    // keep the first Count, from at least MinRegions
)

// Stage is one step of a policy; which fields hold depends on Kind.
type Stage struct {
	Pos        Pos
	Kind       string     // StageHealthy, StageFence, ...
	Fence      Fence      // fence: the clients it is for
	Regions    []string   // fence `regions`: where those clients may go, at least one
	Tiers      [][]string // tier: regions, most preferred first, each region once
	Count      int        // take `count`: 1..64
	MinRegions int        // take `regions`: 1..Count; default 2, or Count when that is less
}

// Fence says which clients a fence is for: those that match any of its lists,
// of which at least one is not empty.
type Fence struct {
	Countries  []string       // `countries`: two upper-case letters each
	Continents []string       // `continents`: AF AN AS EU NA OC SA
	ASNs       []uint32       // `asns`
	Prefixes   []netip.Prefix // `prefixes`; IPv6 up to /64
}

// Place says where the clients of a prefix are, whatever the databases say:
// as if in a region, or at coordinates and in a country of their own.
type Place struct {
	Pos       Pos
	Prefix    netip.Prefix // the key; masked, IPv6 up to /64
	Region    string       // the name of one of Fleet.Regions, or "" when the rest holds
	Located   bool         // Latitude and Longitude hold
	Latitude  float64      // `latitude`
	Longitude float64      // `longitude`
	Country   string       // `country`: two upper-case letters, or ""
	Continent string       // `continent`: or ""
	ASN       uint32       // `asn`: or 0
}

// Brake caps the automatic withdrawal of regions.
type Brake struct {
	Pos    Pos
	Share  float64       // `share`: 0..1 of the regions, default 0.5
	Window time.Duration // `window`: 1s..7d, default 10m
}
