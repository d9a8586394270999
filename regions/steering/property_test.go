package steering_test

import (
	"bytes"
	"hash/fnv"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/regionstest"
	"github.com/steerdns/steerdns/regions/steering"
)

var families = []steering.Family{steering.FamilyV4, steering.FamilyV6, steering.FamilyAlias}

// everyDecision calls f with the decision of every service and family.
func everyDecision(w *regions.World, p *geo.Place, variant uint8, f func(svc *regions.Service, s int, fam steering.Family, d steering.Decision)) {
	for s := range w.Topology.Services {
		for _, fam := range families {
			f(&w.Topology.Services[s], s, fam, steering.Decide(w, s, fam, p, variant))
		}
	}
}

func variant(t *rapid.T) uint8 {
	return uint8(rapid.IntRange(0, steering.Variants-1).Draw(t, "variant"))
}

// I1, I2, I3, I6, and the form of a decision.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, p := regionstest.World(t), regionstest.Place(t)
		everyDecision(w, p, variant(t), func(svc *regions.Service, s int, fam steering.Family, d steering.Decision) {
			checkForm(t, svc, d)
			checkKept(t, w, svc, s, fam, p, d)
			if d.TTL != svc.TTLMin && d.TTL != svc.TTLMax {
				t.Fatalf("I6: TTL %d", d.TTL)
			}
			if d.TTL == svc.TTLMax && d.Outcome != steering.Answer {
				t.Fatalf("outcome %d with the long TTL", d.Outcome)
			}
			if hasEligible(w, svc, s, fam, p) && (d.Outcome != steering.Answer || d.Kept == 0) {
				t.Fatalf("I3: an endpoint is eligible, outcome %d kept %d: %+v", d.Outcome, d.Kept, d)
			}
			if (d.Kept > 0) != (d.Outcome == steering.Answer || d.Outcome == steering.FailOpen) {
				t.Fatalf("outcome %d keeps %d", d.Outcome, d.Kept)
			}
		})
	})
}

// checkForm: every endpoint once, the kept first, each with a reason.
func checkForm(t *rapid.T, svc *regions.Service, d steering.Decision) {
	seen := map[int]bool{}
	for i, c := range d.Candidates {
		if seen[c.Endpoint] || c.Kept != (i < d.Kept) || c.Reason.Code == "" || c.Reason.Text == "" || c.Stage == "" {
			t.Fatalf("candidate %d of %d kept: %+v", i, d.Kept, c)
		}
		seen[c.Endpoint] = true
	}
	if len(seen) != len(svc.Endpoints) || d.Reason.Code == "" {
		t.Fatalf("%d of %d endpoints, reason %q", len(seen), len(svc.Endpoints), d.Reason.Code)
	}
}

// checkKept: what is kept is of the family, inside the fences and, unless
// failing open, neither drained nor removed.
func checkKept(t *rapid.T, w *regions.World, svc *regions.Service, s int, fam steering.Family, p *geo.Place, d steering.Decision) {
	for _, c := range d.Candidates[:d.Kept] {
		ep := &svc.Endpoints[c.Endpoint]
		v, r := w.Endpoints[s][c.Endpoint], w.Regions[ep.Region]
		if steering.FamilyOf(ep) != fam || !inFences(svc, p, ep.Region) {
			t.Fatalf("kept outside family or fence: %+v", c)
		}
		if d.Outcome == steering.FailOpen {
			continue
		}
		if v.Drained != nil || r.Drained != nil {
			t.Fatalf("kept though drained: %+v", c)
		}
		if v.Pinned == nil && (v.State == healthcheck.Down && !v.Held || r.State == healthcheck.Down && !r.Held || v.Lacks != "") {
			t.Fatalf("I1: kept though down: %+v", c)
		}
		if waits := v.Waiting || r.Waiting; v.Pinned == nil && waits && someStandWell(w, svc, s, fam, p) {
			t.Fatalf("kept though it waits, and others stand well: %+v", c)
		}
	}
}

// someStandWell reports whether anything for the client is up without any if.
func someStandWell(w *regions.World, svc *regions.Service, s int, fam steering.Family, p *geo.Place) bool {
	for e := range svc.Endpoints {
		ep := &svc.Endpoints[e]
		v, r := w.Endpoints[s][e], w.Regions[ep.Region]
		if steering.FamilyOf(ep) == fam && inFences(svc, p, ep.Region) && v.Drained == nil && r.Drained == nil &&
			(v.Pinned != nil || !v.Out() && !r.Out() && v.State != healthcheck.Down && !v.Waiting && !r.Waiting && !v.Demoted && !r.Demoted && !r.Held && r.Ramp == 0) {
			return true
		}
	}
	return false
}

