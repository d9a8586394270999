package dnsserver

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// serverCollector exports what a Responder counts, and what the connections,
// certificates and HTTP answers of its Server are.
type serverCollector struct {
	collector
	s *Server
}

// Collector exports what s counted.
func (s *Server) Collector() prometheus.Collector {
	return serverCollector{collector{s.responder}, s}
}

var (
	descOpen     = desc("connections", "Connections that are open.", "transport")
	descAccepted = desc("connections_accepted_total", "Connections that got a place.", "transport")
	descRefused  = desc("connections_refused_total", "Connections of clients that had all their places, or for which nobody could make room.", "transport")
	descEvicted  = desc("connections_evicted_total", "Connections that were closed, as the idlest, to make room for others.", "transport")
	descHTTP     = desc("http_responses_total", "Answers to HTTP requests by status code.", "code")
	descExpiry   = desc("certificate_expires_timestamp_seconds", "When the certificate in force ends.", "cert")
	descReload   = desc("certificate_last_reload_success", "1 unless the files hold a pair that was refused.", "cert")
)

// Describe implements prometheus.Collector.
func (c serverCollector) Describe(ch chan<- *prometheus.Desc) {
	c.collector.Describe(ch)
	for _, d := range []*prometheus.Desc{descOpen, descAccepted, descRefused, descEvicted, descHTTP, descExpiry, descReload} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c serverCollector) Collect(ch chan<- prometheus.Metric) {
	c.collector.Collect(ch)
	for t := range transports {
		if t != UDP && len(c.s.addrs[t]) > 0 {
			collectConns(ch, t.String(), c.s.limits[t])
		}
	}
	if c.s.doh != nil {
		for i, code := range statuses {
			send(ch, descHTTP, c.s.doh.codes[i].n.Load(), strconv.Itoa(code))
		}
	}
	if c.s.opt.Certificates != nil {
		c.s.opt.Certificates.collect(ch)
	}
}

func collectConns(ch chan<- prometheus.Metric, transport string, l *connLimits) {
	gauge(ch, descOpen, float64(l.count()), transport)
	send(ch, descAccepted, l.accepted.Load(), transport)
	send(ch, descRefused, l.refused.Load(), transport)
	send(ch, descEvicted, l.evicted.Load(), transport)
}

func (c *Certificates) collect(ch chan<- prometheus.Metric) {
	for _, p := range c.pairs {
		good := 1.0
		if p.refused.Load() {
			good = 0
		}
		gauge(ch, descExpiry, float64(p.current.Load().Leaf.NotAfter.Unix()), p.files.Chain)
		gauge(ch, descReload, good, p.files.Chain)
	}
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}
