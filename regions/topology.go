// Package regions is the domain: what the fleet is made of, what its
// instances believe, and what they conclude together. It is pure but for
// State, the one owner of the current World.
package regions

import (
	"net/netip"
	"time"

	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/healthcheck"
)

// Topology is the validated fleet configuration as the domain sees it.
// Immutable once built.
type Topology struct {
	Hash     string    // hex digest of the whole configuration, zones included
	Regions  []Region  // in the fleet file's order; a region's index names it everywhere
	Services []Service // in the fleet file's order
	Brake    Brake
	Damping  Damping
}

// Region is a place where the user runs things.
type Region struct {
	Name      string
	At        geo.Point
	Country   string  // ISO 3166-1 alpha-2
	Continent string  // derived from Country when not given
	Capacity  float64 // > 0; relative share among equally near regions
	BiasKm    float64 // subtracted from every client's distance (positive attracts)
	MinUp     float64 // 0..1: the region is down when a smaller share of its endpoints is up

	Entrance  netip.Addr        // what Check probes; invalid: the region has no check of its own
	Check     healthcheck.Check // of the entrance
	NoVantage bool              // no instance runs there: its votes neither count nor are waited for
	Recovery  Recovery
}

// EntranceID is what votes on a region's own check go by. No endpoint's ID
// has a single slash.
func EntranceID(region string) string { return "region/" + region }

// Failback says how a region that was out comes back (rule 7).
type Failback uint8

// The ways back.
const (
	FailbackAuto   Failback = iota // when the votes have it up, and Hold is over
	FailbackAfter                  // when they have had it up for Recovery.After as well
	FailbackManual                 // when an operator says so as well
)

// Recovery is how what was out comes back. The zero Recovery is at once.
type Recovery struct {
	Failback  Failback
	After     time.Duration // FailbackAfter: how long it has to be up first
	Hold      time.Duration // what went down stays out for at least this long; for endpoints of the region too
	SlowStart time.Duration // over how long a region takes its clients back; 0: all at once
}

// Damping keeps out what goes down again and again, as RFC 2439 does with
// routes: each time costs a penalty of 1 that halves every HalfLife; at
// Suppress it stays out until the penalty has sunk to Reuse, and never longer
// than Longest. The zero Damping is none.
type Damping struct {
	HalfLife time.Duration // > 0, or no damping
	Suppress float64       // > Reuse
	Reuse    float64       // > 0
	Longest  time.Duration // > 0
}

// Brake caps automatic withdrawal of regions (rule 5).
type Brake struct {
	Share  float64       // 0..1 of the regions that may be withdrawn within Window; at least one always stays
	Window time.Duration // > 0
}

// AllDown is what a service answers when none of its endpoints is up (rule 6).
type AllDown uint8

// The policies for all down.
const (
	FailOpen AllDown = iota // every ranked endpoint, with the shortest TTL
	Fallback                // Service.Fallback
	NoData                  // an empty answer with SOA
	ServFail                // SERVFAIL
)

// Service is a DNS name that is steered.
type Service struct {
	Name      string // absolute, lower case, with the final dot
	TTLMin    uint32 // seconds; served while anything is suspect, frozen or failing open
	TTLMax    uint32 // seconds; served otherwise; >= TTLMin
	Check     healthcheck.Check
	Policy    []Stage
	AllDown   AllDown
	Fallback  []netip.Addr
	Endpoints []Endpoint // sorted by region, then as in the fleet file
	HTTPS     *Binding   // of its HTTPS record; nil: it has none
	SVCB      *Binding   // of its SVCB record; nil: it has none
	Needs     []int      // indices of services: where one of these is down in a region, this one is too; no circles
}

// Binding is what a service's HTTPS or SVCB record says beside its addresses
// (RFC 9460 section 7).
type Binding struct {
	ALPN []string
	Port uint16 // 0: the scheme's own
}

// Binding is the one for a record type, HTTPS (65) or SVCB (64).
func (s *Service) Binding(rtype uint16) *Binding {
	if rtype == 65 {
		return s.HTTPS
	}
	return s.SVCB
}

// Endpoint is one address or alias target of a service in a region. Exactly
// one of Addr and Alias is set; a service has only addresses or only aliases.
type Endpoint struct {
	ID     string // "service/region/address", service without final dot; unique in the fleet
	Region int    // index into Topology.Regions
	Addr   netip.Addr
	Alias  string     // absolute, lower case, with the final dot
	Probe  netip.Addr // where to probe instead of Addr; invalid: probe Addr (or Alias)
	Weight uint32     // >= 1
}

// StageKind names one step of a policy.
type StageKind string

// The stages. A policy applies them in its own order.
const (
	StageHealthy StageKind = "healthy" // drop what is down or drained
	StageFence   StageKind = "fence"   // clients that match may only use Regions
	StageTier    StageKind = "tier"    // only the first tier that has a candidate
	StageNear    StageKind = "near"    // rank by distance, in buckets
	StageBalance StageKind = "balance" // among equally near: by weight, per client prefix
	StageTake    StageKind = "take"    // keep the first Count, from at least MinRegions
)

// Stage is one step of a policy; which fields hold depends on Kind.
type Stage struct {
	Kind       StageKind
	Fence      Fence   // fence
	Regions    []int   // fence: indices into Topology.Regions
	Tiers      [][]int // tier: region indices, most preferred first
	Count      int     // take: >= 1
	MinRegions int     // take: >= 1
}

// Fence says which clients a fence is for: those that match any of its lists.
type Fence struct {
	Countries  []string
	Continents []string
	ASNs       []uint32
	Prefixes   []netip.Prefix
}

// DefaultPolicy is what a service without a policy gets.
func DefaultPolicy() []Stage {
	return []Stage{
		{Kind: StageHealthy},
		{Kind: StageNear},
		{Kind: StageBalance},
		{Kind: StageTake, Count: 3, MinRegions: 2},
	}
}

// Serving is how many regions have endpoints: the others only probe.
func (t *Topology) Serving() int {
	has := map[int]bool{}
	for s := range t.Services {
		for e := range t.Services[s].Endpoints {
			has[t.Services[s].Endpoints[e].Region] = true
		}
	}
	return len(has)
}
