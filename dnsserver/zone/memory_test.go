package zone

import (
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// BenchmarkMemory reports what a zone of STEERDNS_RECORDS (default 100,000)
// addresses takes: heap octets a record once it is built, and how long that took.
func BenchmarkMemory(b *testing.B) {
	records := 100_000
	if n, err := strconv.Atoi(os.Getenv("STEERDNS_RECORDS")); err == nil && n > 0 {
		records = n
	}
	text := largeZone(records)
	for b.Loop() {
		before := heap()
		began := time.Now()
		set := build(b, text)
		b.ReportMetric(time.Since(began).Seconds(), "s/build")
		b.ReportMetric(float64(heap()-before)/float64(records), "B/record")
		runtime.KeepAlive(set)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
