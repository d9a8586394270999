package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/steerdns/steerdns/admin"
	"github.com/steerdns/steerdns/regions"
)

// transitions counts verdicts that changed.
type transitions struct{ total *prometheus.CounterVec }

func newTransitions() *transitions {
	return &transitions{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "steerdns_transitions_total", Help: "Verdicts that changed, by kind and new state.",
	}, []string{"kind", "name", "to"})}
}

func (t *transitions) add(change regions.Transition) {
	t.total.WithLabelValues(string(change.Kind), change.Name, change.To).Inc()
}

// metrics is everything at /metrics.
func (in *instance) metrics() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		in.dns.Collector(),
		in.counters.total,
		admin.NewCollector(backend{in}),
		probeCollector{in.runner, in.reports},
		storeCollector{in.link},
		transferCollector{in.transfers},
	)
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg})
}
