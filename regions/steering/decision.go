// Package steering decides: which endpoints of a service a client gets, in
// which order, and why. It is pure; queries, explain, the page and the drills
// all call the same Decide.
package steering

import (
	"github.com/steerdns/steerdns/regions"
)

// Family selects the endpoints that a query type asks for.
type Family uint8

// The families. A service of aliases has only FamilyAlias.
const (
	FamilyV4 Family = iota
	FamilyV6
	FamilyAlias
)

// Variants is how many shares the balance stage can tell apart. A client's
// variant comes from VariantOf.
const Variants = 64

// Outcome is what kind of answer a decision makes.
type Outcome uint8

// The outcomes.
const (
	Answer   Outcome = iota // the kept endpoints
	FailOpen                // all down: every ranked endpoint, shortest TTL
	Fallback                // all down: the service's fallback addresses
	NoData                  // nothing of this family, or all down and the service says so, or drained
	ServFail                // all down and the service says so, or no state yet
)

// Reason is why an endpoint was kept or dropped, or why a decision came out
// as it did. The same code and text appear in explain, log, metric and page.
type Reason struct {
	Code string `json:"code"` // closed list, see reasons.go; fit for a metric label
	Text string `json:"text"` // for a person
}

// Candidate is one endpoint as the decision saw it.
type Candidate struct {
	Endpoint   int // index into Service.Endpoints
	Region     int // index into Topology.Regions
	Kept       bool
	Rank       int     // dense rank by nearness, 0 nearest; 0 for all when the place is unknown
	DistanceKm float64 // after bias; -1 when the place is unknown
	Stage      regions.StageKind
	Reason     Reason
}

// Decision is the ranked endpoints for (world, service, family, place,
// variant): the kept ones in answer order, then the dropped ones.
type Decision struct {
	Outcome    Outcome
	Candidates []Candidate
	Kept       int    // the first Kept candidates are the answer
	TTL        uint32 // seconds, within the service's bounds
	Reason     Reason // of the outcome and the TTL
	Varied     bool   // the variant had a say: other variants may get other answers; the same for all variants
}
