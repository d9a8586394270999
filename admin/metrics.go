package admin

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// Collector turns the world, the picture and the facts into metrics at each
// scrape. It holds no state of its own.
type Collector struct{ backend Backend }

// NewCollector makes a collector for one backend.
func NewCollector(b Backend) *Collector { return &Collector{b} }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("steerdns_"+name, help, labels, nil)
}

var (
	descBuild     = desc("build_info", "Always 1; labels tell the version.", "version")
	descEpoch     = desc("epoch_info", "Always 1; the label is the epoch that answers queries.", "epoch")
	descReady     = desc("ready", "1 while a world is loaded and queries are answered.")
	descStore     = desc("store_connected", "1 while the store is reachable.", "kind")
	descRefused   = desc("store_refused", "1 while the store's state is not believed: another cluster, or an older history.", "kind")
	descTwin      = desc("instance_name_taken", "1 while another process writes the votes of this instance.")
	descAstray    = desc("instances_without_region", "Instances, this one too, whose region the fleet does not have.")
	descRevision  = desc("store_revision", "Store revision that the world was judged from.")
	descAge       = desc("state_age_seconds", "Seconds since the store last confirmed the state; absent while there is none.")
	descSaved     = desc("state_saved_timestamp_seconds", "When the store last confirmed the state that is on disk.")
	descSaveOK    = desc("state_save_success", "1 while the state can be saved to disk.")
	descSaveBad   = desc("state_refused_at_start", "1 when the saved state was refused at the start.")
	descReload    = desc("config_last_reload_success", "1 when the last load of a fleet file was accepted.")
	descReloadAt  = desc("config_last_reload_timestamp_seconds", "When a fleet file was last loaded or refused.")
	descGeo       = desc("geo_data_age_seconds", "Age of the oldest geography database in use.", "digest")
	descCells     = desc("geo_cells", "Cells of the atlas.")
	descRegion    = desc("region_verdict", "1 for the state that the fleet's verdict on the region has.", "region", "state")
	descEndpoint  = desc("endpoint_verdict", "1 for the state that the fleet's verdict on the endpoint has.", "service", "region", "address", "state")
	descFlag      = desc("verdicts_flagged", "Endpoints whose verdict is qualified, such as drained, held or waiting.", "flag")
	descRegions   = desc("regions_flagged", "Regions whose verdict is qualified, such as drained, held or ramping.", "flag")
	descHeld      = desc("brake_held_regions", "Regions that votes call down and the brake keeps in answers.")
	descOverride  = desc("override_expires_timestamp_seconds", "When an override in force ends.", "kind", "name", "owner")
	descVotes     = desc("votes", "Votes in the store by the instance that cast them, and state.", "voter", "state")
	descInstances = desc("instances", "Instances that the store knows, by region.", "region")
	descRejected  = desc("store_rejected_values", "Values in the store that were refused.")
)

// Describe sends nothing: the set of series follows the configuration.
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads one world, one picture and the facts.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	e := emit{ch}
	f := c.backend.Facts()
	e.facts(f)
	w, p := c.backend.World(), c.backend.Picture()
	if w != nil {
		e.world(w)
		e.gauge(descAstray, float64(len(astray(w, p, f))))
	}
	if p != nil {
		e.picture(p)
	}
}

type emit struct{ ch chan<- prometheus.Metric }

func (e emit) gauge(d *prometheus.Desc, v float64, labels ...string) {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "�")
	}
	e.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (e emit) facts(f Facts) {
	e.gauge(descBuild, 1, f.Version)
	e.gauge(descEpoch, 1, f.Epoch)
	e.gauge(descReady, truth(f.Ready))
	e.gauge(descStore, truth(f.Store.Connected), f.Store.Kind)
	e.gauge(descRefused, truth(f.Store.Refused), f.Store.Kind)
	e.gauge(descTwin, truth(f.Store.Twin))
	if age, found := f.Store.Age(); found {
		e.gauge(descAge, age.Seconds())
	}
	e.saved(f.Saved)
	e.gauge(descReload, truth(f.ReloadOK))
	if !f.ReloadAt.IsZero() {
		e.gauge(descReloadAt, float64(f.ReloadAt.UnixNano())/1e9)
	}
	e.gauge(descCells, float64(f.Geo.Cells))
	if !f.Geo.Built.IsZero() {
		e.gauge(descGeo, time.Since(f.Geo.Built).Seconds(), f.Geo.Digest)
	}
}

func (e emit) saved(s SavedStatus) {
	e.gauge(descSaveOK, truth(s.Error == ""))
	e.gauge(descSaveBad, truth(s.Refused != ""))
	if !s.At.IsZero() {
		e.gauge(descSaved, float64(s.At.UnixNano())/1e9)
	}
}

var states = []healthcheck.State{healthcheck.Unknown, healthcheck.Up, healthcheck.Down}

func (e emit) world(w *regions.World) {
	e.gauge(descRevision, float64(w.Revision))
	e.gauge(descHeld, float64(len(w.Brake.Held)))
	for i, r := range w.Topology.Regions {
		for _, s := range states {
			e.gauge(descRegion, truth(w.Regions[i].State == s), r.Name, s.String())
		}
	}
	endpoints, all := newTally(), newTally()
	for i := range w.Regions {
		all.add(&w.Regions[i])
	}
	for _, row := range endpointRows(w) {
		for _, s := range states {
			e.gauge(descEndpoint, truth(row.State == s), row.Service, row.Region, row.Address, s.String())
		}
		endpoints.add(&row.Verdict)
	}
	for word := range endpoints {
		e.gauge(descFlag, float64(endpoints[word]), word)
		e.gauge(descRegions, float64(all[word]), word)
	}
	for _, o := range w.Overrides {
		e.gauge(descOverride, float64(o.Expires.Unix()), string(o.Kind), o.Name, o.Owner)
	}
}

// tally counts verdicts by flag.
type tally map[string]int

func newTally() tally {
	return tally{"drained": 0, "pinned": 0, "held": 0, "frozen": 0, "demoted": 0, "lacks": 0, "waiting": 0, "ramping": 0, "suspect": 0}
}

func (t tally) add(v *regions.Verdict) {
	for _, word := range flagWords(v) {
		word, _, _ = strings.Cut(word, " ")
		t[word]++
	}
}

func (e emit) picture(p *regions.Picture) {
	e.gauge(descRejected, float64(len(p.Rejected)))
	for _, b := range p.Ballots {
		counts := map[healthcheck.State]int{}
		for _, v := range b.Votes {
			counts[v.State]++
		}
		for _, s := range states {
			e.gauge(descVotes, float64(counts[s]), b.Instance, s.String())
		}
	}
	byRegion := map[string]int{}
	for _, in := range p.Instances {
		byRegion[in.Region]++
	}
	for region, n := range byRegion {
		e.gauge(descInstances, float64(n), region)
	}
}
