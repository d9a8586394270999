package config

import (
	"net/netip"
	"slices"
	"time"
)

// places reads a table of prefixes, each with a region or a place.
func (d *fleetDecoder) places(v item) []Place {
	if !v.is(kindTable, "a table of prefixes", "write {192.0.2.0/24: us-east}") {
		return nil
	}
	var out []Place
	seen := map[netip.Prefix]Pos{}
	for _, e := range v.node.table {
		one := v.sub(e)
		p := d.place(one)
		p.Pos = e.pos
		prefix, f := parsePrefix(e.key)
		if !one.atKey(e).flawed(f) && once(seen, one.atKey(e), prefix, "prefix "+prefix.String()) {
			p.Prefix = prefix
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b Place) int { return a.Prefix.Compare(b.Prefix) })
	return out
}

func (d *fleetDecoder) place(v item) Place {
	if v.kind != kindTable {
		name, ok := v.str("the name of a region or {latitude: ..., longitude: ...}")
		if ok {
			d.regions.use(v, name)
		}
		return Place{Region: name}
	}
	t := v.table("latitude", "longitude", "country", "continent", "asn")
	lat, lon := t.get("latitude"), t.get("longitude")
	p := Place{
		Located:   lat.given() && lon.given(),
		Latitude:  lat.real(0, -90, 90),
		Longitude: lon.real(0, -180, 180),
		Country:   d.country(t.get("country")),
		Continent: d.continent(t.get("continent")),
	}
	if n := t.get("asn"); n.given() {
		p.ASN = asn(n)
	}
	if lat.given() != lon.given() {
		v.fail("latitude and longitude go together", "give both or none")
	}
	if len(v.node.table) == 0 {
		v.fail("the place says nothing", "write the name of a region, or {latitude: ..., longitude: ..., country: ...}")
	}
	return p
}

func (d *fleetDecoder) brake(v item) Brake {
	t := v.table("share", "window")
	return Brake{
		Pos:    v.at,
		Share:  t.get("share").share(0.5),
		Window: t.get("window").duration(10*time.Minute, time.Second, 7*day),
	}
}
