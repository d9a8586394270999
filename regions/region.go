package regions

import (
	"fmt"
	"slices"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
)

// shareSlack absorbs the rounding of a configured share times a count.
const shareSlack = 1e-9

// census counts the endpoints of one region over all services.
type census struct {
	total, unknown  int
	downs           []time.Time
	frozen, suspect bool
}

// judgeRegions applies rule 4: a region is down when the share of its
// endpoints that are not down falls under its MinUp. The moment of that comes
// from the endpoints', so that all instances agree on it.
func judgeRegions(w *World, past memory) {
	counts := make([]census, len(w.Topology.Regions))
	for s, svc := range w.Topology.Services {
		for e, ep := range svc.Endpoints {
			counts[ep.Region].add(w.Endpoints[s][e])
		}
	}
	for i, r := range w.Topology.Regions {
		v := counts[i].verdict(r, past.regions[r.Name], w.Judged)
		v.Drained = w.Regions[i].Drained
		w.Regions[i] = v
	}
}

func (c *census) add(v Verdict) {
	c.total++
	switch v.State {
	case healthcheck.Down:
		c.downs = append(c.downs, v.Since)
	case healthcheck.Unknown:
		c.unknown++
	}
	c.frozen = c.frozen || v.Frozen
	c.suspect = c.suspect || v.Suspect
}

func (c *census) verdict(r Region, last Verdict, now time.Time) Verdict {
	v := Verdict{State: healthcheck.Up, Frozen: c.frozen, Suspect: c.suspect, Since: last.Since}
	if need := c.downsNeeded(r.MinUp); len(c.downs) >= need {
		slices.SortFunc(c.downs, time.Time.Compare)
		v.State, v.Since = healthcheck.Down, c.downs[need-1]
		v.Reason = fmt.Sprintf("down: %d of %d endpoints are down, and at least %.0f%% must not be", len(c.downs), c.total, 100*r.MinUp)
		return v
	}
	if c.total > 0 && c.unknown == c.total {
		v.State = healthcheck.Unknown
	}
	if last.State != v.State || v.Since.IsZero() {
		v.Since = now
	}
	v.Reason = c.reason(v.State)
	return v
}

// downsNeeded is how many endpoints must be down for the region to be down:
// at least 1, and more than there are when that can never be.
func (c *census) downsNeeded(minUp float64) int {
	floor := minUp * float64(c.total)
	for d := 1; d <= c.total; d++ {
		if float64(c.total-d) < floor-shareSlack {
			return d
		}
	}
	return c.total + 1
}

func (c *census) reason(s healthcheck.State) string {
	switch {
	case c.total == 0:
		return "up: has no endpoints that could be down"
	case s == healthcheck.Unknown:
		return "unknown: no verdict yet on any of its endpoints"
	}
	return fmt.Sprintf("up: %d of %d endpoints are down", len(c.downs), c.total)
}
