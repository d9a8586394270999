// Package healthcheck probes endpoints, steadies the results by hysteresis
// and turns them into votes: what one instance believes of each endpoint.
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
	OK     bool
	Reason string        // why it passed or failed, for a person; at most MaxReason bytes
	At     time.Time     // when the probe ended
	Took   time.Duration // how long it took
}
