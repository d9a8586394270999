package sim

import (
	"strconv"
	"strings"
	"time"
)

// Kind is what a fault does.
type Kind uint8

// The kinds. A and B are what the comment says.
const (
	EndpointDown  Kind = iota // endpoint A does not answer
	RegionDark                // no endpoint of region A answers
	EndpointFlaps             // endpoint A answers every other time, every By
	Blind                     // instance A reaches no endpoint
	VantageBlind              // no instance of region A reaches any endpoint
	ProbesCut                 // no instance of region A reaches an endpoint of region B
	StoreCut                  // instance A and the store do not hear each other
	RepliesCut                // the store hears instance A, which does not hear the store
	StoreSlow                 // what instance A and the store say to each other takes up to By
	WatchHangs                // the watch that instance A has open falls silent for good; a new one would not
	StoreLate                 // what instance A asks of the store gets there after it has given up waiting
	StoreDown                 // the store has no quorum
	LeaderChange              // the store gets another leader
	LeasesRevoked             // all leases end at once
	Compaction                // the store forgets its history, and watches lose deletions
	DeletesLost               // watches lose deletions
	WatchRepeats              // watches tell old events again
	WatchBackward             // watches tell events in the wrong order
	MemberGone                // member A answers nobody, and may not say so
	MemberLags                // member A's watches are By late
	StoreLost                 // the store is replaced by an empty one
	StoreRestored             // the store is replaced by what it was By before; B odd: under a new cluster id
	NoSpace                   // the store takes no writes
	Garbage                   // somebody writes nonsense into the store
	Crash                     // instance A dies and starts again; B: 0 killed, 1 power lost, 2 while it saves
	Restart                   // instance A stops in good order and starts again
	DiskFull                  // instance A cannot save
	BitFlips                  // a bit of instance A's saved state flips
	ClockStep                 // instance A's wall clock is By off, from then on
	Drain                     // an operator at instance A drains region B
	DrainEndpoint             // an operator at instance A drains endpoint B
	DrainService              // an operator at instance A drains service B
	Undrain                   // an operator at instance A ends all drains and pins of regions
	Pin                       // an operator at instance A pins region B up
	LetBack                   // an operator at instance A lets region B come back
	kinds
)

// weights is how often a kind is drawn.
var weights = [kinds]int{
	EndpointDown: 6, RegionDark: 8, EndpointFlaps: 4, Blind: 4, VantageBlind: 4, ProbesCut: 6,
	StoreCut: 5, RepliesCut: 2, StoreSlow: 2, WatchHangs: 2, StoreLate: 2, StoreDown: 3, LeaderChange: 2, LeasesRevoked: 2,
	Compaction: 2, DeletesLost: 2, WatchRepeats: 2, WatchBackward: 2, MemberGone: 2, MemberLags: 2,
	StoreLost: 1, StoreRestored: 2, NoSpace: 2, Garbage: 1,
	Crash: 5, Restart: 2, DiskFull: 1, BitFlips: 1, ClockStep: 3,
	Drain: 6, DrainEndpoint: 2, DrainService: 1, Undrain: 2, Pin: 2, LetBack: 1,
}

var total = func() (sum int) {
	for _, w := range weights {
		sum += w
	}
	return sum
}()

// newFault draws one.
func newFault(d *dice, s Shape, length time.Duration) Fault {
	f := Fault{Kind: newKind(d), At: d.span(0, length*4/5), For: d.span(time.Second, length*3/4)}
	f.A, f.B = d.below(1<<20), d.below(1<<20)
	switch f.Kind {
	case EndpointDown, EndpointFlaps:
		f.A %= s.targets()
		f.By = d.span(500*time.Millisecond, 5*time.Second)
	case RegionDark, VantageBlind:
		f.A %= len(s.Instances)
	case ProbesCut:
		f.A, f.B = f.A%len(s.Instances), f.B%len(s.Instances)
	case StoreSlow, MemberLags:
		f.By = d.span(200*time.Millisecond, 3*time.Second)
	case StoreRestored:
		f.By = d.span(time.Second, 20*time.Second)
	case ClockStep:
		f.By = d.span(-40*time.Second, 40*time.Second)
	case Crash:
		f.B %= 3
	case Drain, DrainEndpoint, DrainService, Pin, LetBack:
		f.For = d.span(3*time.Second, 30*time.Second)
		f.B %= map[Kind]int{Drain: len(s.Instances), Pin: len(s.Instances), LetBack: len(s.Instances), DrainEndpoint: s.targets(), DrainService: s.Services}[f.Kind]
	}
	switch f.Kind {
	case Blind, StoreCut, RepliesCut, StoreSlow, WatchHangs, StoreLate, Crash, Restart, DiskFull, BitFlips, ClockStep, Drain, DrainEndpoint, DrainService, Undrain, Pin, LetBack:
		f.A %= s.nodes()
	case MemberGone, MemberLags:
		f.A %= members
	}
	return f
}

