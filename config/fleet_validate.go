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
	d.services.dangling()
	d.placeServices()
	d.circles()
	d.placeNeeds()
	d.needCircles()
	d.combinations()
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

// keepSound leaves out of a fleet with problems what would only yield the same
// problems again, or others that are none.
func (d *fleetDecoder) keepSound() {
	d.fleet.Zones = slices.DeleteFunc(d.fleet.Zones, func(z Zone) bool { return z.unread })
	d.fleet.Services = slices.DeleteFunc(d.fleet.Services, func(s Service) bool {
		return s.Zone == "" || d.services.defined[s.Name] != s.Pos || s.Zone == s.Name && aliased(s.Endpoints)
	})
}

// circles reports aliases that lead back to where they started.
func (d *fleetDecoder) circles() {
	d.walk(aliasesOf, func(at int, path []string) {
		d.names[at].fail("aliases in a circle: "+chain(path),
			"let one of them lead to a name outside the circle, or use addresses")
	})
}

func aliasesOf(s *Service) []string {
	var names []string
	for _, e := range s.Endpoints {
		if e.Alias != "" {
			names = append(names, e.Alias)
		}
	}
	return names
}

// walk follows next from every service, and calls circle with the index of a
// service that leads back to itself, and the way there.
func (d *fleetDecoder) walk(next func(*Service) []string, circle func(at int, path []string)) {
	w := walker{next: next, services: map[string]*Service{}, done: map[string]bool{}}
	index := map[string]int{}
	for i := range d.fleet.Services {
		s := &d.fleet.Services[i]
		if _, twice := w.services[s.Name]; !twice && s.Name != "" {
			w.services[s.Name], index[s.Name] = s, i
		}
	}
	for _, s := range d.fleet.Services {
		w.visit(s.Name, func(path []string) { circle(index[path[0]], append(path, path[0])) })
	}
}

// walker goes from service to service, to each once.
type walker struct {
	next     func(*Service) []string
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
	for _, n := range w.next(s) {
		w.visit(n, circle)
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
