package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steerdns/steerdns/healthcheck"
)

func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("steerdns_"+name, help, labels, nil)
}

var (
	descProbes      = metric("probe_duration_seconds", "Probes by kind and result, and how long they took.", "kind", "result")
	descInFlight    = metric("probes_in_flight", "Probes under way.")
	descTargets     = metric("probe_targets", "Endpoints that this instance probes.")
	descLate        = metric("probe_late_starts_total", "Probes that began after their time.")
	descWrites      = metric("store_writes_total", "Writes of votes and of the instance's own record.", "result")
	descRelists     = metric("store_relists_total", "Full lists of the store.")
	descWatches     = metric("store_watch_restarts_total", "Watches opened after the first.")
	descPictures    = metric("store_pictures_total", "Pictures of the store that were handed to the judge.")
	descRejectTotal = metric("store_rejected_values_total", "Values of the store that were refused.")
)

// probeCollector shows what the runner counts.
type probeCollector struct{ runner *healthcheck.Runner }

func (probeCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descProbes, descInFlight, descTargets, descLate} {
		ch <- d
	}
}

func (c probeCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.runner.Stats()
	ch <- prometheus.MustNewConstMetric(descInFlight, prometheus.GaugeValue, float64(s.InFlight))
	ch <- prometheus.MustNewConstMetric(descTargets, prometheus.GaugeValue, float64(s.Targets))
	ch <- prometheus.MustNewConstMetric(descLate, prometheus.CounterValue, float64(s.LateStarts))
	bounds := healthcheck.DurationBounds()
	for _, p := range s.Probes {
		result, buckets := "failure", map[float64]uint64{}
		if p.OK {
			result = "success"
		}
		for i, b := range bounds {
			buckets[b.Seconds()] = p.Buckets[i]
		}
		ch <- prometheus.MustNewConstHistogram(descProbes, p.Count, p.Took.Seconds(), buckets, string(p.Kind), result)
	}
}

// storeCollector shows what the store's client counts, once there is one.
type storeCollector struct{ link *storeLink }

func (storeCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descWrites, descRelists, descWatches, descPictures, descRejectTotal} {
		ch <- d
	}
}

func (c storeCollector) Collect(ch chan<- prometheus.Metric) {
	client, err := c.link.use()
	if err != nil {
		return // not started yet
	}
	s := client.Stats()
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	count(descWrites, s.Writes, "success")
	count(descWrites, s.WriteFailures, "failure")
	count(descRelists, s.Relists)
	count(descWatches, s.WatchRestarts)
	count(descPictures, s.Pictures)
	count(descRejectTotal, s.Rejected)
}
