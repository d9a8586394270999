package steering

import (
	"github.com/steerdns/steerdns/regions"
)

// answer is the ordinary end: what is eligible, through the policy.
func (d *deliberation) answer() Decision {
	kept := d.run(d.gather(func(e *entry) bool { return e.standing < out }), false)
	ttl, why := d.svc.TTLMax, reason(CodeSteady, "nothing is in doubt")
	if d.shaky {
		ttl, why = d.svc.TTLMin, reason(CodeUnsettled, "a candidate is suspect, frozen, demoted, drained, held by the brake, or not fully back")
	}
	return d.decision(Answer, kept, ttl, why)
}

// allDown is rule 6: nothing in the client's pool is truly usable.
func (d *deliberation) allDown() Decision {
	if d.svc.AllDown == regions.FailOpen {
		return d.failOpen()
	}
	if d.heldBack > 0 {
		return d.answer()
	}
	return d.instead(d.downReason())
}

// failOpen answers with all that is down but not drained, or with what is
// drained when there is nothing else, ranked but not cut by take.
func (d *deliberation) failOpen() Decision {
	why := d.downReason()
	pool := d.gather(func(e *entry) bool { return e.pool && !e.drained })
	if len(pool) == 0 {
		why = reason(CodeAllDrained, "failing open: all endpoints are drained, and nothing else exists")
		pool = d.gather(func(e *entry) bool { return e.pool })
	} else {
		why.Text = "failing open: " + why.Text
	}
	for _, e := range pool {
		e.standing = held
		e.keep(regions.StageHealthy, reason(CodeFailOpen, "%s, but nothing better exists", downText(e)))
	}
	ranked := d.run(pool, true)
	return d.decision(FailOpen, ranked, d.svc.TTLMin, why)
}

func downText(e *entry) string {
	switch {
	case e.Reason.Text != "":
		return e.Reason.Text
	}
	return "is down and held by the brake"
}

func (d *deliberation) downReason() Reason {
	for i := range d.entries {
		if e := &d.entries[i]; d.fence && e.Reason.Code == CodeOutsideFence {
			return reason(CodeFenceDown, "no endpoint inside the client's fence is up, and none outside may serve")
		}
	}
	return reason(CodeAllDown, "no endpoint of this family is up")
}

// instead answers by the service's word for when no endpoint may: the
// fallback, if the all-down policy or a drain leads to it and it has an
// address for the family, otherwise no data or SERVFAIL.
func (d *deliberation) instead(why Reason) Decision {
	drained := why.Code == CodeServiceDrained
	switch {
	case (drained || d.svc.AllDown == regions.Fallback) && d.hasFallback():
		return d.empty(Fallback, why)
	case !drained && d.svc.AllDown == regions.ServFail:
		return d.empty(ServFail, why)
	}
	return d.empty(NoData, why)
}

func (d *deliberation) hasFallback() bool {
	for _, a := range d.svc.Fallback {
		if d.fam == FamilyAlias || a.Unmap().Is4() == (d.fam == FamilyV4) {
			return true
		}
	}
	return false
}

// empty is a decision that keeps no endpoint; always with the short TTL.
func (d *deliberation) empty(o Outcome, why Reason) Decision {
	for i := range d.entries {
		if e := &d.entries[i]; e.Reason.Code == "" {
			e.drop(regions.StageHealthy, why)
		}
	}
	return d.decision(o, nil, d.svc.TTLMin, why)
}

// gather picks the entries that f wants, in the topology's order.
func (d *deliberation) gather(f func(*entry) bool) []*entry {
	var list []*entry
	for i := range d.entries {
		if e := &d.entries[i]; e.pool && f(e) {
			list = append(list, e)
		}
	}
	return list
}

// decision lists the kept, then the ranked that did not make it, then the
// rest in the topology's order.
func (d *deliberation) decision(o Outcome, ranked []*entry, ttl uint32, why Reason) Decision {
	dec := Decision{Outcome: o, TTL: ttl, Reason: why, Varied: d.varied && len(ranked) > 0, Candidates: make([]Candidate, 0, len(d.entries))}
	listed := make([]bool, len(d.entries))
	list := func(e *entry) {
		listed[e.Endpoint] = true
		dec.Candidates = append(dec.Candidates, e.Candidate)
	}
	for _, e := range ranked {
		if e.Kept {
			list(e)
			dec.Kept++
			dec.Varied = dec.Varied || e.tied
		}
	}
	for _, e := range ranked {
		if !e.Kept {
			list(e)
		}
	}
	for i := range d.entries {
		if !listed[i] {
			list(&d.entries[i])
		}
	}
	return dec
}
