package config

import (
	"net/netip"
	"time"
)

// maxRate is the highest rate a second that can be written.
const maxRate = 1000000

// RateLimit is response rate limiting: how many alike UDP replies a client's
// network gets. All rates are in replies a second, 0 to 1000000; 0 limits
// nothing.
type RateLimit struct {
	Rate       int            // `rate`: answers, for each name and type; required
	Referrals  int            // `referrals`: for each delegation; default Rate
	NoData     int            // `nodata`: for each name; default Rate
	NXDomain   int            // `nxdomain`: for each zone; default Rate
	Errors     int            // `errors`: default Rate
	All        int            // `all`: all together; default 0
	Window     time.Duration  // `window`: 1s..1h, default 15s
	Slip       int            // `slip`: 0..10, default 2
	IPv4Prefix int            // `ipv4_prefix`: 1..32, default 24
	IPv6Prefix int            // `ipv6_prefix`: 1..64, default 56
	TableSize  int            // `table_size`: 1024..16777216, default 262144
	Exempt     []netip.Prefix // `exempt`
	LogOnly    bool           // `log_only`: default false
}

func (d *decoder) rateLimit(v item) *RateLimit {
	if !v.given() {
		return nil
	}
	t := v.table("rate", "referrals", "nodata", "nxdomain", "errors", "all", "window", "slip",
		"ipv4_prefix", "ipv6_prefix", "table_size", "exempt", "log_only")
	rate := t.need("rate", "replies a second, such as 20").integer(0, 0, maxRate)
	per := func(key string, def int64) int { return int(t.get(key).integer(def, 0, maxRate)) }
	return &RateLimit{
		Rate:       int(rate),
		Referrals:  per("referrals", rate),
		NoData:     per("nodata", rate),
		NXDomain:   per("nxdomain", rate),
		Errors:     per("errors", rate),
		All:        per("all", 0),
		Window:     t.get("window").duration(15*time.Second, time.Second, time.Hour),
		Slip:       int(t.get("slip").integer(2, 0, 10)),
		IPv4Prefix: int(t.get("ipv4_prefix").integer(24, 1, 32)),
		IPv6Prefix: int(t.get("ipv6_prefix").integer(56, 1, 64)),
		TableSize:  int(t.get("table_size").integer(1<<18, 1<<10, 1<<24)),
		Exempt:     clients(t.get("exempt"), map[netip.Prefix]Pos{}),
		LogOnly:    t.get("log_only").yes(false),
	}
}

// Access is which clients get answers, and how fast.
type Access struct {
	Allow   []netip.Prefix // `allow`: with any, nobody else is served
	Deny    []netip.Prefix // `deny`: of two prefixes that hold for a client the longer one counts
	Drop    bool           // `denied: drop`; default `refuse`
	MaxRate int            // `max_rate`: queries a second of one client, 0..1000000; 0 (the default): no limit
}

func (d *decoder) access(v item) Access {
	t := v.table("allow", "deny", "denied", "max_rate")
	seen := map[netip.Prefix]Pos{}
	return Access{
		Allow:   clients(t.get("allow"), seen),
		Deny:    clients(t.get("deny"), seen),
		Drop:    t.get("denied").choice("refuse", "refuse", "drop") == "drop",
		MaxRate: int(t.get("max_rate").integer(0, 0, maxRate)),
	}
}

// clients reads a list of prefixes of clients, each once among those seen.
func clients(v item, seen map[netip.Prefix]Pos) (out []netip.Prefix) {
	if !v.given() {
		return nil
	}
	list := v.items("prefixes")
	for _, e := range list {
		if p, ok := parsed(e, "a prefix such as 192.0.2.0/24", parsePrefix); ok && once(seen, e, p, "prefix "+p.String()) {
			out = append(out, p)
		}
	}
	if v.kind == kindList && len(list) == 0 {
		v.fail("the list is empty", "name a prefix, or remove the key")
	}
	return out
}
