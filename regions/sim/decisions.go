package sim

import (
	"fmt"
	"net/netip"

	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/steering"
)

// places is where the clients are whose answers are looked at.
var places = []*geo.Place{
	{Located: true, Point: geo.Point{Lat: 40, Lon: -75}, Country: "US", Continent: "NA", Prefix: netip.MustParsePrefix("203.0.113.0/25")},
	{Located: true, Point: geo.Point{Lat: 18, Lon: 70}, Country: "IN", Continent: "AS", Prefix: netip.MustParsePrefix("203.0.113.128/25")},
}

// decisionsHold holds I1, I3, I5 and I6 for what an instance answers now.
func (o *oracle) decisionsHold(n *node, w *regions.World) {
	for s := range w.Topology.Services {
		for p, place := range places {
			d := steering.Decide(w, s, steering.FamilyV4, place, uint8(37*p))
			o.answerHolds(n, w, s, &d)
			key := fmt.Sprintf("%s/%d/%d", w.Epoch, s, p)
			print := fingerprint(&d)
			if other, known := o.answers[key]; known && other != print {
				o.sim.violate("I5", "%s answers otherwise than before in epoch %s", n.name, w.Epoch)
			}
			o.answers[key] = print
		}
	}
}

// answerHolds holds one answer to what the world says.
func (o *oracle) answerHolds(n *node, w *regions.World, s int, d *steering.Decision) {
	svc := &w.Topology.Services[s]
	if d.TTL < svc.TTLMin || d.TTL > svc.TTLMax {
		o.sim.violate("I6", "%s answers with a TTL of %d, configured are %d to %d", n.name, d.TTL, svc.TTLMin, svc.TTLMax)
	}
	if !w.Ready {
		if d.Outcome != steering.ServFail {
			o.sim.violate("rule 9", "%s knows nothing and yet answers %d", n.name, d.Outcome)
		}
		return
	}
	well, held, drained, sound := 0, 0, 0, 0
	for e := range svc.Endpoints {
		switch o.out(w, s, e) {
		case "":
			well++
			if soundly(w, s, e) {
				sound++
			}
		case "waiting":
			well++ // in need
		case "held":
			held++
		case "drained":
			drained++
		}
	}
	if w.Services[s] == nil && (well+held > 0 && d.Kept == 0 || well > 0 && d.Outcome != steering.Answer) {
		o.sim.violate("I3", "%s answers service %d with outcome %d and %d endpoints, though %d are well and %d held by the brake: %s", n.name, s, d.Outcome, d.Kept, well, held, d.Reason.Text)
	}
	if w.Services[s] == nil && svc.AllDown == regions.FailOpen && d.Kept == 0 {
		o.sim.violate("I3", "%s fails open with nothing", n.name)
	}
	for _, c := range d.Candidates[:d.Kept] {
		why := o.out(w, s, c.Endpoint)
		switch {
		case why == "" || why == "held" || d.Outcome == steering.FailOpen && (why == "down" || drained == len(svc.Endpoints)):
		case why == "waiting":
			if sound > 0 {
				o.sim.violate("rule 7", "%s answers with %s, which waits, and %d stand well", n.name, svc.Endpoints[c.Endpoint].ID, sound)
			}
		case why == "down":
			o.sim.violate("I1", "%s answers with %s, which is down", n.name, svc.Endpoints[c.Endpoint].ID)
		default:
			o.sim.violate("rule 6", "%s answers with %s, which is drained", n.name, svc.Endpoints[c.Endpoint].ID)
		}
	}
}

// soundly says whether what is well is so without any reserve.
func soundly(w *regions.World, s, e int) bool {
	v := &w.Endpoints[s][e]
	r := &w.Regions[w.Topology.Services[s].Endpoints[e].Region]
	return v.Pinned != nil || !v.Demoted && !r.Demoted && !r.Held && r.Ramp == 0
}

// lacks says whether a service that this one needs has endpoints in the
// endpoint's region, and none that serves.
func lacks(w *regions.World, s, e int) bool {
	region := w.Topology.Services[s].Endpoints[e].Region
	for _, needed := range w.Topology.Services[s].Needs {
		all, serve := 0, 0
		for i := range w.Topology.Services[needed].Endpoints {
			if w.Topology.Services[needed].Endpoints[i].Region != region {
				continue
			}
			all++
			if v := &w.Endpoints[needed][i]; v.Drained == nil && (v.Pinned != nil || v.State != healthcheck.Down || v.Held) {
				serve++
			}
		}
		if all > 0 && serve == 0 {
			return true
		}
	}
	return false
}

// out is why an endpoint has no place in ordinary answers: "down" or
// "drained"; "held" when only the brake gives it one, "waiting" when only need
// does, "" when it has one.
func (o *oracle) out(w *regions.World, s, e int) string {
	v := &w.Endpoints[s][e]
	r := &w.Regions[w.Topology.Services[s].Endpoints[e].Region]
	switch {
	case v.Drained != nil || r.Drained != nil:
		return "drained"
	case v.Pinned != nil:
		return ""
	case r.Pinned == nil && r.State == healthcheck.Down && !r.Held, lacks(w, s, e), v.State == healthcheck.Down && !v.Held:
		return "down"
	case v.State == healthcheck.Down:
		return "held"
	case r.Waiting, v.Waiting:
		return "waiting"
	}
	return ""
}

// fingerprint is what of a decision reaches a client, and why.
func fingerprint(d *steering.Decision) uint64 {
	h := uint64(14695981039346656037)
	add := func(x uint64) { h = (h ^ x) * 1099511628211 }
	add(uint64(d.Outcome))
	add(uint64(d.TTL))
	add(uint64(d.Kept))
	for _, c := range d.Candidates {
		add(uint64(c.Endpoint))
		for _, b := range []byte(c.Reason.Code) {
			add(uint64(b))
		}
	}
	return h
}
