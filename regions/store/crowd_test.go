package store

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// TestCrowdThatFlaps changes a thousand of ten thousand votes all the time, at
// the pace of a production instance: ten writes at once, then two a second.
func TestCrowdThatFlaps(t *testing.T) {
	opt := quick(t, "crowd", shared)
	opt.VoteBeat, opt.LeaseTTL, opt.Silence, opt.Coalesce = 0, 0, 0, 0 // the defaults
	r := start(t, opt)
	calm, ill := crowdVotes(healthcheck.Up), crowdVotes(healthcheck.Down)
	r.PublishVotes(regions.Ballot{Region: "us-east", Votes: calm})
	p := r.picture("the first votes", func(p *regions.Picture) bool { return ballotOf(p, "crowd") != nil })
	began, before, casts := time.Now(), r.Stats(), 0
	first := ballotOf(p, "crowd").Seq
	var now map[string]healthcheck.Vote
	for ; time.Since(began) < 3*time.Second; casts++ {
		flapping := 0
		now = maps.Clone(calm)
		for id, v := range ill {
			if flapping++; flapping > 1000 {
				break
			}
			v.Since = time.Now().UTC()
			now[id] = v
		}
		r.PublishVotes(regions.Ballot{Region: "us-east", Votes: now})
		time.Sleep(20 * time.Millisecond)
	}
	took, writes := time.Since(began).Seconds(), r.Stats().Writes-before.Writes
	t.Logf("%d changes and %d writes in %.1f s", casts, writes, took)
	if most := uint64(12 + 2*took); writes > most {
		t.Errorf("%d writes in %.1f s, want at most %d", writes, took, most)
	}
	last := r.picture("the last votes", func(p *regions.Picture) bool { // however slow the machine is
		b := ballotOf(p, "crowd")
		return b != nil && maps.EqualFunc(b.Votes, now, func(x, y healthcheck.Vote) bool { return x.State == y.State && x.Since.Equal(y.Since) })
	})
	s := r.Stats()
	if written, counted := ballotOf(last, "crowd").Seq-first, s.Writes-before.Writes+s.WriteFailures; counted+1 < written {
		t.Errorf("%d writes, of which %d are counted", written, counted)
	}
}

func crowdVotes(s healthcheck.State) map[string]healthcheck.Vote {
	votes := make(map[string]healthcheck.Vote, 10_000)
	for i := range 10_000 {
		id := fmt.Sprintf("s%d.gslb.example.com/us-east/10.0.%d.%d", i/100, i>>8, i&255)
		votes[id] = healthcheck.Vote{State: s, Reason: "status of " + s.String(), Since: time.Unix(1.7e9, int64(i)).UTC()}
	}
	return votes
}
