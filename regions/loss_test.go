package regions_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/steering"
)

// lossy is a fleet in which probes to one region get lost, from everywhere
// but there. Every instance probes every endpoint each 5 s, at its own moment.
type lossy struct {
	top    *regions.Topology
	dice   *rand.Rand
	loss   float64 // of a probe to r0
	hs     map[string]map[string]healthcheck.Hysteresis
	now    time.Time
	worlds []*regions.World // each second's, as one of the instances judges
}

func newLossy(seed uint64, loss float64, hold time.Duration) *lossy {
	l := &lossy{top: fleetOf(3, 2), dice: rand.New(rand.NewPCG(seed, 1)), loss: loss, hs: map[string]map[string]healthcheck.Hysteresis{}, now: noon}
	for i := range l.top.Regions {
		l.top.Regions[i].Recovery.Hold = hold
	}
	for _, name := range []string{"r0-a", "r0-b", "r1-a", "r1-b", "r2-a", "r2-b"} {
		l.hs[name] = map[string]healthcheck.Hysteresis{}
		for _, ep := range l.top.Services[0].Endpoints {
			l.hs[name][ep.ID] = healthcheck.NewHysteresis(l.now)
		}
	}
	return l
}

// second lets one pass.
func (l *lossy) second(at int) {
	l.now = l.now.Add(time.Second)
	var previous *regions.World
	if len(l.worlds) > 0 {
		previous = l.worlds[len(l.worlds)-1]
	}
	in := regions.Input{Topology: l.top, Previous: previous, Now: l.now}
	phase := 0
	for r := range 3 {
		for _, i := range "ab" {
			name := fmt.Sprintf("r%d-%c", r, i)
			b := regions.Ballot{Instance: name, Region: fmt.Sprintf("r%d", r), Votes: map[string]healthcheck.Vote{}, Marks: regions.MarksOf(previous)}
			for _, ep := range l.top.Services[0].Endpoints {
				if phase++; (at+phase)%5 == 0 {
					lost := ep.Region == 0 && r != 0 && l.dice.Float64() < l.loss
					l.hs[name][ep.ID], _ = l.hs[name][ep.ID].Next(healthcheck.Observation{OK: !lost, Reason: "probed", At: l.now}, 2, 2)
				}
				b.Votes[ep.ID] = l.hs[name][ep.ID].Vote()
			}
			in.Ballots = append(in.Ballots, b)
		}
	}
	in.Picture = &regions.Picture{Ballots: in.Ballots}
	l.worlds = append(l.worlds, regions.Judge(in))
}

// outages is when something left and came back, in seconds.
func (l *lossy) outages(pick func(*regions.World) *regions.Verdict) (out [][2]int) {
	gone := false
	for at, w := range l.worlds {
		switch v := pick(w); {
		case absent(v) && !gone:
			out, gone = append(out, [2]int{at, len(l.worlds)}), true
		case !absent(v) && gone:
			out[len(out)-1][1], gone = at, false
		}
	}
	return out
}

// With 10 to 40 % of the probes to one region lost for ten minutes, whatever
// leaves stays out for its hold, so it moves once in that time at most; no
// answer is empty; and no other region leaves.
func TestLossBetweenVantagesAndARegion(t *testing.T) {
	const hold = 60
	left := 0
	for _, loss := range []float64{0.1, 0.2, 0.3, 0.4} {
		for seed := range uint64(10) {
			l := newLossy(seed, loss, hold*time.Second)
			for at := range 600 {
				l.second(at)
				w := l.worlds[at]
				if d := steering.Decide(w, 0, steering.FamilyV4, &geo.Place{}, 0); d.Kept == 0 || d.Outcome != steering.Answer {
					t.Fatalf("loss %v, seed %d, second %d: outcome %v keeps %d", loss, seed, at, d.Outcome, d.Kept)
				}
				if len(w.Brake.Out) > w.Brake.Allowed || absent(&w.Regions[1]) || absent(&w.Regions[2]) {
					t.Fatalf("loss %v, seed %d, second %d: out %v, allowed %d", loss, seed, at, w.Brake.Out, w.Brake.Allowed)
				}
			}
			for e := range 2 {
				for _, o := range l.outages(func(w *regions.World) *regions.Verdict { return &w.Endpoints[0][e] }) {
					left++
					if o[1] < len(l.worlds) && o[1]-o[0] < hold {
						t.Errorf("loss %v, seed %d: endpoint %d left at %d and was back at %d", loss, seed, e, o[0], o[1])
					}
				}
			}
			for _, o := range l.outages(func(w *regions.World) *regions.Verdict { return &w.Regions[0] }) {
				if o[1] < len(l.worlds) && o[1]-o[0] < hold {
					t.Errorf("loss %v, seed %d: the region left at %d and was back at %d", loss, seed, o[0], o[1])
				}
			}
		}
	}
	if left == 0 {
		t.Error("nothing ever left: the loss was no loss")
	}
	t.Logf("%d times an endpoint left", left)
}
