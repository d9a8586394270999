package healthcheck

import "testing"

// BenchmarkVotes is a copy of 10,000 votes, which every change costs.
func BenchmarkVotes(b *testing.B) {
	r := scheduleOf(10_000)
	b.ReportAllocs()
	for b.Loop() {
		if len(r.Votes()) != 10_000 {
			b.Fatal("votes are missing")
		}
	}
}
