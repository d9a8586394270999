package config

import (
	"slices"
	"strings"
)

// needed reads the names of the services that one needs.
func (d *fleetDecoder) needed(v item) []string {
	var out []string
	var items []item
	seen := map[string]Pos{}
	for _, e := range v.items("names of services") {
		name, ok := parsed(e, "the name of another service", parseDomain)
		if ok && once(seen, e, name, "service "+quote(name)) {
			d.services.use(e, name)
			out, items = append(out, name), append(items, e)
		}
	}
	if v.given() && v.kind == kindList && len(v.list) == 0 {
		v.fail("the list is empty", "write at least one service, or remove the key")
	}
	d.needs = append(d.needs, items)
	return out
}

// placeNeeds reports services that need what is not there: in a region where
// they have endpoints and the needed one has none, the need means nothing.
func (d *fleetDecoder) placeNeeds() {
	where := map[string][]string{}
	for _, s := range d.fleet.Services {
		for _, e := range s.Endpoints {
			where[s.Name] = append(where[s.Name], e.Region)
		}
	}
	for i, s := range d.fleet.Services {
		for k, name := range s.Needs {
			there, known := where[name]
			for _, e := range s.Endpoints {
				if known && !slices.Contains(there, e.Region) {
					d.needs[i][k].fail(strings.TrimSuffix(name, ".")+" has no endpoint in "+e.Region+", where this service has one",
						"give it one there, or take this service out of the region, or remove the need")
					break
				}
			}
		}
	}
}

// needCircles reports services that need themselves, directly or through
// others.
func (d *fleetDecoder) needCircles() {
	d.walk(func(s *Service) []string { return s.Needs }, func(at int, path []string) {
		d.names[at].fail("needs in a circle: "+chain(path), "no service can be up before itself; remove one of these needs")
	})
}
