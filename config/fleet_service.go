package config

import (
	"net/netip"
	"time"
)

// The bounds and defaults of steered TTLs.
const (
	steeredMin = 5 * time.Second
	steeredMax = 30 * time.Second
)

func (d *fleetDecoder) service(v item) Service {
	t := v.table("name", "check", "ttl", "policy", "all_down", "endpoints", "https", "svcb", "needs")
	name := t.need("name", "www.gslb.example.com")
	s := Service{Pos: name.at, Check: d.uses(t.need("check", "the name of one of the checks"), d.checks)}
	s.Name, _ = parsed(name, "a domain name", parseDomain)
	d.services.define(name, s.Name)
	d.names = append(d.names, name)
	s.TTLMin, s.TTLMax = d.ttl(t.get("ttl"))
	s.AllDown, s.Fallback = d.allDown(t.get("all_down"))
	s.Endpoints = d.endpoints(t.need("endpoints", "{us-east: [192.0.2.1]}"))
	s.Policy = d.policy(t.get("policy"), aliased(s.Endpoints))
	s.HTTPS = d.binding(t.get("https"), aliased(s.Endpoints))
	s.SVCB = d.binding(t.get("svcb"), aliased(s.Endpoints))
	s.Needs = d.needed(t.get("needs"))
	return s
}

// ttl reads {min: 5s, max: 30s}, or one duration for both.
func (d *fleetDecoder) ttl(v item) (lo, hi time.Duration) {
	if v.given() && v.kind != kindTable {
		both := v.seconds(steeredMax, time.Second, day)
		return both, both
	}
	t := v.table("min", "max")
	least, most := t.get("min"), t.get("max")
	lo = least.seconds(steeredMin, time.Second, day)
	hi = most.seconds(max(steeredMax, lo), time.Second, day)
	if least.given() || hi >= lo {
		if lo > hi {
			most.fail("max is less than min", "write at least "+writeDuration(lo))
		}
		return lo, hi
	}
	return hi, hi // only max is given, and below the default of min
}

// allDown reads a word, or {fallback: [addresses]}.
func (d *fleetDecoder) allDown(v item) (string, []netip.Addr) {
	if !v.given() || v.kind != kindTable {
		return v.choice(AllDownFailOpen, AllDownFailOpen, AllDownNoData, AllDownServFail), nil
	}
	list := v.table("fallback").need("fallback", "[192.0.2.99]")
	var out []netip.Addr
	seen := map[netip.Addr]Pos{}
	for _, e := range list.items("addresses") {
		if a, ok := parsed(e, "an address", parseUnicast); ok && once(seen, e, a, "address "+a.String()) {
			out = append(out, a)
		}
	}
	if list.given() && list.kind == kindList && len(list.list) == 0 {
		list.fail("the list is empty", "write at least one address, or all_down: nodata")
	}
	return AllDownFallback, out
}

// endpoints reads the endpoints of a service by region.
func (d *fleetDecoder) endpoints(v item) []Endpoint {
	if !v.is(kindTable, "a table of regions", "write {us-east: [192.0.2.1]}") {
		return nil
	}
	if len(v.node.table) == 0 {
		v.fail("there are no endpoints", "write at least one, such as {us-east: [192.0.2.1]}")
	}
	s := siblings{addrs: map[netip.Addr]Pos{}, aliases: map[string]Pos{}}
	var out []Endpoint
	for _, e := range v.node.table {
		region := v.sub(e)
		d.regions.use(region.atKey(e), e.key)
		for _, one := range region.items("endpoints") {
			out = append(out, d.endpoint(one, e.key, &s))
		}
		if region.kind == kindList && len(region.list) == 0 {
			region.fail("the list is empty", "write at least one endpoint, or remove the region here")
		}
	}
	return out
}

// siblings are the endpoints of one service seen so far.
type siblings struct {
	addrs   map[netip.Addr]Pos
	aliases map[string]Pos
	mixed   bool // reported
}

// endpoint reads an address, or {address: ..., weight: ..., probe: ...}, or
// {cname: ...}.
func (d *fleetDecoder) endpoint(v item, region string, s *siblings) Endpoint {
	e := Endpoint{Pos: v.at, Region: region, Weight: 1}
	if v.kind != kindTable {
		if a, ok := parsed(v, "an address or {address: ...} or {cname: ...}", parseUnicast); ok {
			e.Addr = a
			s.add(v, &e)
		}
		return e
	}
	t := v.table("address", "cname", "weight", "probe")
	addr, cname := t.get("address"), t.get("cname")
	switch {
	case addr.given() && cname.given():
		cname.fail("address and cname are both given", "keep one of them")
		cname.node = nil
	case !addr.given() && !cname.given():
		v.fail("an endpoint without an address", "add address: 192.0.2.1, or cname: other.example.net")
	}
	e.Addr, _ = parsed(addr, "an address", parseUnicast)
	e.Alias, _ = parsed(cname, "a domain name", parseDomain)
	e.Weight = uint32(t.get("weight").integer(1, 1, 65535))
	e.Probe, _ = parsed(t.get("probe"), "an address", parseUnicast)
	s.add(v, &e)
	return e
}

// add reports what an endpoint must not have in common with those before it,
// and what it must.
func (s *siblings) add(v item, e *Endpoint) {
	if e.Addr.IsValid() {
		once(s.addrs, v, e.Addr, "address "+e.Addr.String())
	}
	if e.Alias != "" {
		once(s.aliases, v, e.Alias+"\x00"+e.Region, "cname "+e.Alias)
	}
	if len(s.addrs) > 0 && len(s.aliases) > 0 && !s.mixed {
		s.mixed = true
		v.fail("addresses and cnames in one service", "a CNAME excludes other data (RFC 1034, section 3.6.2); use one kind")
	}
}

// aliased reports whether a service answers with CNAMEs.
func aliased(endpoints []Endpoint) bool {
	return len(endpoints) > 0 && endpoints[0].Alias != ""
}
