package regions_test

import (
	"testing"
	"time"

	"github.com/steerdns/steerdns/regions"
)

// A State tells when what it remembers changed, and goes by its own memory
// unless enough others speak.
func TestStateRemembers(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.top.Regions[1].Recovery.Hold = time.Minute
		if b.Marks() != nil {
			t.Errorf("before any state it remembers %v: it has to abstain", b.Marks())
		}
		b.SetOwnVotes(says("r0-a", "u u u", b.top, time.Now()))
		b.start(allUp...)
		if m := b.Marks(); m == nil || len(m) != 0 || b.marked.Load() == 0 {
			t.Errorf("with all up it remembers %v", m)
		}
		told := b.marked.Load()
		b.SetPicture(b.picture(11, "r0-a:u u u", "r1-a:u d u", "r2-a:u d u"))
		pause(time.Second)
		m, out := b.Marks()[regions.EntranceID("r1")]
		if !out || m.Out.IsZero() || b.marked.Load() == told {
			t.Fatalf("r1 went out, and it remembers %v", b.Marks())
		}
		// The others come back without a memory; its own is all there is.
		b.SetPicture(b.picture(12, allUp...))
		pause(20 * time.Second)
		b.SetPicture(b.picture(13, allUp...))
		pause(time.Second)
		if w := b.Current(); w.Regions[1].Label() != "waiting" {
			t.Errorf("r1 is %s: %s", w.Regions[1].Label(), w.Regions[1].Why())
		}
		// One other remembers nothing on purpose: one of two is no majority.
		p := b.picture(14, allUp...)
		for i := range p.Ballots {
			switch p.Ballots[i].Instance {
			case "r0-a":
				p.Ballots[i].Marks = b.Marks()
			case "r1-a":
				p.Ballots[i].Marks = map[string]regions.Mark{}
			}
		}
		b.SetPicture(p)
		pause(time.Second)
		if w := b.Current(); w.Regions[1].Label() != "up" {
			t.Errorf("r1 is %s: %s", w.Regions[1].Label(), w.Regions[1].Why())
		}
	})
}
