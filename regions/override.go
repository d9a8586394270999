package regions

import (
	"slices"
	"time"
)

// OverrideKind is what an override is about.
type OverrideKind string

// The kinds of override. A failback is about a region, too: it lets one come
// back whose Recovery waits for an operator.
const (
	OverrideRegion   OverrideKind = "region"
	OverrideService  OverrideKind = "service"
	OverrideEndpoint OverrideKind = "endpoint"
	OverrideFailback OverrideKind = "failback"
)

// Valid reports whether k is one of the kinds.
func (k OverrideKind) Valid() bool {
	return slices.Contains([]OverrideKind{OverrideRegion, OverrideService, OverrideEndpoint, OverrideFailback}, k)
}

// Action is what an override does to what it is about.
type Action string

// The actions. A drain beats a pin of something wider or narrower.
const (
	ActionDrain Action = ""   // out of the answers, whatever the votes say
	ActionPin   Action = "up" // up, whatever the votes say
)

// Valid reports whether a is one of the actions.
func (a Action) Valid() bool { return a == ActionDrain || a == ActionPin }

// Override is an operator's word about a region, service or endpoint, until
// Expires. It ends by itself on every instance's own clock.
type Override struct {
	Kind    OverrideKind `json:"kind"`
	Name    string       `json:"name"`             // region name, service name without final dot, or endpoint ID
	Action  Action       `json:"action,omitempty"` // of a failback: ActionDrain, which means nothing there
	Owner   string       `json:"owner"`
	Reason  string       `json:"reason"`
	Created time.Time    `json:"created"`
	Expires time.Time    `json:"expires"`
	Keep    int          `json:"keep,omitempty"`   // it was written on condition that so many regions stay for every service
	Forced  bool         `json:"forced,omitempty"` // the precondition was waived
}

// Verb says what the override does, as in "drained by ada".
func (o *Override) Verb() string {
	switch {
	case o.Kind == OverrideFailback:
		return "let back"
	case o.Action == ActionPin:
		return "pinned up"
	}
	return "drained"
}

// Word is the override as one sentence: what, by whom and why.
func (o *Override) Word() string { return o.Verb() + " by " + o.Owner + ": " + o.Reason }
