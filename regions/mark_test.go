package regions_test

import (
	"testing"
	"time"

	"github.com/steerdns/steerdns/regions"
)

// What one vantage alone remembers neither takes a region out nor keeps it
// out longer; what more than half of those that remember anything do, does.
func TestMarksNeedAMajority(t *testing.T) {
	fellAt := func(second int) *regions.Mark {
		at := noon.Add(time.Duration(second) * time.Second)
		return &regions.Mark{Out: at, Fell: at}
	}
	old, fresh, future := fellAt(-100), fellAt(-10), fellAt(5000)
	tests := []struct {
		name  string
		marks []*regions.Mark // of r0 by instance r0-a, r1-a, ...; nil: an instance that knows of none
		mute  int             // so many of the last instances have no memory at all
		want  string
	}{
		{"nobody", []*regions.Mark{nil, nil, nil}, 0, "up"},
		{"one of three", []*regions.Mark{fresh, nil, nil}, 0, "up"},
		{"two of three", []*regions.Mark{nil, fresh, fresh}, 0, "waiting"},
		{"one is ahead", []*regions.Mark{fresh, old, old}, 0, "up"},
		{"one is behind", []*regions.Mark{fresh, fresh, old}, 0, "waiting"},
		{"one of two that have a memory", []*regions.Mark{fresh, nil, nil}, 1, "up"},
		{"two of two that have a memory", []*regions.Mark{fresh, fresh, nil}, 1, "waiting"},
		{"one of one, with two of three silent", []*regions.Mark{fresh, nil, nil}, 2, "up"},
		{"clocks that are ahead", []*regions.Mark{future, future, nil}, 0, "waiting"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			top := fleetOf(3, 1)
			top.Regions[0].Recovery.Hold = time.Minute
			in := input(top, "r0-a:u u u", "r1-a:u u u", "r2-a:u u u")
			for i, m := range tt.marks {
				if i >= len(tt.marks)-tt.mute {
					continue
				}
				in.Ballots[i].Marks = map[string]regions.Mark{}
				if m != nil {
					in.Ballots[i].Marks[regions.EntranceID("r0")] = *m
				}
			}
			w := regions.Judge(in)
			if got := w.Regions[0].Label(); got != tt.want {
				t.Errorf("r0 is %s, want %s (%s)", got, tt.want, w.Regions[0].Why())
			}
			if until := w.Regions[0].Until; until.After(in.Now.Add(time.Minute)) {
				t.Errorf("waits until %s, judged at %s", until, in.Now)
			}
		})
	}
}
