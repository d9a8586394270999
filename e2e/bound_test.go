//go:build e2e

package e2e

import (
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// demoCheck is the check of the demo's fleet file.
var demoCheck = healthcheck.Check{Interval: 500 * time.Millisecond, Timeout: 400 * time.Millisecond, Fall: 2, Rise: 2}

// demoHold is the hold of the demo's fleet file, which begins when a region
// falls.
const demoHold = 3 * time.Second

// How long an event may take from what happens to the last instance's last
// old answer, as configuration implies:
//
//	failing:   fall × 1.1 × interval + timeout   until the votes of the last vantage are cast
//	returning: rise × 1.1 × interval + timeout   or the hold, if that is longer
//	drain:     0                                 an override is a write, not a vote
//	then:      write coalescing                  a vote may wait for the write before it
//	           + judge coalescing                and its picture for the judgement before it
//	           + commit                          etcd's fsync, the watch, compiling, one more query: not
//	                                             configuration but this machine
const (
	writeCoalesce = 100 * time.Millisecond // store.Options.Coalesce
	commit        = 300 * time.Millisecond
)

func failBound() time.Duration   { return demoCheck.DetectBound() + spread() }
func returnBound() time.Duration { return max(demoCheck.RecoverBound(), demoHold) + spread() }
func spread() time.Duration      { return writeCoalesce + regions.DefaultCoalesce + commit }
