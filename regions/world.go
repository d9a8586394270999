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
	Since  time.Time         `json:"since,omitzero"`   // down: when more than half of its instances had said so; up: when the one that speaks did
	Reason string            `json:"reason,omitempty"` // of the instance that spoke for the majority, smallest name first; of the first that abstained, when all do
}

// Verdict is what the fleet decides of an endpoint or a region. State is by
// votes; the other fields say what comes of it.
type Verdict struct {
	State    healthcheck.State `json:"state"`
	Frozen   bool              `json:"frozen,omitempty"`  // too few fresh vantages: the last verdict stands
	Held     bool              `json:"held,omitempty"`    // down by votes, but kept in answers (ranked last) by the brake
	Demoted  bool              `json:"demoted,omitempty"` // frozen or store lost, and the votes there are say down: ranked last, not removed
	Suspect  bool              `json:"suspect,omitempty"` // somebody doubts State: the TTL shrinks
	Waiting  bool              `json:"waiting,omitempty"` // up again by votes, but out until Until: serves only where nothing else is well
	Until    time.Time         `json:"until,omitzero"`    // waiting: when it may come back; zero: when an operator says so
	Ramp     uint8             `json:"ramp,omitempty"`    // regions: it came back to Ramp/RampSteps of the clients so far; 0: to all
	Return   string            `json:"return,omitempty"`  // waiting or ramping: until when and why, in words
	Lacks    string            `json:"lacks,omitempty"`   // endpoints: the needed service that is down in the region
	Shaky    bool              `json:"shaky,omitempty"`   // endpoints: what the service needs may be about to go or to come: the TTL shrinks
	Drained  *Override         `json:"drained,omitempty"`
	Pinned   *Override         `json:"pinned,omitempty"` // up whatever State is; an endpoint's, its service's or its region's
	Since    time.Time         `json:"since"`            // when State was reached
	Reason   string            `json:"reason"`
	Vantages []VantageVote     `json:"vantages,omitempty"` // endpoints and entrances: who says what
	Entrance *Verdict          `json:"entrance,omitempty"` // regions with a check of their own: what it says
	Past     *Mark             `json:"past,omitempty"`     // when it was out; nil: not lately
}

// Why is the reason with how it comes back, for people.
func (v *Verdict) Why() string {
	if v.Return == "" {
		return v.Reason
	}
	return v.Reason + "; " + v.Return
}

// RampSteps is in how many steps a returning region takes its clients back.
const RampSteps = 8

// Out reports whether the verdict keeps what it is about out of the answers,
// drains aside. What is Waiting is out as well, but may serve in need.
func (v *Verdict) Out() bool {
	return v.Pinned == nil && (v.State == healthcheck.Down && !v.Held || v.Lacks != "")
}

// gone reports whether the votes have taken out what the verdict is about.
func (v *Verdict) gone() bool {
	return v.Drained == nil && v.Pinned == nil && (v.State == healthcheck.Down && !v.Held || v.Waiting)
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