func inFences(svc *regions.Service, p *geo.Place, region int) bool {
	for _, st := range svc.Policy {
		if st.Kind != regions.StageFence || !matches(st.Fence, p) {
			continue
		}
		inside := false
		for _, r := range st.Regions {
			inside = inside || r == region
		}
		if !inside {
			return false
		}
	}
	return true
}

func matches(f regions.Fence, p *geo.Place) bool {
	for _, c := range f.Countries {
		if c == p.Country {
			return true
		}
	}
	for _, c := range f.Continents {
		if c == p.Continent {
			return true
		}
	}
	for _, a := range f.ASNs {
		if a == p.ASN {
			return true
		}
	}
	for _, q := range f.Prefixes {
		if q.Overlaps(p.Prefix) && q.Bits() <= p.Prefix.Bits() {
			return true
		}
	}
	return false
}

func hasEligible(w *regions.World, svc *regions.Service, s int, fam steering.Family, p *geo.Place) bool {
	if !w.Ready || w.Services[s] != nil {
		return false
	}
	for e := range svc.Endpoints {
		ep := &svc.Endpoints[e]
		v, r := w.Endpoints[s][e], w.Regions[ep.Region]
		up := v.State != healthcheck.Down && (r.State != healthcheck.Down || r.Held) && v.Lacks == "" || v.Pinned != nil
		if steering.FamilyOf(ep) == fam && inFences(svc, p, ep.Region) && up && v.Drained == nil && r.Drained == nil {
			return true
		}
	}
	return false
}

// Held and demoted endpoints come behind all others, in any policy.
func TestHeldAndDemotedRankLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := regionstest.World(t)
		everyDecision(w, regionstest.Place(t), variant(t), func(svc *regions.Service, s int, _ steering.Family, d steering.Decision) {
			last := false
			for _, c := range d.Candidates[:d.Kept] {
				v := w.Endpoints[s][c.Endpoint]
				r := w.Regions[c.Region]
				now := v.Pinned == nil && !v.Waiting && !r.Waiting && r.Ramp == 0 && (v.Held || v.Demoted || r.Demoted || r.Held)
				if d.Outcome == steering.Answer && last && !now {
					t.Fatalf("%+v comes behind a held or demoted one", c)
				}
				last = last || now
			}
		})
	})
}

// Slow start: who is once back stays, a step brings an eighth of the variants,
// and nobody is left without an answer.
func TestRampGrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := regionstest.World(t)
		i := rapid.IntRange(0, len(w.Regions)-1).Draw(t, "region")
		for j := range w.Regions {
			w.Regions[j] = regions.Verdict{State: healthcheck.Up}
		}
		p := regionstest.Place(t)
		everyDecision(w, p, 0, func(_ *regions.Service, s int, fam steering.Family, _ steering.Decision) {
			before := map[uint8]bool{}
			for step := uint8(1); step < regions.RampSteps; step++ {
				w.Regions[i].Ramp = step
				away := map[uint8]bool{}
				for v := range uint8(steering.Variants) {
					for _, c := range steering.Decide(w, s, fam, p, v).Candidates {
						if c.Reason.Code == steering.CodeRamping && !c.Kept {
							away[v] = true
						}
					}
					if away[v] && step > 1 && !before[v] {
						t.Fatalf("step %d takes the region from variant %d again", step, v)
					}
				}
				if n := len(away); n != 0 && n != steering.Variants*(regions.RampSteps-int(step))/regions.RampSteps {
					t.Fatalf("step %d keeps it from %d variants", step, n)
				}
				before = away
			}
			w.Regions[i].Ramp = 0
		})
	})
}

// Places of one cell get the same decision, whatever the health.
func TestClassifierIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := regionstest.World(t)
		classify := steering.Classifier(w.Topology)
		p := regionstest.Place(t)
		q := regionstest.Place(t)
		if rapid.Bool().Draw(t, "close") { // likelier to share the cell
			moved := *p
			moved.Lat += rapid.Float64Range(-1, 1).Draw(t, "north a little")
			moved.Subdivision, moved.Source = "X", "test"
			q = &moved
		}
		if !bytes.Equal(classify(nil, p), classify(nil, q)) {
			return
		}
		v := variant(t)
		everyDecision(w, p, v, func(_ *regions.Service, s int, fam steering.Family, d steering.Decision) {
			other := steering.Decide(w, s, fam, q, v)
			forgetDistance(d)
			forgetDistance(other)
			if !reflect.DeepEqual(d, other) {
				t.Fatalf("one cell, two decisions:\n%+v\n%+v", d, other)
			}
		})
	})
}

func forgetDistance(d steering.Decision) {
	for i := range d.Candidates {
		d.Candidates[i].DistanceKm = 0
	}
}

