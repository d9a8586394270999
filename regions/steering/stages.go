package steering

import (
	"slices"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// run sends list through the ranking stages in the policy's order and returns
// it ranked, the dropped ones marked and behind. When failing open, tiers
// rank but drop nothing, and the cut is maxFailOpen in place of take.
func (d *deliberation) run(list []*entry, failOpen bool) []*entry {
	sortBy(list, func(*entry, *entry) int { return 0 })
	var dropped []*entry
	cut := func(stage regions.StageKind, keep func(i int) bool, why Reason) {
		var kept []*entry
		for i, e := range list {
			if keep(i) {
				kept = append(kept, e)
				continue
			}
			e.drop(stage, why)
			d.varied = d.varied || e.tied && stage == regions.StageTier // another variant's take may have brought another one here
			dropped = append(dropped, e)
		}
		list = kept
	}
	for i := range d.svc.Policy {
		switch st := &d.svc.Policy[i]; {
		case st.Kind == regions.StageTier && failOpen:
			rankTiers(list, st.Tiers)
		case st.Kind == regions.StageTier:
			active := rankTiers(list, st.Tiers)
			cut(st.Kind, func(i int) bool { return list[i].tier == active }, reason(CodeStandbyTier, "stands by: another tier serves"))
		case st.Kind == regions.StageNear:
			d.nearest(list)
		case st.Kind == regions.StageBalance:
			d.balance(list)
		case st.Kind == regions.StageTake && !failOpen:
			chosen := d.take(list, st.Count, st.MinRegions)
			cut(st.Kind, func(i int) bool { return chosen[i] }, reason(CodeBeyondTake, "ranks behind those that are taken"))
		}
	}
	d.explainKept(list, failOpen)
	limit := len(list)
	if failOpen {
		limit = maxFailOpen
	}
	if d.fam == FamilyAlias {
		limit = 1 // a name has one CNAME (RFC 2181 section 10.1)
	}
	cut(regions.StageTake, func(i int) bool { return i < limit }, reason(CodeBeyondTake, "an answer has no room for more"))
	return append(list, dropped...)
}

// sortBy sorts stably by standing, then by what a stage goes by.
func sortBy(list []*entry, stage func(a, b *entry) int) {
	slices.SortStableFunc(list, func(a, b *entry) int {
		if a.standing != b.standing {
			return int(a.standing) - int(b.standing)
		}
		return stage(a, b)
	})
}

// rankTiers sorts by tier, regions of no tier last, and returns the first
// tier among those whose endpoints stand best.
func rankTiers(list []*entry, tiers [][]int) (active int) {
	for _, e := range list {
		e.tier = slices.IndexFunc(tiers, func(t []int) bool { return slices.Contains(t, e.Region) })
		if e.tier < 0 {
			e.tier = len(tiers)
		}
	}
	sortBy(list, func(a, b *entry) int { return a.tier - b.tier })
	if len(list) > 0 {
		active = list[0].tier
	}
	return active
}

// nearest sorts by rank; from here on, balance keeps to equal ranks.
func (d *deliberation) nearest(list []*entry) {
	sortBy(list, func(a, b *entry) int {
		if a.tier != b.tier {
			return a.tier - b.tier
		}
		return a.Rank - b.Rank
	})
	d.near = true
}

// balance sorts the equally near by weight and the client's variant.
func (d *deliberation) balance(list []*entry) {
	scores := d.scores(list)
	apart := func(a, b *entry) int {
		if a.tier != b.tier || !d.near {
			return a.tier - b.tier
		}
		return a.Rank - b.Rank
	}
	sortBy(list, func(a, b *entry) int {
		if n := apart(a, b); n != 0 {
			return n
		}
		return scores[a.Endpoint].compare(scores[b.Endpoint])
	})
	for i, e := range list {
		e.balanced = true
		if i > 0 && list[i-1].standing == e.standing && apart(list[i-1], e) == 0 {
			list[i-1].tied, e.tied = true, true
		}
	}
}

// take chooses the first count, from at least minRegions regions where the
// rest has any: the last ones that share a region with another make room.
// What ranks last, held or demoted, never takes the place of what is up.
func (d *deliberation) take(list []*entry, count, minRegions int) []bool {
	chosen := make([]bool, len(list))
	perRegion := map[int]int{}
	for i := 0; i < min(count, len(list)); i++ {
		chosen[i] = true
		perRegion[list[i].Region]++
	}
	for i := count; i < len(list) && len(perRegion) < minRegions; i++ {
		if perRegion[list[i].Region] > 0 {
			continue
		}
		loser := lastShared(list, chosen, perRegion)
		if loser < 0 || list[i].standing >= doubted && list[loser].standing < doubted {
			break
		}
		chosen[loser], chosen[i] = false, true
		perRegion[list[loser].Region]--
		perRegion[list[i].Region]++
		list[i].keep(regions.StageTake, reason(CodeSecondRegion, "so that the answer spans %d regions", minRegions))
	}
	return chosen
}

func lastShared(list []*entry, chosen []bool, perRegion map[int]int) int {
	for i := len(list) - 1; i >= 0; i-- {
		if chosen[i] && perRegion[list[i].Region] > 1 {
			return i
		}
	}
	return -1
}

// explainKept gives every kept endpoint its reason.
func (d *deliberation) explainKept(list []*entry, failOpen bool) {
	best := -1
	for _, e := range list {
		if best < 0 || e.Rank < best {
			best = e.Rank
		}
	}
	for _, e := range list {
		switch {
		case failOpen, e.Kept: // said already
		case e.verdict.Pinned != nil && (e.verdict.State == healthcheck.Down || d.w.Regions[e.Region].State == healthcheck.Down):
			e.keep(regions.StageHealthy, reason(CodePinned, "is down by votes, but %s", e.verdict.Pinned.Word()))
		case e.standing == held:
			e.keep(regions.StageHealthy, reason(CodeHeld, "is down by votes, but the brake keeps it, ranked last"))
		case e.standing == doubted && e.verdict.Demoted:
			e.keep(regions.StageHealthy, reason(CodeDemoted, "the votes there are say down, but too few vote to remove it, or the store is lost: ranked last"))
		case e.standing == spare:
			why := d.spareReason(e)
			e.keep(regions.StageHealthy, reason(why.Code, "%s; but nothing better is there for this client", why.Text))
		case e.standing == doubted && d.w.Regions[e.Region].Demoted:
			e.keep(regions.StageHealthy, reason(CodeDemoted, "its region's own check is down by the votes there are, but too few vote to remove it, or the store is lost: ranked last"))
		case e.standing == doubted:
			e.keep(regions.StageHealthy, reason(CodeHeld, "is up in a region that the brake holds: ranked last"))
		case d.near && d.place.Located && e.Rank == best:
			e.keep(regions.StageNear, reason(CodeNearest, "is in the nearest region that serves"))
		case d.near && d.place.Located:
			e.keep(regions.StageNear, reason(CodeNear, "is in one of the next nearest regions"))
		case e.balanced:
			e.keep(regions.StageBalance, reason(CodeBalanced, "by its weight, among equals"))
		default:
			e.keep(regions.StageHealthy, reason(CodeListed, "in the order of the configuration"))
		}
	}
}
