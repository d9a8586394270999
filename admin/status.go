package admin

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// MakeStatus draws the status from one world, one picture and the
// instance's facts. w and p may be nil.
func MakeStatus(w *regions.World, p *regions.Picture, f Facts) Status {
	s := Status{
		Instance: f.Instance, Region: f.Region, Version: f.Version, Epoch: f.Epoch,
		Ready: f.Ready, Notes: []string{}, Store: f.Store, Fleet: f.Fleet, Geo: f.Geo, Saved: f.Saved,
		Instances: []InstanceStatus{}, Regions: []RegionStatus{}, Endpoints: []EndpointStatus{},
		Overrides: []regions.Override{}, Rejected: []regions.Rejected{},
	}
	if p != nil {
		s.Rejected = append(s.Rejected, p.Rejected...)
		s.Instances = instanceRows(p, f)
	}
	if w != nil {
		s.Revision = w.Revision
		s.Brake = w.Brake
		s.Overrides = append(s.Overrides, w.Overrides...)
		s.Endpoints = endpointRows(w)
		s.Regions = regionRows(w)
	}
	s.Notes = append(notes(s, w, p, f), blindNotes(p)...)
	return s
}

// blindNotes tells which instances suspect themselves.
func blindNotes(p *regions.Picture) (out []string) {
	if p == nil {
		return nil
	}
	for i := range p.Ballots {
		if p.Ballots[i].Blind {
			out = append(out, fmt.Sprintf("instance %s suspects itself: more than three quarters of what it saw answer fail at once "+
				"(its votes count only if most instances say the same of themselves)", p.Ballots[i].Instance))
		}
	}
	return out
}

func instanceRows(p *regions.Picture, f Facts) []InstanceStatus {
	rows := make([]InstanceStatus, 0, len(p.Instances))
	for _, in := range p.Instances {
		self := in.Name == f.Instance
		if self {
			in.Epoch = f.Epoch // the store's copy may lag behind by a write
		}
		rows = append(rows, InstanceStatus{Instance: in, Self: self, Alike: in.Epoch == f.Epoch})
	}
	return rows
}

func endpointRows(w *regions.World) []EndpointStatus {
	rows := []EndpointStatus{}
	for si, svc := range w.Topology.Services {
		for ei, e := range svc.Endpoints {
			rows = append(rows, EndpointStatus{
				ID: e.ID, Service: strings.TrimSuffix(svc.Name, "."),
				Region: w.Topology.Regions[e.Region].Name, Address: address(e),
				Weight: e.Weight, Verdict: w.Endpoints[si][ei],
			})
		}
	}
	return rows
}

func address(e regions.Endpoint) string {
	if e.Alias != "" {
		return e.Alias
	}
	return e.Addr.String()
}

func regionRows(w *regions.World) []RegionStatus {
	rows := make([]RegionStatus, len(w.Topology.Regions))
	for i, r := range w.Topology.Regions {
		rows[i] = RegionStatus{Name: r.Name, Verdict: w.Regions[i]}
	}
	for si, svc := range w.Topology.Services {
		for ei, e := range svc.Endpoints {
			rows[e.Region].Total++
			if w.Endpoints[si][ei].State == healthcheck.Up {
				rows[e.Region].Up++
			}
		}
	}
	return rows
}

// jotter collects notes.
type jotter []string

func (j *jotter) add(format string, args ...any) { *j = append(*j, fmt.Sprintf(format, args...)) }

// notes are the sentences an operator should read before the tables.
func notes(s Status, w *regions.World, p *regions.Picture, f Facts) []string {
	j := jotter{}
	j.instance(w, p, f)
	j.files(s, w, f)
	j.fleet(s, w, p, f)
	return j
}

// instance notes how this instance stands with the store and the fleet.
func (j *jotter) instance(w *regions.World, p *regions.Picture, f Facts) {
	if !f.Ready {
		j.add("not ready: %s", f.NotReady)
	}
	switch age, found := f.Store.Age(); {
	case f.Store.Connected:
	case found:
		j.add("the store is away (%s); the last state stands and is %s old", f.Store.Reason, age.Round(time.Second))
	default:
		j.add("the store is away (%s), and there is no state: what is steered is not answered", f.Store.Reason)
	}
	if f.Store.Connected && f.Store.Reason != "" {
		j.add("the store is read, but %s", f.Store.Reason)
	}
	if f.Refused != nil {
		j.add("the store's state is refused since %s: %s (if that is right, tell every instance: steerdns accept-cluster %016x --admin ADDRESS,ADDRESS,...)",
			f.Refused.At.UTC().Format(time.RFC3339), f.Refused.Reason, f.Refused.Cluster)
	}
	if f.Store.Twin {
		j.add("another process writes the votes of this instance: two of the fleet are named %s, give each its own name", f.Instance)
	}
	for _, in := range astray(w, p, f) {
		j.add("instance %s is of region %s, which the fleet does not have: its votes count for nothing (change region in its instance file, or add the region to the fleet file)",
			in.Name, in.Region)
	}
}

