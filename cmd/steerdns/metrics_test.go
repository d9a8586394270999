package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/steerdns/steerdns/healthcheck"
)

// TestMetricsOfACheckCountedTwice: a report that a combination counts on two
// ways is one series.
func TestMetricsOfACheckCountedTwice(t *testing.T) {
	beat := healthcheck.Check{Name: "beat", Kind: healthcheck.Push, TTL: time.Minute}
	one := healthcheck.Check{Name: "one", Kind: healthcheck.Combined, Need: 1, Of: []healthcheck.Check{beat}}
	both := healthcheck.Check{Name: "both", Kind: healthcheck.Combined, Need: 2, Of: []healthcheck.Check{beat, one}}
	runner := healthcheck.NewRunner(healthcheck.Options{Prober: healthcheck.NewProber(healthcheck.ProberOptions{})})
	runner.Update([]healthcheck.Target{{ID: "www.example.com/r/192.0.2.10", Addr: netip.MustParseAddr("192.0.2.10"), Check: both}})
	if _, err := runner.Report("www.example.com/r/192.0.2.10", healthcheck.Report{Up: true, Load: 40}); err != nil {
		t.Fatal(err)
	}
	page := scrape(t, probeCollector{runner, nil})
	for _, want := range []string{
		`steerdns_endpoint_reported_load_percent{check="beat",endpoint="www.example.com/r/192.0.2.10"} 40`,
		"steerdns_probe_targets 1", "promhttp_metric_handler_errors_total{cause=\"gathering\"} 0",
	} {
		if !strings.Contains(page, want+"\n") {
			t.Errorf("the page lacks %s", want)
		}
	}
}

// twin gives one series twice.
type twin struct{ desc *prometheus.Desc }

func (c twin) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

func (c twin) Collect(ch chan<- prometheus.Metric) {
	for range 2 {
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, 1)
	}
}

// TestOneBadSeriesLeavesTheOthers on the page.
func TestOneBadSeriesLeavesTheOthers(t *testing.T) {
	runner := healthcheck.NewRunner(healthcheck.Options{})
	page := scrape(t, twin{metric("twin", "A series that comes twice.")}, probeCollector{runner, nil})
	if !strings.Contains(page, "steerdns_probe_targets 0\n") {
		t.Errorf("the page lacks what could be gathered:\n%s", page)
	}
}

func scrape(t *testing.T, cs ...prometheus.Collector) string {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(cs...)
	w := httptest.NewRecorder()
	exposition(reg, slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}