// I5: worlds of one epoch decide alike. The second world is judged a step
// on from the first: often in the same epoch, and often just in another.
func TestEpochTellsDecisionsApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := regionstest.Input(t)
		a := regions.Judge(in)
		in.Previous = a
		change := rapid.IntRange(0, 6).Draw(t, "change")
		switch change {
		case 0:
			in.Ballots = regionstest.Ballots(t, in.Topology)
		case 1:
			picture := *in.Picture
			picture.Overrides = regionstest.Overrides(t, in.Topology)
			in.Picture = &picture
		case 2:
			in.StoreLost = true
			if len(in.Ballots) > 0 {
				in.Own = &in.Ballots[0]
			}
		case 3:
			in.Previous, in.Picture = nil, nil
		case 4:
			in.Now = in.Now.Add(time.Duration(rapid.IntRange(0, 7200).Draw(t, "later")) * time.Second)
		default:
			in.Ballots = changeOneVote(t, in.Ballots, change == 5)
		}
		b := regions.Judge(in)
		if a.Epoch != b.Epoch {
			return
		}
		p, v := regionstest.Place(t), variant(t)
		everyDecision(a, p, v, func(_ *regions.Service, s int, fam steering.Family, d steering.Decision) {
			if other := steering.Decide(b, s, fam, p, v); !sameAnswer(d, other) {
				t.Fatalf("epoch %s decides twice:\n%+v\n%+v", a.Epoch, d, other)
			}
		})
	})
}

// changeOneVote toggles a vote's suspicion, or takes a vote away.
func changeOneVote(t *rapid.T, ballots []regions.Ballot, suspect bool) []regions.Ballot {
	ballots = slices.Clone(ballots)
	if len(ballots) == 0 {
		return nil
	}
	b := &ballots[rapid.IntRange(0, len(ballots)-1).Draw(t, "ballot")]
	b.Votes = maps.Clone(b.Votes)
	ids := slices.Sorted(maps.Keys(b.Votes))
	if len(ids) == 0 {
		return ballots
	}
	v := b.Votes[ids[0]]
	if v.Suspect = !v.Suspect; !suspect {
		v = healthcheck.Vote{}
	}
	b.Votes[ids[0]] = v
	return ballots
}

// sameAnswer leaves texts aside: an override may change its owner's words.
func sameAnswer(a, b steering.Decision) bool {
	if a.Outcome != b.Outcome || a.TTL != b.TTL || a.Kept != b.Kept || a.Reason.Code != b.Reason.Code {
		return false
	}
	for i := range a.Candidates {
		x, y := a.Candidates[i], b.Candidates[i]
		x.Reason.Text, y.Reason.Text = "", ""
		if x != y {
			return false
		}
	}
	return true
}

// A decision says by itself whether other variants may get other answers, so
// that nobody has to make all of them to find out.
func TestVariedHoldsForAllVariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, p := regionstest.World(t), regionstest.Place(t)
		everyDecision(w, p, variant(t), func(_ *regions.Service, s int, fam steering.Family, d steering.Decision) {
			for v := range uint8(steering.Variants) {
				other := steering.Decide(w, s, fam, p, v)
				if other.Varied != d.Varied {
					t.Fatalf("variants disagree whether they differ:\n%+v\n%+v", d, other)
				}
				if !d.Varied && !sameKept(d, other) {
					t.Fatalf("variants differ unannounced:\n%+v\n%+v", d, other)
				}
			}
		})
	})
}

func sameKept(a, b steering.Decision) bool {
	return a.Outcome == b.Outcome && a.TTL == b.TTL && slices.EqualFunc(a.Candidates[:a.Kept], b.Candidates[:b.Kept],
		func(x, y steering.Candidate) bool { return x.Endpoint == y.Endpoint })
}

// TestVariantOfHashesThePrefix holds VariantOf to the plain hash of the
// prefix, so that instances of different versions agree.
func TestVariantOfHashesThePrefix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		octets := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "octets")
		for _, addr := range []netip.Addr{
			netip.AddrFrom4([4]byte(octets)),
			netip.AddrFrom16([16]byte(octets)),
			netip.AddrFrom16(netip.AddrFrom4([4]byte(octets)).As16()),
			netip.AddrFrom16([16]byte(octets)).WithZone("eth0"),
		} {
			bits := steering.VariantBits6
			if addr.Unmap().Is4() {
				bits = steering.VariantBits4
			}
			p, err := addr.Unmap().WithZone("").Prefix(bits)
			if err != nil {
				t.Fatal(err)
			}
			b := p.Addr().As16()
			h := fnv.New64a()
			h.Write(b[:])
			x := h.Sum64()
			x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
			x = (x ^ x>>27) * 0x94d049bb133111eb
			if got, want := steering.VariantOf(addr), uint8((x^x>>31)%steering.Variants); got != want {
				t.Fatalf("%v: variant %d, want %d", addr, got, want)
			}
		}
	})
}
