// Package healthcheck probes endpoints, steadies the results by hysteresis
// and turns them into votes: what one instance believes of each endpoint.
//
// # Schedule
//
// A target's probes start Interval apart, start to start, each gap drawn
// anew from Interval ±10 %. A probe that is still under way when the next is
// due delays it until it ends. The first probe starts within
// min(Interval, 1 s) of the target's arrival. The gap that follows it is
// drawn from a tenth to eleven tenths of Interval, so that targets that
// arrived together spread over the whole interval at once. All draws come
// from a hash of the instance's seed and the target's ID: two instances
// never beat in step, and one instance with one seed repeats itself.
//
// # Bounds
//
// From the moment an endpoint stops answering to the vote down:
//
//	Fall × 1.1 × Interval + Timeout          (Check.DetectBound)
//
// because the last good probe started before that moment, each of the Fall
// probes that follow starts at most 1.1 × Interval after the one before, and
// the last one ends within Timeout. From the moment it answers again to the
// vote up the same holds with Rise (Check.RecoverBound). Both hold while no
// start is held back by the bound on probes in flight, which
// Stats.LateStarts tells. In the worst case, when nothing answers, a target
// occupies Timeout/(0.9 × Interval) of a place; when the sum of that over
// all targets stays under Options.MaxInFlight, no start waits for long.
package healthcheck

import (
	"fmt"
	"time"
)

// State is what a vote or a verdict says. The zero State is Unknown:
// a missing vote is unknown, never down.
type State uint8

// The three states.
const (
	Unknown State = iota
	Up
	Down
)

var stateNames = [...]string{"unknown", "up", "down"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// MarshalText writes the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name and refuses any other text.
func (s *State) UnmarshalText(text []byte) error {
	for i, name := range stateNames {
		if string(text) == name {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("unknown state %q (want unknown, up or down)", text)
}

// Vote is what one instance believes of one endpoint after hysteresis.
type Vote struct {
	State   State     `json:"state"`
	Suspect bool      `json:"suspect,omitempty"` // the latest observations contradict State, not yet often enough to change it
	Reason  string    `json:"reason"`            // of the observation that decided, at most MaxReason bytes of printable text
	Since   time.Time `json:"since"`             // when State was reached, on the voter's wall clock
}

// MaxReason is the longest reason that is kept, in bytes.
const MaxReason = 200

// Observation is one probe's result.
type Observation struct {
	OK       bool
	Blind    bool          // the instance could not look (OK is false): nothing is known of the target
	Reason   string        // why it passed or failed, for a person; at most MaxReason bytes
	Warning  string        // what is good now and will not stay so; the same words as long as it is the same
	CertEnds time.Time     // when the first certificate of the chain shown ends; zero: none was shown
	Load     uint8         // what a report says: percent of the endpoint's capacity, 0 when it does not say
	At       time.Time     // when the probe ended
	Took     time.Duration // how long it took
}
