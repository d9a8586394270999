package regions

import (
	"time"

	"github.com/steerdns/steerdns/healthcheck"
)

// VantageVote is one vantage's single vote on an endpoint, with its evidence.
type VantageVote struct {
	Region string            `json:"region"`
	State  healthcheck.State `json:"state"` // unknown: abstains
	Up     int               `json:"up"`    // its instances that say so
	Down   int               `json:"down"`
	Reason string            `json:"reason,omitempty"` // of the instance that spoke for the majority, smallest name first
}

// Verdict is what the fleet decides of an endpoint or a region.
type Verdict struct {
	State    healthcheck.State `json:"state"`
	Frozen   bool              `json:"frozen,omitempty"`  // too few fresh vantages: the last verdict stands
	Held     bool              `json:"held,omitempty"`    // down by votes, but kept in answers (ranked last) by the brake
	Demoted  bool              `json:"demoted,omitempty"` // frozen or store lost, and the votes there are say down: ranked last, not removed
	Suspect  bool              `json:"suspect,omitempty"` // somebody doubts State: the TTL shrinks
	Drained  *Override         `json:"drained,omitempty"`
	Since    time.Time         `json:"since"` // when State was reached
	Reason   string            `json:"reason"`
	Vantages []VantageVote     `json:"vantages,omitempty"` // endpoints only
}

// World is the immutable picture that answers are made from. Judge is its
// only maker.
type World struct {
	Topology  *Topology
	Epoch     string // "CONFIGURATION-VERDICTS": two worlds of one epoch decide alike
	Revision  int64  // of the store, when this was judged; 0 before the first
	Cluster   uint64
	Ready     bool // false: cold start with no state at all; steered names get SERVFAIL
	Judged    time.Time
	StoreLost bool // judged without the store: the last verdicts stand

	Regions   []Verdict    // by region index
	Endpoints [][]Verdict  // by service index, endpoint index
	Services  []*Override  // by service index: the override that drains it, or nil
	Overrides []Override   // in force
	Serials   []ZoneSerial // by zone, as the store last said
	Brake     BrakeState
}

// BrakeState says whether the brake holds anything.
type BrakeState struct {
	Allowed int      `json:"allowed"` // regions that may be withdrawn within the window
	Out     []string `json:"out"`     // regions withdrawn automatically
	Held    []string `json:"held"`    // regions that the votes call down and the brake keeps
}
