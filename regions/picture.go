package regions

import (
	"time"

	"github.com/steerdns/steerdns/healthcheck"
)

// Ballot is all votes of one instance, as the store holds them.
type Ballot struct {
	Instance string                      `json:"instance"`
	Region   string                      `json:"region"`
	Boot     string                      `json:"boot"`            // names this run of the instance; a new run may start Seq again
	Seq      uint64                      `json:"seq"`             // grows with every write of one run; a ballot whose (Boot, Seq) stands still grows stale
	Beat     time.Duration               `json:"beat"`            // the longest the instance lets pass between two writes
	Votes    map[string]healthcheck.Vote `json:"votes"`           // by endpoint ID, or EntranceID
	Blind    bool                        `json:"blind,omitempty"` // the instance suspects itself: most of what it saw up went down at once
	// Marks is what the instance remembers of what was out, by the same names
	// as Votes (regions by EntranceID). Nil: it has no memory yet, and abstains.
	Marks map[string]Mark `json:"marks"`
}

// Instance is what an instance says of itself.
type Instance struct {
	Name    string    `json:"name"`
	Region  string    `json:"region"`
	DNS     []string  `json:"dns"`   // host:port
	Admin   string    `json:"admin"` // host:port, "" when off
	Version string    `json:"version"`
	Epoch   string    `json:"epoch"`
	Geo     string    `json:"geo"` // digest of its geo data
	Started time.Time `json:"started"`
}

// FleetFile is the applied fleet file as the store holds it.
type FleetFile struct {
	Text  string            `json:"text"`            // the YAML
	Files map[string]string `json:"files,omitempty"` // files it names, by the name it uses
	Hash  string            `json:"hash"`            // hex SHA-256 of text and files
	By    string            `json:"by"`
	At    time.Time         `json:"at"`
	N     int64             `json:"n"` // 1, 2, 3, ... along the history

	Cluster uint64 `json:"cluster,omitempty"` // of the store that gave it its number, for who keeps it elsewhere; 0 within that store
}

// Picture is everything the store says at one revision. Immutable.
type Picture struct {
	Cluster   uint64 // etcd's cluster id
	Revision  int64
	Fleet     *FleetFile // nil: none applied
	Ballots   []Ballot   // by instance name
	Instances []Instance // by name
	Overrides []Override // by kind and name; may contain expired ones
	Serials   []ZoneSerial
	Rejected  []Rejected // values that were refused, one by one
}

// ZoneSerial binds the content of a zone that changes by itself to a serial:
// once written, no other content has it.
type ZoneSerial struct {
	Zone   string    `json:"zone"` // absolute, lower case
	Serial uint32    `json:"serial"`
	Digest string    `json:"digest"` // hex SHA-256 of the content
	By     string    `json:"by"`     // the instance that wrote it
	At     time.Time `json:"at"`
}

// Rejected is a value in the store that was not believed.
type Rejected struct {
	Key    string `json:"key"`
	Reason string `json:"reason"`
}
