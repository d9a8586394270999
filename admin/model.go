// Package admin is what operators and their tools talk to over HTTP: status,
// explain, overrides, the fleet file, metrics and health. It reads immutable
// worlds and hands writes to the store; it never takes part in an answer.
package admin

import (
	"time"

	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/steering"
)

// Status is the body of GET /v1/status.
type Status struct {
	Instance  string             `json:"instance"`
	Region    string             `json:"region"`
	Version   string             `json:"version"`
	Epoch     string             `json:"epoch"`    // of the view that answers queries
	Revision  int64              `json:"revision"` // of the store, as last applied
	Ready     bool               `json:"ready"`
	Notes     []string           `json:"notes"` // what an operator should know first; never null
	Store     StoreStatus        `json:"store"`
	Fleet     *FleetStatus       `json:"fleet"` // null: none applied
	Geo       GeoStatus          `json:"geo"`
	Saved     SavedStatus        `json:"saved"`
	Brake     regions.BrakeState `json:"brake"`
	Instances []InstanceStatus   `json:"instances"`
	Regions   []RegionStatus     `json:"regions"`
	Endpoints []EndpointStatus   `json:"endpoints"`
	Overrides []regions.Override `json:"overrides"`
	Rejected  []regions.Rejected `json:"rejected"`
}

// StoreStatus says whether the store is reachable and how old the state is.
type StoreStatus struct {
	Kind      string    `json:"kind"` // "embedded" or "etcd"
	Connected bool      `json:"connected"`
	Refused   bool      `json:"refused,omitempty"` // its state is not believed without an operator's word: it counts as no store
	Since     time.Time `json:"since"`
	Twin      bool      `json:"twin,omitempty"` // another process writes the votes of this instance
	Reason    string    `json:"reason,omitempty"`
	StateAge  *float64  `json:"state_age_seconds,omitempty"` // since the store last confirmed the state; nil: there is no state
}

// Age is the age of the state, if there is any.
func (s StoreStatus) Age() (time.Duration, bool) {
	if s.StateAge == nil {
		return 0, false
	}
	return time.Duration(*s.StateAge * float64(time.Second)), true
}

// FleetStatus names the fleet file in force.
type FleetStatus struct {
	Hash   string    `json:"hash"`
	Source string    `json:"source"` // a path, or "etcd"
	N      int64     `json:"n,omitempty"`
	By     string    `json:"by,omitempty"`
	At     time.Time `json:"at,omitzero"`
	Error  string    `json:"error,omitempty"` // why a newer one was refused
}

// GeoStatus names the geography data in force.
type GeoStatus struct {
	Digest      string    `json:"digest"`
	Built       time.Time `json:"built"` // of the oldest database
	Cells       int       `json:"cells"`
	Attribution string    `json:"attribution,omitempty"`
	Error       string    `json:"error,omitempty"` // why a database was refused
}

// SavedStatus tells of the last good state on disk.
type SavedStatus struct {
	File     string    `json:"file"`
	At       time.Time `json:"at,omitzero"`        // when the store last confirmed what is saved; zero: nothing is
	Error    string    `json:"error,omitempty"`    // why the last write failed, and what to do
	Refused  string    `json:"refused,omitempty"`  // why a saved state was refused at the start
	Previous bool      `json:"previous,omitempty"` // the one before it served then
}

// InstanceStatus is one instance as the store knows it.
type InstanceStatus struct {
	regions.Instance
	Self  bool `json:"self,omitempty"`
	Alike bool `json:"alike"` // answers like this instance: same epoch
}

// RegionStatus is a region with its verdict.
type RegionStatus struct {
	Name string `json:"name"`
	regions.Verdict
	Up    int `json:"up"` // endpoints with verdict up
	Total int `json:"total"`
}

// EndpointStatus is an endpoint with its verdict.
type EndpointStatus struct {
	ID      string `json:"id"`
	Service string `json:"service"`
	Region  string `json:"region"`
	Address string `json:"address"` // or alias target
	Weight  uint32 `json:"weight"`
	regions.Verdict
}

// Explanation is the body of GET /v1/explain.
type Explanation struct {
	Name     string           `json:"name"`
	Instance string           `json:"instance"`
	Epoch    string           `json:"epoch"`
	From     string           `json:"from"`
	Place    geo.Place        `json:"place"`
	Cell     uint32           `json:"cell"`
	Variant  uint8            `json:"variant"`
	Families []FamilyDecision `json:"families"`
}

// FamilyDecision is the decision for one query type.
type FamilyDecision struct {
	Type       string               `json:"type"` // A, AAAA or CNAME
	Outcome    string               `json:"outcome"`
	Reason     steering.Reason      `json:"reason"`
	TTL        uint32               `json:"ttl"`
	Scope      uint8                `json:"scope"` // the ECS scope that a reply carries
	Candidates []ExplainedCandidate `json:"candidates"`
	Fallback   []string             `json:"fallback,omitempty"` // the addresses answered instead, when the outcome is fallback
	Dig        string               `json:"dig"`                // shows the same from a shell
}

// ExplainedCandidate is one endpoint, kept or dropped, and why.
type ExplainedCandidate struct {
	Address    string            `json:"address"`
	Region     string            `json:"region"`
	Kept       bool              `json:"kept"`
	Rank       int               `json:"rank"`
	DistanceKm float64           `json:"distance_km"` // -1 unknown
	State      healthcheck.State `json:"state"`
	Evidence   string            `json:"evidence,omitempty"` // what the verdict behind the reason goes by
	Stage      regions.StageKind `json:"stage"`
	Reason     steering.Reason   `json:"reason"`
}

// OverrideRequest is the body of PUT /v1/overrides.
type OverrideRequest struct {
	Kind    regions.OverrideKind `json:"kind"`
	Name    string               `json:"name"`
	Action  regions.Action       `json:"action,omitempty"` // absent: drain; "up": pin
	Owner   string               `json:"owner"`
	Reason  string               `json:"reason"`
	For     string               `json:"for"`               // such as "30m" or "2d"
	Keep    int                  `json:"keep,omitempty"`    // drains: so many regions have to stay for every service; 0: 1
	Force   bool                 `json:"force,omitempty"`   // waive the precondition that a region stays
	Replace bool                 `json:"replace,omitempty"` // take over an override in force
}

// FleetRequest is the body of POST /v1/fleet.
type FleetRequest struct {
	File  string            `json:"file"` // the name to use in messages
	Text  string            `json:"text"`
	Files map[string]string `json:"files,omitempty"`
	By    string            `json:"by"`
	Base  *int64            `json:"base,omitempty"` // the N it was made from; absent: whatever is applied
}

// ClusterRequest is the body of POST /v1/cluster.
type ClusterRequest struct {
	ID string `json:"id"` // 16 hex digits
}

// Refusal is an error the operator can act on, with the HTTP status it maps
// to. It is the only body of an unsuccessful request.
type Refusal struct {
	Status  int    `json:"-"`
	Message string `json:"error"`
}

func (r *Refusal) Error() string { return r.Message }
