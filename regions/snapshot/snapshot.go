// Package snapshot keeps the last good state on disk, so that an instance
// that starts without the store answers as it did before.
package snapshot

import (
	"errors"
	"fmt"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// Snapshot is what a restart needs to know, by names: indices belong to one
// topology only.
type Snapshot struct {
	Instance  string                     `json:"instance"` // who wrote it
	SavedAt   time.Time                  `json:"saved_at"`
	Cluster   uint64                     `json:"cluster"`
	Revision  int64                      `json:"revision"`
	Fleet     *regions.FleetFile         `json:"fleet,omitempty"` // nil: the fleet file is not the store's
	Overrides []regions.Override         `json:"overrides,omitempty"`
	Regions   map[string]regions.Verdict `json:"regions"`   // by region name
	Endpoints map[string]regions.Verdict `json:"endpoints"` // by endpoint ID
	Brake     regions.BrakeState         `json:"brake"`
	Serials   []regions.ZoneSerial       `json:"serials,omitempty"`
}

// Of makes the snapshot of a world that is Ready. fleet may be nil.
func Of(instance string, w *regions.World, fleet *regions.FleetFile) Snapshot {
	r := regions.Remember(w)
	return Snapshot{
		Instance: instance, SavedAt: r.SavedAt.Round(0).UTC(), Cluster: r.Cluster, Revision: r.Revision,
		Fleet: fleet, Overrides: r.Overrides, Regions: r.Regions, Endpoints: r.Endpoints, Brake: r.Brake, Serials: r.Serials,
	}
}

// Restored is what State.Restore takes.
func (s Snapshot) Restored() regions.Restored {
	return regions.Restored{
		SavedAt: s.SavedAt, Cluster: s.Cluster, Revision: s.Revision,
		Overrides: s.Overrides, Regions: s.Regions, Endpoints: s.Endpoints, Brake: s.Brake, Serials: s.Serials,
	}
}

// Bounds on what a snapshot may hold. A file within them is still data that
// somebody may have tampered with: nothing else about it is believed.
const (
	maxSize     = 64 << 20 // bytes of the file
	maxVerdicts = 1 << 20
	maxName     = 1024 // bytes
	maxReason   = 16 << 10
	maxOverride = 1 << 16
)

// validate refuses what no instance would have written.
func (s *Snapshot) validate() error {
	var errs []error
	refuse := func(bad bool, format string, args ...any) {
		if bad && len(errs) < 10 {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(s.SavedAt.IsZero(), "saved_at is missing")
	refuse(s.Revision < 0, "revision %d is negative", s.Revision)
	refuse(len(s.Instance) > maxName, "the instance's name is longer than %d bytes", maxName)
	refuse(len(s.Regions) > maxVerdicts || len(s.Endpoints) > maxVerdicts, "more than %d verdicts", maxVerdicts)
	refuse(len(s.Overrides) > maxOverride, "more than %d overrides", maxOverride)
	refuse(len(s.Serials) > maxOverride, "more than %d serials", maxOverride)
	for _, z := range s.Serials {
		refuse(z.Zone == "" || len(z.Zone) > maxName || len(z.Digest) > maxName, "a serial's zone or digest has %d or %d bytes, want 1 to %d", len(z.Zone), len(z.Digest), maxName)
	}
	for _, verdicts := range []map[string]regions.Verdict{s.Regions, s.Endpoints} {
		for name, v := range verdicts {
			refuse(name == "" || len(name) > maxName, "a verdict's name has %d bytes, want 1 to %d", len(name), maxName)
			refuse(v.State > healthcheck.Down, "%.100q has the state %d", name, v.State)
			refuse(len(v.Reason) > maxReason, "the reason for %.100q is longer than %d bytes", name, maxReason)
			refuse(v.Held && v.State != healthcheck.Down, "%.100q is held by the brake but not down", name)
		}
	}
	for _, o := range s.Overrides {
		refuse(!o.Kind.Valid(), "an override is about a %.100q", string(o.Kind))
		refuse(o.Name == "" || len(o.Name) > maxName, "an override's name has %d bytes, want 1 to %d", len(o.Name), maxName)
		refuse(o.Expires.IsZero(), "the override of %.100q has no end", o.Name)
	}
	return errors.Join(errs...)
}
