package dnsserver

import (
	"github.com/prometheus/client_golang/prometheus"
)

// collector adds up the workers' counters when it is scraped.
type collector struct{ r *Responder }

// Collector exports what r's workers counted.
func (r *Responder) Collector() prometheus.Collector { return collector{r} }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("steerdns_dns_"+name, help, labels, nil)
}

var (
	descRequests = desc("requests_total", "Queries that got a reply; zone is empty outside all zones.",
		"zone", "transport", "family", "type")
	descResponses = desc("responses_total", "Replies by response code; zone is empty outside all zones.",
		"zone", "rcode")
	descDuration = desc("request_duration_seconds",
		"Time from reading a batch of queries to having sent the replies, divided by the queries of the batch.", "transport")
	descAnswers   = desc("answers_total", "Steered answers by the region of their first address or alias.", "service", "region")
	descFailOpen  = desc("fail_open_total", "Steered answers given although all endpoints are down.", "service")
	descTruncated = desc("truncated_total", "Replies that did not fit and had TC set.")
	descCookies   = desc("cookies_total", "Queries with a DNS cookie: new to us, bad or out of date, or valid.", "state")
	descLimited   = desc("rate_limited_total", "Replies that response rate limiting found one too many, by what became of them.", "kind", "action")
	descSampled   = desc("sampled_total", "Queries that were told to dnstap or the query log, and those that could not be in time.", "to", "result")
	descDropped   = desc("dropped_total", "Packets, frames and connections that got no reply.", "reason")
	descPanics    = desc("panics_total", "Queries that failed inside the server and got SERVFAIL.")
)

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descRequests, descResponses, descDuration, descAnswers,
		descFailOpen, descTruncated, descCookies, descLimited, descSampled, descDropped, descPanics} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	all := c.r.workers.list()
	c.collectLabelled(ch, all)
	var truncated, panics uint64
	var dropped [dropReasons]uint64
	var cookies [cookieStates]uint64
	for _, w := range all {
		truncated += w.truncated.n.Load()
		panics += w.panics.n.Load()
		for i := range dropped {
			dropped[i] += w.dropped[i].n.Load()
		}
		for i := range cookies {
			cookies[i] += w.cookies[i].n.Load()
		}
	}
	send(ch, descTruncated, truncated)
	send(ch, descPanics, panics)
	for i, n := range dropped {
		send(ch, descDropped, n, dropReasonNames[i])
	}
	for i := cookieNew; i < cookieStates; i++ {
		send(ch, descCookies, cookies[i], cookieStateNames[i])
	}
	collectLimited(ch, all)
	for _, t := range c.r.tapes {
		send(ch, descSampled, t.read.Load(), t.name, "told")
		send(ch, descSampled, t.dropped.Load(), t.name, "lost")
	}
	for t := range transports {
		collectDuration(ch, all, t)
	}
}

func send(ch chan<- prometheus.Metric, d *prometheus.Desc, n uint64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func sum(all []*Counters, pick func(*Counters) *vec) map[uint32]uint64 {
	sums := make(map[uint32]uint64)
	for _, w := range all {
		pick(w).addTo(sums)
	}
	return sums
}

func (c collector) collectLabelled(ch chan<- prometheus.Metric, all []*Counters) {
	// The sums come first: a slot that is counted has its name by then.
	requests := sum(all, func(w *Counters) *vec { return &w.requests })
	responses := sum(all, func(w *Counters) *vec { return &w.responses })
	answers := sum(all, func(w *Counters) *vec { return &w.answers })
	failOpen := sum(all, func(w *Counters) *vec { return &w.failOpen })
	zones, services, pairs := c.r.labels.snapshot()
	for slot, n := range requests {
		zone, transport, family, qtype := requestLabels(slot)
		send(ch, descRequests, n, zones[zone], transport, family, qtype)
	}
	for slot, n := range responses {
		rcodes := uint32(len(rcodeNames))
		send(ch, descResponses, n, zones[slot/rcodes], rcodeNames[slot%rcodes])
	}
	for slot, n := range answers {
		send(ch, descAnswers, n, pairs[slot][0], pairs[slot][1])
	}
	for slot, n := range failOpen {
		send(ch, descFailOpen, n, services[slot])
	}
}

func collectLimited(ch chan<- prometheus.Metric, all []*Counters) {
	for kind := range replyKinds {
		for action := limitDrop; action < limitActions; action++ {
			n := uint64(0)
			for _, w := range all {
				n += w.limited[kind][action].n.Load()
			}
			send(ch, descLimited, n, replyKindNames[kind], limitActionNames[action])
		}
	}
}

func collectDuration(ch chan<- prometheus.Metric, all []*Counters, t Transport) {
	var n, nanos uint64
	buckets := make(map[float64]uint64, len(durationBounds))
	for i := range len(durationBounds) + 1 {
		for _, w := range all {
			n += w.durations[t].buckets[i].n.Load()
		}
		if i < len(durationBounds) {
			buckets[durationBounds[i].Seconds()] = n
		}
	}
	for _, w := range all {
		nanos += w.durations[t].nanos.n.Load()
	}
	ch <- prometheus.MustNewConstHistogram(descDuration, n, float64(nanos)/1e9, buckets, transportNames[t])
}
