package main

import (
	"strings"

	"github.com/steerdns/steerdns/config"
	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

func regionOf(r config.Region, check healthcheck.Check) regions.Region {
	continent := r.Continent
	if continent == "" {
		continent = geo.ContinentOf(r.Country)
	}
	return regions.Region{
		Name: r.Name, At: geo.Point{Lat: r.Latitude, Lon: r.Longitude}, Country: r.Country,
		Continent: continent, Capacity: r.Capacity, BiasKm: r.BiasKm, MinUp: r.MinUp,
		Entrance: r.Entrance, Check: check, NoVantage: !r.Vantage, Recovery: recoveryOf(r.Recovery),
	}
}

var failbacks = map[string]regions.Failback{
	config.FailbackAuto:   regions.FailbackAuto,
	config.FailbackAfter:  regions.FailbackAfter,
	config.FailbackManual: regions.FailbackManual,
}

func recoveryOf(r config.Recovery) regions.Recovery {
	return regions.Recovery{Failback: failbacks[r.Failback], After: r.After, Hold: r.Hold, SlowStart: r.SlowStart}
}

func dampingOf(d config.Damping) regions.Damping {
	if !d.On {
		return regions.Damping{}
	}
	return regions.Damping{HalfLife: d.HalfLife, Suppress: d.Suppress, Reuse: d.Reuse, Longest: d.Longest}
}

// targetsOf lists what an instance probes for a topology: every endpoint, and
// the entrances of regions with a check of their own.
func targetsOf(t *regions.Topology) []healthcheck.Target {
	var out []healthcheck.Target
	for _, s := range t.Services {
		for _, e := range s.Endpoints {
			target := healthcheck.Target{ID: e.ID, Name: strings.TrimSuffix(s.Name, "."), Addr: e.Addr, Alias: e.Alias, Check: s.Check}
			if e.Probe.IsValid() {
				target.Addr, target.Alias = e.Probe, ""
			}
			out = append(out, target)
		}
	}
	for _, r := range t.Regions {
		if r.Entrance.IsValid() {
			out = append(out, healthcheck.Target{ID: regions.EntranceID(r.Name), Name: r.Name, Addr: r.Entrance, Check: r.Check})
		}
	}
	return out
}
