package config

import (
	"slices"
	"strings"
)

// validate judges what no single value shows: names that nothing defines,
// services outside every zone, aliases in a circle.
func (d *fleetDecoder) validate() {
	// That there are none at all was reported where they should stand.
	d.regions.blind = d.regions.blind || len(d.regions.order) == 0
	d.zones.blind = d.zones.blind || len(d.zones.order) == 0
	d.regions.dangling()
	d.checks.dangling()
	d.placeServices()
	d.circles()
}

// placeServices finds the zone of each service: the innermost around it.
func (d *fleetDecoder) placeServices() {
	for i := range d.fleet.Services {
		s := &d.fleet.Services[i]
		enclosing(s.Name, func(name string) bool {
			if _, found := d.zones.defined[name]; found {
				s.Zone = name
			}
			return s.Zone == ""
		})
		switch {
		case s.Name == "" || d.zones.blind:
		case s.Zone == "":
			d.names[i].fail("service "+s.Name+" lies outside every zone",
				"add its zone, or move it into one of "+listed(d.zones.order))
		case s.Zone == s.Name && aliased(s.Endpoints):
			d.names[i].fail("aliases at the zone's own name", "a CNAME cannot stand beside SOA and NS (RFC 1034, section 3.6.2); use addresses")
		}
	}
}

// circles reports aliases that lead back to where they started.
func (d *fleetDecoder) circles() {
	w := walker{services: map[string]*Service{}, done: map[string]bool{}}
	index := map[string]int{}
	for i := range d.fleet.Services {
		s := &d.fleet.Services[i]
		if _, twice := w.services[s.Name]; !twice && s.Name != "" {
			w.services[s.Name], index[s.Name] = s, i
		}
	}
	for _, s := range d.fleet.Services {
		w.visit(s.Name, func(path []string) {
			d.names[index[path[0]]].fail("aliases in a circle: "+chain(append(path, path[0])),
				"let one of them lead to a name outside the circle, or use addresses")
		})
	}
}

// walker follows aliases from service to service, each service once.
type walker struct {
	services map[string]*Service
	done     map[string]bool
	path     []string
}

func (w *walker) visit(name string, circle func(path []string)) {
	s := w.services[name]
	if at := slices.Index(w.path, name); at >= 0 {
		circle(slices.Clone(w.path[at:]))
		return
	}
	if s == nil || w.done[name] {
		return
	}
	w.path = append(w.path, name)
	for _, e := range s.Endpoints {
		if e.Alias != "" {
			w.visit(e.Alias, circle)
		}
	}
	w.path = w.path[:len(w.path)-1]
	w.done[name] = true
}

// chain writes the names of a circle, a few of them at most.
func chain(names []string) string {
	const most = 8
	if len(names) > most {
		return strings.Join(names[:most], " -> ") + " -> ..."
	}
	return strings.Join(names, " -> ")
}
