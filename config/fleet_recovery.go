package config

import (
	"strings"
	"time"
)

// The ways back for a region that was out.
const (
	FailbackAuto   = "auto"   // when it is up and its hold is over
	FailbackAfter  = "after"  // when it has been up for Recovery.After as well
	FailbackManual = "manual" // when an operator says so as well
)

// Recovery is how what was out comes back: `recovery` for the fleet, and the
// same keys at a region for that region.
type Recovery struct {
	Failback  string        // `failback`: FailbackAuto by default
	After     time.Duration // `failback: after 5m`: 1s..7d
	Hold      time.Duration // `hold`: 0s..1d, default 10s
	SlowStart time.Duration // `slow_start`: 0s (none, the default), or 1s..1d
}

// Damping keeps out for longer what goes down again and again.
type Damping struct {
	On       bool          // `damping: on`, or a table; default off
	HalfLife time.Duration // `half_life`: 1s..1d, default 5m
	Suppress float64       // `suppress`: above Reuse, at most 100, default 3
	Reuse    float64       // `reuse`: 0.1..50, default 1
	Longest  time.Duration // `longest`: 1s..7d, default 30m
}

// recovery reads the fleet's defaults.
func (d *fleetDecoder) recovery(v item) (Recovery, Damping) {
	t := v.table("failback", "hold", "slow_start", "damping")
	r := d.comeback(t, Recovery{Failback: FailbackAuto, Hold: 10 * time.Second})
	return r, d.damping(t.get("damping"))
}

// comeback reads the keys that a region shares with the fleet.
func (d *fleetDecoder) comeback(t table, def Recovery) Recovery {
	r := def
	if f := t.get("failback"); f.given() {
		r.Failback, r.After = d.failback(f)
	}
	r.Hold = t.get("hold").duration(def.Hold, 0, day)
	slow := t.get("slow_start")
	r.SlowStart = slow.duration(def.SlowStart, 0, day)
	if r.SlowStart > 0 && r.SlowStart < time.Second {
		slow.fail("duration "+quote(slow.text)+" is too short for a slow start", "write 1s or more, or 0s for none")
		r.SlowStart = def.SlowStart
	}
	return r
}

// failback reads auto, manual or "after 5m".
func (d *fleetDecoder) failback(v item) (string, time.Duration) {
	const want = "auto, manual or after 5m"
	s, ok := v.str(want)
	length, after := strings.CutPrefix(s, "after ")
	switch {
	case !ok:
		return FailbackAuto, 0
	case s == FailbackAuto || s == FailbackManual:
		return s, 0
	case !after:
		v.fail("unknown word "+quote(s), "write "+want)
		return FailbackAuto, 0
	}
	d2, f := parseDuration(strings.TrimSpace(length))
	if v.flawed(f) {
		return FailbackAuto, 0
	}
	if d2 < time.Second || d2 > 7*day {
		v.fail("duration "+quote(length)+" is out of range", "write after 1s to after 7d")
		return FailbackAuto, 0
	}
	return FailbackAfter, d2
}

// damping reads on, off or a table.
func (d *fleetDecoder) damping(v item) Damping {
	out := Damping{HalfLife: 5 * time.Minute, Suppress: 3, Reuse: 1, Longest: 30 * time.Minute}
	if !v.given() || v.kind != kindTable {
		out.On = v.choice("off", "on", "off") == "on"
		return out
	}
	t := v.table("half_life", "suppress", "reuse", "longest")
	out.On = true
	out.HalfLife = t.get("half_life").duration(out.HalfLife, time.Second, day)
	out.Reuse = t.get("reuse").real(out.Reuse, 0.1, 50)
	suppress := t.get("suppress")
	out.Suppress = suppress.real(max(out.Suppress, out.Reuse+1), 0.1, 100)
	out.Longest = t.get("longest").duration(out.Longest, time.Second, 7*day)
	if out.Suppress <= out.Reuse {
		suppress.fail("suppress is not above reuse", "write more than "+float(out.Reuse)+", or lower reuse")
	}
	return out
}

// entrance reads a region's own check: both of its keys, or none.
func (d *fleetDecoder) entrance(t table, r *Region) {
	addr, check := t.get("entrance"), t.get("check")
	r.Entrance, _ = parsed(addr, "an address", parseUnicast)
	if check.given() {
		r.Check = d.uses(check, d.checks)
	}
	switch {
	case addr.given() && !check.given():
		addr.fail("an entrance without a check", "add check: the name of one of the checks, or remove the entrance")
	case check.given() && !addr.given():
		check.fail("a check without an entrance", "add entrance: the address that it probes, or remove the check")
	}
}
