package main

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/steerdns/steerdns/dnsserver/transfer"
	"github.com/steerdns/steerdns/healthcheck"
)

func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("steerdns_"+name, help, labels, nil)
}

var (
	descTransfers   = metric("transfers_total", "Queries for whole zones, by how they ended.", "outcome")
	descUnderWay    = metric("transfers_in_progress", "Zone transfers under way.")
	descSerial      = metric("zone_serial", "Serial of the zone as it is given out; absent while none can be.", "zone")
	descNotify      = metric("notify_total", "Changes that a secondary was told of by NOTIFY, and those it did not acknowledge.", "result")
	descProbes      = metric("probe_duration_seconds", "Probes by kind and result, and how long they took.", "kind", "result")
	descInFlight    = metric("probes_in_flight", "Probes under way.")
	descTargets     = metric("probe_targets", "Endpoints that this instance probes.")
	descBlind       = metric("probes_blind", "1 while most of what answered this instance lately fails at once.")
	descCert        = metric("probe_certificate_expiry_timestamp_seconds", "When the first certificate ends of the chain that an endpoint showed.", "endpoint", "check")
	descLoad        = metric("endpoint_reported_load_percent", "What an endpoint last reported of its load.", "endpoint", "check")
	descReports     = metric("push_requests_total", "Requests to report an endpoint, by how they ended.", "result")
	descLate        = metric("probe_late_starts_total", "Probes that began after their time.")
	descWrites      = metric("store_writes_total", "Writes of votes and of the instance's own record.", "result")
	descRelists     = metric("store_relists_total", "Full lists of the store.")
	descWatches     = metric("store_watch_restarts_total", "Watches opened after the first.")
	descPictures    = metric("store_pictures_total", "Pictures of the store that were handed to the judge.")
	descRejectTotal = metric("store_rejected_values_total", "Values of the store that were refused.")
)

// probeCollector shows what the runner counts and found.
type probeCollector struct {
	runner  *healthcheck.Runner
	reports *reports // nil: no listener
}

func (probeCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descProbes, descInFlight, descTargets, descLate, descBlind, descCert, descLoad, descReports} {
		ch <- d
	}
}

func (c probeCollector) Collect(ch chan<- prometheus.Metric) {
	c.collectFindings(ch)
	s := c.runner.Stats()
	blind := 0.0
	if s.Blind {
		blind = 1
	}
	ch <- prometheus.MustNewConstMetric(descBlind, prometheus.GaugeValue, blind)
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

func (c probeCollector) collectFindings(ch chan<- prometheus.Metric) {
	for _, f := range c.runner.Findings() {
		if !f.CertEnds.IsZero() {
			ch <- prometheus.MustNewConstMetric(descCert, prometheus.GaugeValue, float64(f.CertEnds.Unix()), f.Endpoint, f.Check)
		}
		if f.Reported {
			ch <- prometheus.MustNewConstMetric(descLoad, prometheus.GaugeValue, float64(f.Load), f.Endpoint, f.Check)
		}
	}
	if c.reports != nil {
		for result, n := range c.reports.server.Results() {
			ch <- prometheus.MustNewConstMetric(descReports, prometheus.CounterValue, float64(n), result)
		}
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

// transferCollector shows what was asked for whole zones.
type transferCollector struct{ transfers *transfer.Server }

func (transferCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descTransfers, descUnderWay, descSerial, descNotify} {
		ch <- d
	}
}

func (c transferCollector) Collect(ch chan<- prometheus.Metric) {
	byOutcome, underWay, served := c.transfers.Stats()
	for outcome, n := range byOutcome {
		ch <- prometheus.MustNewConstMetric(descTransfers, prometheus.CounterValue, float64(n), outcome)
	}
	ch <- prometheus.MustNewConstMetric(descUnderWay, prometheus.GaugeValue, float64(underWay))
	for _, z := range served {
		ch <- prometheus.MustNewConstMetric(descSerial, prometheus.GaugeValue, float64(z.Serial), strings.TrimSuffix(z.Zone, "."))
	}
	acknowledged, failed := c.transfers.Notified()
	ch <- prometheus.MustNewConstMetric(descNotify, prometheus.CounterValue, float64(acknowledged), "acknowledged")
	ch <- prometheus.MustNewConstMetric(descNotify, prometheus.CounterValue, float64(failed), "failed")
}