// files notes what the brake holds, and the files that were refused or cannot
// be written.
func (j *jotter) files(s Status, w *regions.World, f Facts) {
	if len(s.Brake.Held) > 0 {
		j.add("the brake holds %s: votes call it down, but %d of %d regions may leave within the window",
			strings.Join(s.Brake.Held, ", "), s.Brake.Allowed, w.Topology.Serving())
	}
	if f.Fleet != nil && f.Fleet.Error != "" {
		j.add("a newer fleet file was refused: %s", f.Fleet.Error)
	}
	if f.Geo.Error != "" {
		j.add("a geography database was refused, the one before serves on: %s", f.Geo.Error)
	}
	if f.Saved.Error != "" {
		j.add("the state cannot be saved, a restart without the store would know less: %s", f.Saved.Error)
	}
	switch {
	case f.Saved.Previous:
		j.add("at the start the saved state was refused and the one before it served: %s", f.Saved.Refused)
	case f.Saved.Refused != "":
		j.add("at the start no saved state could be used: %s", f.Saved.Refused)
	}
}

// fleet notes what operators ordered, who is missing, and who differs.
func (j *jotter) fleet(s Status, w *regions.World, p *regions.Picture, f Facts) {
	for _, o := range s.Overrides {
		j.add("%s %s is %s by %s until %s: %s", kindWord(o.Kind), o.Name, o.Verb(), o.Owner, o.Expires.UTC().Format(time.RFC3339), o.Reason)
	}
	for _, r := range s.Regions {
		if r.Waiting && r.Until.IsZero() {
			j.add("region %s is up again and waits for an operator: steerdns failback region %s", r.Name, r.Name)
		}
	}
	for _, name := range silentVantages(w, p) {
		j.add("no instance votes from region %s: if none runs there, set vantage: false, so that nobody waits for its votes", name)
	}
	if frozen := countFrozen(w); frozen > 0 {
		j.add("%d endpoints are frozen: too few vantages vote, the last verdict stands", frozen)
	}
	for _, in := range s.Instances {
		if in.Geo != f.Geo.Digest && in.Geo != "" && f.Geo.Digest != "" {
			j.add("instance %s uses other geography data (%s here, %s there): near the borders its answers may differ", in.Name, f.Geo.Digest, in.Geo)
		}
	}
	for _, r := range s.Rejected {
		j.add("a value in the store was refused: %s: %s", r.Key, r.Reason)
	}
}

// astray is the instances, this one first, whose region the fleet does not
// have.
func astray(w *regions.World, p *regions.Picture, f Facts) (out []regions.Instance) {
	if w == nil {
		return nil
	}
	all := []regions.Instance{{Name: f.Instance, Region: f.Region}}
	if p != nil {
		all = append(all, p.Instances...)
	}
	for i, in := range all {
		known := slices.ContainsFunc(w.Topology.Regions, func(r regions.Region) bool { return r.Name == in.Region })
		if !known && (i == 0 || in.Name != f.Instance) {
			out = append(out, in)
		}
	}
	return out
}

// kindWord is what an override is about, for a sentence.
func kindWord(k regions.OverrideKind) regions.OverrideKind {
	if k == regions.OverrideFailback {
		return regions.OverrideRegion
	}
	return k
}

// silentVantages is the regions whose votes are waited for and that have no
// ballot in the store.
func silentVantages(w *regions.World, p *regions.Picture) []string {
	if w == nil || p == nil || len(p.Ballots) == 0 {
		return nil
	}
	voting := map[string]bool{}
	for _, b := range p.Ballots {
		voting[b.Region] = true
	}
	var silent []string
	for _, r := range w.Topology.Regions {
		if !r.NoVantage && !voting[r.Name] {
			silent = append(silent, r.Name)
		}
	}
	return silent
}

func countFrozen(w *regions.World) int {
	if w == nil {
		return 0
	}
	n := 0
	for _, svc := range w.Endpoints {
		for _, v := range svc {
			if v.Frozen {
				n++
			}
		}
	}
	return n
}
