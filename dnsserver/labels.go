package dnsserver

import (
	"strings"
	"sync"

	"github.com/steerdns/steerdns/dnsserver/wire"
)

// Bounds on what the counters tell apart; what is beyond counts as "other".
const (
	maxZoneSlots    = 1024
	maxServiceSlots = 4096
	maxPairSlots    = 1 << 16
)

// The first slots of every kind.
const (
	noZoneSlot uint32 = 0 // queries outside all zones
	otherSlot  uint32 = 1
)

// typeNames are the query types that are told apart: the closed list of the
// type label, by type. It also bounds the types for which an alias' answers
// are kept.
var typeNames = map[uint16]string{
	1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT", 28: "AAAA",
	33: "SRV", 35: "NAPTR", 39: "DNAME", 43: "DS", 44: "SSHFP", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY",
	50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 59: "CDS", 60: "CDNSKEY", 64: "SVCB", 65: "HTTPS",
	251: "IXFR", 252: "AXFR", 255: "ANY", 256: "URI", 257: "CAA",
}

// otherType is the index of all types that have no name.
const otherType = 0

const maxTypes = 32

// typeTable maps the types up to CAA to 1.. in the order of typeOrder.
var typeTable, typeOrder = indexTypes()

func indexTypes() (table [258]uint8, order []string) {
	order = append(order, "other")
	for t := range table {
		if name, ok := typeNames[uint16(t)]; ok {
			table[t] = uint8(len(order))
			order = append(order, name)
		}
	}
	return table, order
}

func typeIndex(qtype uint16) uint8 {
	if int(qtype) < len(typeTable) {
		return typeTable[qtype]
	}
	return otherType
}

var rcodeNames = [...]string{"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN",
	"NOTAUTH", "BADVERS", "BADCOOKIE"}

// rcodeTable maps response codes to the order of rcodeNames.
var rcodeTable = [...]uint8{
	wire.RcodeNoError: 0, wire.RcodeFormErr: 1, wire.RcodeServFail: 2, wire.RcodeNXDomain: 3, wire.RcodeNotImp: 4,
	wire.RcodeRefused: 5, wire.RcodeYXDomain: 6, wire.RcodeNotAuth: 7, wire.RcodeBadVers: 8, wire.RcodeBadCookie: 9,
}

func rcodeIndex(rcode uint16) int { return int(rcodeTable[rcode]) }

const (
	families        = 2
	requestsPerZone = int(transports) * families * maxTypes
)

func requestSlot(zone uint32, tr Transport, v4 bool, qtype uint16) uint32 {
	s := zone*uint32(transports) + uint32(tr)
	s *= families
	if !v4 {
		s++
	}
	return s*maxTypes + uint32(typeIndex(qtype))
}

// requestLabels is the inverse of requestSlot.
func requestLabels(slot uint32) (zone uint32, transport, family, qtype string) {
	family = "ipv4"
	if slot/maxTypes%families == 1 {
		family = "ipv6"
	}
	rest := slot / maxTypes / families
	return rest / uint32(transports), transportNames[rest%uint32(transports)], family, typeOrder[slot%maxTypes]
}

// slots are where the counters of one view's zones and services lie.
type slots struct {
	zones    []uint32 // by Zone.Index
	services []uint32 // by service
	pairs    []uint32 // by service*regions + region
	regions  int
}

// labels remembers which zone, service or pair of service and region a slot
// counts, over all views, so that counters never change their meaning.
type labels struct {
	mu       sync.Mutex
	zones    names[string]
	services names[string]
	pairs    names[[2]string]
}

// names gives every value a slot.
type names[T comparable] struct {
	slot map[T]uint32
	list []T // by slot
	max  int
}

func newNames[T comparable](max int, none, other T) names[T] {
	return names[T]{slot: make(map[T]uint32), list: []T{none, other}, max: max}
}

func (n *names[T]) of(v T) uint32 {
	if s, ok := n.slot[v]; ok {
		return s
	}
	if len(n.list) >= n.max {
		return otherSlot
	}
	s := uint32(len(n.list))
	n.slot[v], n.list = s, append(n.list, v)
	return s
}

func newLabels() *labels {
	return &labels{
		zones:    newNames(maxZoneSlots, "", "other"),
		services: newNames(maxServiceSlots, "", "other"),
		pairs:    newNames(maxPairSlots, [2]string{}, [2]string{"other", "other"}),
	}
}

// slotsFor gives v's zones, services and regions their slots.
func (l *labels) slotsFor(v *View) slots {
	l.mu.Lock()
	defer l.mu.Unlock()
	var s slots
	for _, z := range v.zones.Zones() {
		s.zones = append(s.zones, l.zones.of(labelOf(z.String())))
	}
	t := v.world.Topology
	if t == nil {
		return s
	}
	s.regions = len(t.Regions)
	for i := range t.Services {
		name := labelOf(t.Services[i].Name)
		s.services = append(s.services, l.services.of(name))
		for j := range t.Regions {
			s.pairs = append(s.pairs, l.pairs.of([2]string{name, t.Regions[j].Name}))
		}
	}
	return s
}

// labelOf is a name as metrics write it: without the final dot.
func labelOf(name string) string {
	if name == "." {
		return name
	}
	return strings.TrimSuffix(name, ".")
}

// snapshot copies the lists of names by slot.
func (l *labels) snapshot() (zones, services []string, pairs [][2]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.zones.list[:len(l.zones.list):len(l.zones.list)],
		l.services.list[:len(l.services.list):len(l.services.list)],
		l.pairs.list[:len(l.pairs.list):len(l.pairs.list)]
}
