package steering

import (
	"math/bits"

	"github.com/steerdns/steerdns/regions"
)

// comesBack reports whether an endpoint's region is coming back, and has not
// come to this client yet. Which clients are first depends on the region and
// the client's variant alone, so that all instances agree, and grows with
// each step: who is once back stays.
func (d *deliberation) comesBack(e *entry, r *regions.Verdict) bool {
	if r.Ramp == 0 {
		return false
	}
	d.varied = true
	turn := turnOf(d.w.Topology.Regions[e.endpoint.Region].Name, d.variant)
	return turn*regions.RampSteps >= int(r.Ramp)*Variants
}

// turnOf is when in a region's return it is the turn of a variant: each of
// 0..Variants-1 once. An odd factor permutes the residues of a power of two.
func turnOf(region string, variant uint8) int {
	h := mix(fnv(fnvOffset, region))
	factor, offset := h|1, bits.RotateLeft64(h, 32)
	return int((factor*uint64(variant) + offset) % Variants)
}

// sendSparesAway drops what waits or comes back elsewhere first, since
// something in the client's pool stands well.
func (d *deliberation) sendSparesAway() {
	for i := range d.entries {
		e := &d.entries[i]
		if !e.pool || e.standing != spare {
			continue
		}
		e.standing = out
		e.drop(regions.StageHealthy, d.spareReason(e))
	}
	d.usable -= d.spares
	d.spares = 0
}

// spareReason says why a spare is one. It carries no moments: those of one
// epoch decide alike.
func (d *deliberation) spareReason(e *entry) Reason {
	r := &d.w.Regions[e.Region]
	switch {
	case r.Waiting:
		return reason(CodeWaiting, "is up again, but its region waits before it comes back")
	case e.verdict.Waiting:
		return reason(CodeWaiting, "is up again, but waits before it comes back")
	}
	return reason(CodeRamping, "its region is coming back, to %d/%d of the clients so far, and not to this one yet", r.Ramp, regions.RampSteps)
}
