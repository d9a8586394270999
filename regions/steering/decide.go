package steering

import (
	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// maxFailOpen is the most endpoints that a fail-open answer carries.
const maxFailOpen = 8

// Decide chooses and ranks the endpoints of one family of a service for a
// client in a place, as its policy says. It is pure: worlds of one epoch
// decide alike for the same service, family, cell and variant.
//
// Two kinds of stage are filters and hold from the start wherever they stand
// in the policy, and even when healthy is not named: health and drains, and
// fences, which nothing ever crosses. The others (tier, near, balance, take)
// apply in the policy's order. Endpoints that the brake holds, or that are
// demoted, rank behind all others whatever the stages say. What is up again
// but waits to come back, and what comes back to other clients first, is out
// as long as anything in the client's pool stands well; when nothing does, it
// serves.
//
// Families decide apart: when all IPv6 endpoints of a service are down and
// IPv4 is well, IPv6 alone takes the all-down policy.
//
// variant below Variants comes from VariantOf; p may be nil for a client of
// whom nothing is known. An unknown service is answered with ServFail.
func Decide(w *regions.World, service int, fam Family, p *geo.Place, variant uint8) Decision {
	if service < 0 || service >= len(w.Topology.Services) {
		return Decision{Outcome: ServFail, Reason: reason(CodeNoService, "the world has no such service")}
	}
	if p == nil {
		p = &geo.Place{}
	}
	d := newDeliberation(w, service, fam, p, variant)
	switch {
	case !w.Ready:
		return d.empty(ServFail, reason(CodeNoState, "cold start: no state of the fleet is known yet"))
	case d.ofFamily == 0:
		return d.empty(NoData, reason(CodeNoFamily, "the service has no endpoint of this family"))
	case w.Services[service] != nil:
		o := w.Services[service]
		return d.instead(reason(CodeServiceDrained, "the service is drained by %s: %s", o.Owner, o.Reason))
	case d.fenced == 0:
		return d.empty(NoData, reason(CodeNoneInFence, "the client's fence has no endpoint of this family"))
	case d.usable > 0:
		return d.answer()
	}
	return d.allDown()
}

// standing is how well an endpoint may serve; lower is better.
type standing uint8

const (
	well    standing = iota // up, or not known to be down
	spare                   // up, but waiting to come back, or back for other clients only
	doubted                 // demoted, or up in a region that the brake holds
	held                    // down by votes, kept by the brake
	out                     // down or drained: not in answers
)

// entry is one candidate in deliberation.
type entry struct {
	Candidate
	endpoint *regions.Endpoint
	verdict  *regions.Verdict
	standing standing
	drained  bool
	pool     bool // of the family, and inside the client's fences
	tier     int  // position of its tier when failing open ranks by it
	balanced bool
	tied     bool // only its score set it apart from another in balance
}

// deliberation is one Decide under way.
type deliberation struct {
	w       *regions.World
	svc     *regions.Service
	fam     Family
	place   *geo.Place
	variant uint8

	entries  []entry // all endpoints, in the topology's order
	ofFamily int     // endpoints of the family
	fenced   int     // of these, inside the client's fences
	thriving int     // of these, well
	spares   int     // of these, spare
	usable   int     // of these, well, spare or doubted
	heldBack int     // of these, held
	fence    bool    // a fence holds for the client
	near     bool    // ranks count from here on
	shaky    bool    // something asks for the short TTL
	varied   bool    // the variant had a say before the last stage
}

func newDeliberation(w *regions.World, service int, fam Family, p *geo.Place, variant uint8) *deliberation {
	d := &deliberation{w: w, svc: &w.Topology.Services[service], fam: fam, place: p, variant: variant}
	ranks := rankRegions(w.Topology, p)
	d.entries = make([]entry, len(d.svc.Endpoints))
	for i := range d.entries {
		e := &d.entries[i]
		e.endpoint, e.verdict = &d.svc.Endpoints[i], &w.Endpoints[service][i]
		region := e.endpoint.Region
		e.Candidate = Candidate{Endpoint: i, Region: region, Rank: ranks[region], DistanceKm: DistanceKm(&w.Topology.Regions[region], p)}
		d.admit(e)
	}
	if d.thriving > 0 {
		d.sendSparesAway()
	}
	return d
}

// admit applies the filters: family, fences, drains and health.
func (d *deliberation) admit(e *entry) {
	if FamilyOf(e.endpoint) != d.fam {
		e.drop(regions.StageHealthy, reason(CodeOtherFamily, "is of another address family"))
		return
	}
	d.ofFamily++
	if !d.insideFences(e) {
		return
	}
	d.fenced++
	e.pool = true
	d.assess(e)
	switch e.standing {
	case well:
		d.thriving++
		d.usable++
	case spare:
		d.spares++
		d.usable++
	case doubted:
		d.usable++
	case held:
		d.heldBack++
	}
}

// assess finds an endpoint's standing, and whether it asks for the short TTL.
func (d *deliberation) assess(e *entry) {
	v, r := e.verdict, &d.w.Regions[e.endpoint.Region]
	switch {
	case v.Drained != nil:
		e.drain(CodeEndpointDrained, v.Drained)
	case r.Drained != nil:
		e.drain(CodeRegionDrained, r.Drained)
	case v.Pinned != nil: // up, whatever the votes say
	case r.Out():
		e.remove(CodeRegionDown, "its region is down")
	case v.State == healthcheck.Down && !v.Held:
		e.remove(CodeEndpointDown, "is down")
	case v.Lacks != "":
		e.remove(CodeNeedsDown, "needs "+v.Lacks+", which is down in its region")
	case v.State == healthcheck.Down:
		e.standing = held
	case r.Waiting || v.Waiting:
		e.standing = spare
	case d.comesBack(e, r):
		e.standing = spare
	case v.Demoted || r.Demoted || r.Held:
		e.standing = doubted
	}
	d.shaky = d.shaky || e.drained || e.standing != well && e.standing != out || r.Ramp > 0 ||
		v.Suspect || v.Shaky || v.Frozen || r.Suspect || v.Pinned != nil && (v.State == healthcheck.Down || r.State == healthcheck.Down)
}

// remove takes an endpoint out by the fleet's verdicts.
func (e *entry) remove(code, why string) {
	e.standing = out
	e.drop(regions.StageHealthy, reason(code, "%s", why))
}

func (e *entry) drain(code string, o *regions.Override) {
	e.standing, e.drained = out, true
	e.drop(regions.StageHealthy, reason(code, "drained by %s: %s", o.Owner, o.Reason))
}

func (e *entry) drop(stage regions.StageKind, why Reason) {
	e.Kept, e.Stage, e.Reason = false, stage, why
}

func (e *entry) keep(stage regions.StageKind, why Reason) {
	e.Kept, e.Stage, e.Reason = true, stage, why
}

// FamilyOf is the family of an endpoint.
func FamilyOf(e *regions.Endpoint) Family {
	switch {
	case !e.Addr.IsValid():
		return FamilyAlias
	case e.Addr.Unmap().Is4():
		return FamilyV4
	}
	return FamilyV6
}
