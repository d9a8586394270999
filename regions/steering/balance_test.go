package steering

import (
	"math"
	"net/netip"
	"testing"

	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/regions"
)

func TestNegLog2(t *testing.T) {
	for _, u := range []uint64{0, 1, 2, 3, 1 << 20, 1<<63 - 1, 1 << 63, 0xdeadbeefdeadbeef, math.MaxUint64 - 1, math.MaxUint64} {
		want := 64 - math.Log2(float64(u)+1)
		got := float64(negLog2(u)) / (1 << 32)
		if math.Abs(got-want) > 1e-8 {
			t.Errorf("negLog2(%#x) = %v, want %v", u, got, want)
		}
	}
	if negLog2(math.MaxUint64) != 1 || negLog2(math.MaxUint64-1) < 1 {
		t.Error("a cost of nothing")
	}
}

func TestScoreCompares(t *testing.T) {
	a, b := score{cost: 10, weight: 1}, score{cost: 15, weight: 2}
	if a.compare(b) <= 0 || b.compare(a) >= 0 || a.compare(a) != 0 {
		t.Error("15/2 must come before 10/1")
	}
	big := score{cost: 1 << 38, weight: 1 << 40}
	if big.compare(score{cost: 1<<38 + 1, weight: 1 << 40}) >= 0 {
		t.Error("the product overflows")
	}
}

// Computed once, by this code; see TestBalanceIsTheSameEverywhere.
const (
	goldenHash = 0x2fe4882f8fa979d8
	goldenCost = 10386373566
	variant4   = 22
	variant6   = 41
)

// What the machine computed once, every machine must compute: these values
// are part of what instances of one epoch agree on.
func TestBalanceIsTheSameEverywhere(t *testing.T) {
	if got := mix(fnv(fnv(fnvOffset, []byte{3}), "www.example.com/us-east/192.0.2.1")); got != goldenHash {
		t.Errorf("hash %#x, want %#x", got, uint64(goldenHash))
	}
	if got := negLog2(goldenHash); got != goldenCost {
		t.Errorf("cost %d, want %d", got, goldenCost)
	}
	for addr, want := range map[string]uint8{"192.0.2.77": variant4, "::ffff:192.0.2.1": variant4, "2001:db8::1": variant6, "2001:db8:0:9::1": variant6} {
		if got := VariantOf(netip.MustParseAddr(addr)); got != want {
			t.Errorf("VariantOf(%s) = %d, want %d", addr, got, want)
		}
	}
	if VariantOf(netip.Addr{}) != 0 {
		t.Error("an invalid address has a variant")
	}
}

// Shares follow weight and capacity, over many services to even out chance.
func TestBalanceShares(t *testing.T) {
	first := map[int]int{}
	const services = 400
	for s := range services {
		w := balanced(s)
		for v := range Variants {
			d := Decide(w, 0, FamilyV4, &geo.Place{}, uint8(v))
			first[d.Candidates[0].Endpoint]++
		}
	}
	// Region 0 has capacity 3 and weights 1 and 2; region 1 capacity 1.
	for e, want := range []float64{0.25, 0.5, 0.25} {
		if got := float64(first[e]) / (services * Variants); math.Abs(got-want) > 0.02 {
			t.Errorf("endpoint %d is first for %.3f of clients, want %.2f", e, got, want)
		}
	}
}

// When one endpoint goes, only the clients it had move.
func TestBalanceMovesOnlyTheLost(t *testing.T) {
	for s := range 20 {
		w := balanced(s)
		for v := range Variants {
			before := Decide(w, 0, FamilyV4, nil, uint8(v)).Candidates[0].Endpoint
			w.Endpoints[0][1].State = 2
			after := Decide(w, 0, FamilyV4, nil, uint8(v)).Candidates[0].Endpoint
			w.Endpoints[0][1].State = 1
			if before != 1 && before != after {
				t.Fatalf("variant %d moved from %d to %d though neither went", v, before, after)
			}
		}
	}
}

func balanced(s int) *regions.World {
	top := &regions.Topology{Regions: []regions.Region{{Name: "a", Capacity: 3}, {Name: "b", Capacity: 1}}}
	name := string(rune('a'+s%26)) + string(rune('a'+s/26)) + "/"
	top.Services = []regions.Service{{TTLMin: 1, TTLMax: 2, Policy: []regions.Stage{{Kind: regions.StageBalance}}, Endpoints: []regions.Endpoint{
		{ID: name + "1", Region: 0, Weight: 1, Addr: netip.MustParseAddr("192.0.2.1")},
		{ID: name + "2", Region: 0, Weight: 2, Addr: netip.MustParseAddr("192.0.2.2")},
		{ID: name + "3", Region: 1, Weight: 9, Addr: netip.MustParseAddr("192.0.2.3")},
	}}}
	return &regions.World{Topology: top, Ready: true, Regions: make([]regions.Verdict, 2), Services: make([]*regions.Override, 1),
		Endpoints: [][]regions.Verdict{{{State: 1}, {State: 1}, {State: 1}}}}
}

func TestWeightShareBounds(t *testing.T) {
	if got := weightShare(capacityUnits(math.Inf(1)), math.MaxUint32, math.MaxUint32); got != 1<<40 {
		t.Errorf("all of the largest capacity is %d", got)
	}
	for _, capacity := range []float64{0, -1, math.NaN(), 1e-300} {
		if got := weightShare(capacityUnits(capacity), 1, 1<<40); got != 1 {
			t.Errorf("capacity %v: share %d, want 1", capacity, got)
		}
	}
}

func TestClassifierDoesNotAllocate(t *testing.T) {
	w := balanced(1)
	classify := Classifier(w.Topology)
	p, buf := &geo.Place{Located: true}, make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() { buf = classify(buf[:0], p) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecide(b *testing.B) {
	w := balanced(1)
	p := &geo.Place{Located: true}
	b.ReportAllocs()
	for b.Loop() {
		Decide(w, 0, FamilyV4, p, 5)
	}
}