// another is the drain of another region, by an operator who acts at the same
// time without knowing.
func (f Fault) another(d *dice, s Shape) Fault {
	f.A, f.B = d.below(s.nodes()), (f.B+1)%len(s.Instances)
	f.At += d.span(0, 300*time.Millisecond)
	return f
}

func newKind(d *dice) Kind {
	n := d.below(total)
	for k, w := range weights {
		if n -= w; n < 0 {
			return Kind(k)
		}
	}
	return EndpointDown
}

// words is each kind in a sentence: A and B are its numbers, BY how much and
// FOR how long.
var words = [kinds]string{
	EndpointDown:  "endpoint A does not answer for FOR",
	RegionDark:    "region rA is dark for FOR",
	EndpointFlaps: "endpoint A flaps every BY for FOR",
	Blind:         "instance A reaches no endpoint for FOR",
	VantageBlind:  "no instance of region rA reaches an endpoint for FOR",
	ProbesCut:     "region rA does not reach endpoints of region rB for FOR",
	StoreCut:      "instance A and the store are cut off from each other for FOR",
	RepliesCut:    "instance A does not hear the store, which hears it, for FOR",
	StoreSlow:     "instance A and the store take up to BY to hear each other for FOR",
	WatchHangs:    "the watch of instance A falls silent",
	StoreLate:     "requests of instance A reach the store after they were given up for FOR",
	StoreDown:     "the store has no quorum for FOR",
	LeaderChange:  "the store gets a new leader",
	LeasesRevoked: "the store ends all leases at once",
	Compaction:    "the store compacts, and watches lose deletions for FOR",
	DeletesLost:   "watches lose deletions for FOR",
	WatchRepeats:  "watches repeat old events for FOR",
	WatchBackward: "watches tell events backwards for FOR",
	MemberGone:    "member A of the store answers nobody for FOR",
	MemberLags:    "watches of member A are BY late for FOR",
	StoreLost:     "the store is lost; an empty one takes its place",
	StoreRestored: "the store is restored from a backup BY old, new id: ODD",
	NoSpace:       "the store takes no writes for FOR",
	Garbage:       "somebody writes nonsense into the store",
	Crash:         "instance A dies (HOW) and starts again after FOR",
	Restart:       "instance A stops in good order and starts again after FOR",
	DiskFull:      "the disk of instance A is full for FOR",
	BitFlips:      "a bit of the saved state of instance A flips",
	ClockStep:     "the wall clock of instance A steps by BY",
	Drain:         "an operator at instance A drains region rB for FOR",
	DrainEndpoint: "an operator at instance A drains endpoint B for FOR",
	DrainService:  "an operator at instance A drains service B for FOR",
	Undrain:       "an operator at instance A ends the drains and pins of regions",
	Pin:           "an operator at instance A pins region rB up for FOR",
	LetBack:       "an operator at instance A lets region rB back",
}

// String is the fault in a sentence.
func (f Fault) String() string {
	return strings.NewReplacer(
		"A", strconv.Itoa(f.A), "BY", f.By.Round(time.Millisecond).String(), "B", strconv.Itoa(f.B),
		"FOR", f.For.Round(time.Millisecond).String(), "ODD", strconv.FormatBool(f.B%2 == 1),
		"HOW", []string{"killed", "power lost", "while saving"}[f.B%3],
	).Replace(words[f.Kind])
}
