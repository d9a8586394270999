package regions

import (
	"testing"
	"time"
)

// A store that was restored from a backup shows ballots of long ago. They
// differ from what was there a moment before, and are no sign of life.
func TestBallotsOfABackupAreNotFresh(t *testing.T) {
	now := time.Now()
	a := ages{}
	fresh := func(boot string, seq uint64) bool {
		now = now.Add(time.Second)
		p := &Picture{Ballots: []Ballot{{Instance: "a", Boot: boot, Seq: seq}}}
		a.see(p.Ballots, true, now)
		list, _ := a.fresh(p, time.Second, now)
		return len(list) == 1
	}
	for _, step := range []struct {
		what string
		boot string
		seq  uint64
		want bool
	}{
		{"seen first", "x", 40, true},
		{"the backup of before", "x", 12, false},
		{"the backup still", "x", 12, false},
		{"its next write", "x", 41, true},
		{"a new process", "y", 1, true},
		{"a backup of the process before", "x", 41, false},
		{"the new process writes on", "y", 2, true},
		{"an older one of it", "y", 1, false},
		{"the same as before the restore", "y", 2, true},
		{"a forgery", "z", 9, true},
		{"the process that was there all the time", "y", 3, false},
		{"it again: it lives", "y", 4, true},
		{"and again", "y", 5, true},
	} {
		if got := fresh(step.boot, step.seq); got != step.want {
			t.Errorf("%s (%s %d): fresh %v", step.what, step.boot, step.seq, got)
		}
	}
}
