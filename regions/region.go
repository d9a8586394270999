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
	total, unknown   int
	downs            []time.Time
	frozen           bool
	wavering, coming int // suspect ones that count as up, and that are down
}

// judgeRegions applies rule 4: a region is down when its own check is, or when
// the share of its endpoints that are not down falls under its MinUp. The
// moment of that comes from theirs, so that all instances agree on it.
func judgeRegions(w *World, j *jury, ps *polls, past memory) {
	counts := make([]census, len(w.Topology.Regions))
	for s := range w.Topology.Services {
		for e := range w.Topology.Services[s].Endpoints {
			v, r := &w.Endpoints[s][e], w.Topology.Services[s].Endpoints[e].Region
			drained, pinned := v.Drained != nil || w.Services[s] != nil, v.Pinned != nil && v.Pinned != w.Regions[r].Pinned
			counts[r].add(v, drained || pinned)
		}
	}
	for i := range w.Topology.Regions {
		r, last := &w.Topology.Regions[i], past.region(i)
		v := counts[i].verdict(r, w.Judged)
		if r.Entrance.IsValid() {
			enter(&v, j.judge(ps.entrances[i], entranceOf(last)), w.Judged)
		}
		v.Drained, v.Pinned = w.Regions[i].Drained, w.Regions[i].Pinned
		if last != nil {
			v.Past = last.Past
			if v.State == last.State && v.State != healthcheck.Down && !last.Since.IsZero() {
				v.Since = last.Since
			}
		}
		w.Regions[i] = v
	}
}

func entranceOf(last *Verdict) *Verdict {
	if last == nil {
		return nil
	}
	return last.Entrance
}

// enter adds to a region's verdict by share the one of its own check.
func enter(v *Verdict, e Verdict, now time.Time) {
	v.Entrance = &e
	v.Frozen = v.Frozen || e.Frozen
	v.Demoted = e.Demoted
	switch {
	case e.State == healthcheck.Down && v.State != healthcheck.Down:
		v.State, v.Since, v.Suspect = healthcheck.Down, e.Since, e.Suspect
		v.Reason = "down: its own check is " + e.Reason
	case e.State == healthcheck.Down:
		if e.Since.Before(v.Since) {
			v.Since = e.Since
		}
		v.Suspect = v.Suspect && e.Suspect
		v.Reason += "; and its own check is " + e.Reason
	case v.State != healthcheck.Down:
		v.Suspect = v.Suspect || e.Suspect
		if e.State == healthcheck.Up && v.State == healthcheck.Unknown {
			v.State, v.Since = healthcheck.Up, now
		}
		v.Reason += "; its own check is " + e.Reason
	}
}

// add counts an endpoint. What an operator rules, by a drain on its way out or
// by a pin up, does not speak against its region, as long as he does.
func (c *census) add(v *Verdict, ruled bool) {
	c.total++
	c.frozen = c.frozen || v.Frozen
	switch {
	case ruled:
		if v.State == healthcheck.Down || v.Suspect {
			c.wavering++
		}
	case v.State == healthcheck.Down:
		c.downs = append(c.downs, v.Since)
		if v.Suspect {
			c.coming++
		}
	case v.Suspect:
		c.wavering++
	}
	if v.State == healthcheck.Unknown {
		c.unknown++
	}
}

// verdict is by share alone. It is suspect when the suspect endpoints would
// turn it over, should they all flip.
func (c *census) verdict(r *Region, now time.Time) Verdict {
	v := Verdict{State: healthcheck.Up, Frozen: c.frozen, Since: now}
	need := c.downsNeeded(r.MinUp)
	if len(c.downs) >= need {
		slices.SortFunc(c.downs, time.Time.Compare)
		v.State, v.Since = healthcheck.Down, c.downs[need-1]
		v.Suspect = len(c.downs)-c.coming < need
		v.Reason = fmt.Sprintf("down: %d of %d endpoints are down, and at least %.0f%% must not be", len(c.downs), c.total, 100*r.MinUp)
		return v
	}
	v.Suspect = len(c.downs)+c.wavering >= need
	if c.total > 0 && c.unknown == c.total {
		v.State = healthcheck.Unknown
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
