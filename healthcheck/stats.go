package healthcheck

import "time"

// Stats says what a Runner has done since it was made. Counters never fall.
type Stats struct {
	Targets     int
	InFlight    int // probes under way
	MaxInFlight int
	Blind       bool          // see Runner.Blind
	LateStarts  uint64        // probes started more than 10 ms after they were due
	LateTotal   time.Duration // by how much, in all
	Transitions uint64        // changes of a vote's state
	Probes      []ProbeStats  // each kind with failures, then successes; all kinds, whether used or not
}

// ProbeStats are the probes of one kind with one result.
type ProbeStats struct {
	Kind    Kind // "other" for a kind this version does not know
	OK      bool
	Count   uint64
	Took    time.Duration // sum
	Buckets []uint64      // by DurationBounds: probes that took at most that long (cumulative)
}

// Finding is what the latest observation of one check of an endpoint found
// beside good or bad.
type Finding struct {
	Endpoint string
	Check    string
	CertEnds time.Time // when the first certificate of the chain shown ends; zero: none was
	Reported bool      // it is a report that holds, and Load what it said
	Load     uint8     // percent
}

// Findings is a fresh list that the caller owns, of the checks that found
// something, in no order.
func (r *Runner) Findings() []Finding {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Finding
	for id, rec := range r.records {
		for _, e := range rec.entries {
			f := Finding{Endpoint: id, Check: e.target.Check.Name, CertEnds: e.last.CertEnds, Load: e.last.Load}
			if f.Reported = e.reports() && e.last.OK; f.Reported || !f.CertEnds.IsZero() {
				out = append(out, f)
			}
		}
	}
	return out
}

const lateAfter = 10 * time.Millisecond

const otherKind Kind = "other"

var kinds = [...]Kind{HTTP, HTTPS, TCP, TLS, UDP, ICMP, GRPC, DNS, Exec, Push, otherKind} // constant

var durationBounds = [...]time.Duration{ // constant
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// DurationBounds are the upper bounds of ProbeStats.Buckets, ascending. A
// probe longer than the last is in Count only.
func DurationBounds() []time.Duration {
	bounds := durationBounds
	return bounds[:]
}

// tally counts probes of one kind and result.
type tally struct {
	count   uint64
	took    time.Duration
	buckets [len(durationBounds)]uint64 // not cumulative
}

func (t *tally) add(took time.Duration) {
	t.count++
	t.took += took
	for i, bound := range durationBounds {
		if took <= bound {
			t.buckets[i]++
			return
		}
	}
}

// tallies are by kind, then failures and successes.
type tallies [len(kinds)][2]tally

func (ts *tallies) add(k Kind, o Observation) {
	ts[kindIndex(k)][okIndex(o.OK)].add(o.Took)
}

func kindIndex(k Kind) int {
	for i, known := range kinds {
		if k == known {
			return i
		}
	}
	return len(kinds) - 1
}

func okIndex(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

func (ts *tallies) stats() []ProbeStats {
	out := make([]ProbeStats, 0, 2*len(kinds))
	for i, kind := range kinds {
		for ok, t := range ts[i] {
			out = append(out, ProbeStats{Kind: kind, OK: ok == 1, Count: t.count, Took: t.took, Buckets: t.cumulative()})
		}
	}
	return out
}

func (t *tally) cumulative() []uint64 {
	out := make([]uint64, len(t.buckets))
	var sum uint64
	for i, n := range t.buckets {
		sum += n
		out[i] = sum
	}
	return out
}
