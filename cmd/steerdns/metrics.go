package main

import (
	"log/slog"
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
	return exposition(reg, in.log)
}

// exposition shows what can be gathered, and logs what cannot: one bad series
// must not take all the others along.
func exposition(reg *prometheus.Registry, log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		Registry: reg, ErrorHandling: promhttp.ContinueOnError, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError),
	})
}
