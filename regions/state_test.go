package regions_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// bench is a State that runs in a synctest bubble.
type bench struct {
	*regions.State
	top       *regions.Topology
	published atomic.Int64 // worlds
	marked    atomic.Int64 // times that what is remembered changed
	moves     []string
	seq       uint64
	log       bytes.Buffer
}

// run starts a State over a fleet of three regions, and stops it after f.
func run(t *testing.T, f func(t *testing.T, b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{top: fleetOf(3, 1)}
		b.State = regions.NewState(regions.StateOptions{
			Instance: "r0-a", Region: "r0", Log: slog.New(slog.NewTextHandler(&b.log, nil)),
			Publish: func(*regions.World) { b.published.Add(1) }, OnMarks: func() { b.marked.Add(1) },
			OnTransition: func(m regions.Transition) {
				b.moves = append(b.moves, string(m.Kind)+" "+m.Name+" "+m.From+"->"+m.To)
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		f(t, b)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// picture is of cluster 1 with fresh ballots; lines as for input.
func (b *bench) picture(revision int64, lines ...string) *regions.Picture {
	b.seq++
	in := input(b.top, lines...)
	for i := range in.Ballots {
		in.Ballots[i].Seq = b.seq
		for id, v := range in.Ballots[i].Votes {
			if v.State == healthcheck.Down {
				v.Since = time.Now()
			}
			in.Ballots[i].Votes[id] = v
		}
	}
	return &regions.Picture{Cluster: 1, Revision: revision, Ballots: in.Ballots}
}

func (b *bench) start(lines ...string) {
	b.SetTopology(b.top)
	b.SetStoreConnected(true)
	b.SetPicture(b.picture(10, lines...))
	pause(regions.DefaultCoalesce) // the topology may have been judged alone
}

func (b *bench) first() string { return describe(b.Current().Endpoints[0][0]) }

// pause lets time pass, and all that it brings about come to rest.
func pause(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

var allUp = []string{"r0-a:u u u", "r1-a:u u u", "r2-a:u u u"}
var firstDown = []string{"r0-a:d u u", "r1-a:d u u", "r2-a:d u u"}

func TestStateJudgesAtOnceThenCoalesces(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		if b.Current().Ready || b.Current().Topology == nil {
			t.Error("before the first judgement: ready, or no topology")
		}
		b.start(allUp...)
		if !b.Current().Ready || b.first() != "up" {
			t.Fatalf("not judged: %s", b.first())
		}
		pause(time.Second)
		n := b.published.Load()
		b.SetPicture(b.picture(11, firstDown...))
		synctest.Wait()
		if b.first() != "down" || b.published.Load() != n+1 {
			t.Fatalf("after a quiet time: %s, %d published", b.first(), b.published.Load()-n)
		}
		for i := range 20 { // a storm within one coalescing time
			b.SetPicture(b.picture(int64(12+i), [][]string{allUp, firstDown}[i%2]...))
			synctest.Wait()
		}
		b.SetPicture(b.picture(99, allUp...))
		synctest.Wait()
		if b.published.Load() != n+1 {
			t.Errorf("%d published during the storm, want none", b.published.Load()-n-1)
		}
		pause(regions.DefaultCoalesce)
		if b.first() != "up" || b.published.Load() != n+2 || b.Current().Revision != 99 {
			t.Errorf("after the storm: %s, %d published, revision %d", b.first(), b.published.Load()-n-1, b.Current().Revision)
		}
	})
}

func TestStatePublishesOnlyNews(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.start(allUp...)
		n := b.published.Load()
		for i := range 5 {
			pause(time.Second)
			p := b.picture(int64(11+i), allUp...)
			b.SetPicture(p)
		}
		synctest.Wait()
		if b.published.Load() != n || b.Current().Revision != 15 {
			t.Errorf("%d worlds published for nothing new; revision %d, want 15", b.published.Load()-n, b.Current().Revision)
		}
	})
}

// I4, and rule 10: never back within a cluster, never to another unasked.
func TestStateRefusesOlderAndForeignPictures(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.start(allUp...)
		foreign := b.picture(500, firstDown...)
		foreign.Cluster = 2
		for _, p := range []*regions.Picture{b.picture(9, firstDown...), foreign} {
			pause(time.Second)
			b.SetPicture(p)
			synctest.Wait()
			if b.first() != "up" || b.Refused() == nil || b.Current().Revision != 10 {
				t.Fatalf("revision %d of cluster %d was applied", p.Revision, p.Cluster)
			}
		}
		if n := strings.Count(b.log.String(), "store state refused"); n != 2 {
			t.Errorf("%d refusals logged, want 2", n)
		}
		since, later := b.Refused().At, b.picture(501, firstDown...)
		later.Cluster = 2
		pause(time.Minute)
		b.SetPicture(later)
		if r := b.Refused(); !r.At.Equal(since) || r.Revision != 501 {
			t.Errorf("refused since %s at revision %d, want since %s at 501", r.At, r.Revision, since)
		}
		b.AllowCluster(2)
		b.SetPicture(foreign)
		pause(regions.DefaultCoalesce)
		if b.first() != "up frozen" || b.Refused() != nil || b.Current().Cluster != 2 {
			t.Errorf("the operator's word did not help, or votes of another cluster's age count: %s", b.first())
		}
		moved := b.picture(501, firstDown...)
		moved.Cluster = 2
		b.SetPicture(moved)
		pause(regions.DefaultCoalesce)
		if b.first() != "down" {
			t.Errorf("the other cluster's votes do not count: %s", b.first())
		}
		b.SetPicture(b.picture(600, allUp...))
		if b.Refused() == nil {
			t.Error("the operator's word served twice")
		}
	})
}

// A store that is not believed is no store: after the grace the last verdicts
// stand, and this instance's own votes remove nothing.
func TestStateLosesTheStoreItRefuses(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.top = fleetOf(1, 1) // where the own votes alone are a majority
		b.start("r0-a:u")
		foreign := b.picture(500, "r0-a:u")
		foreign.Cluster = 2
		b.SetPicture(foreign)
		pause(regions.DefaultStoreGrace + time.Second)
		b.SetOwnVotes(says("r0-a", "d", b.top, time.Now()))
		pause(time.Second)
		if w := b.Current(); !w.StoreLost || w.Endpoints[0][0].State != healthcheck.Up || !w.Endpoints[0][0].Demoted {
			t.Errorf("while refused: lost %v, %s; want up and demoted", w.StoreLost, b.first())
		}
		b.SetPicture(b.picture(11, "r0-a:d"))
		pause(time.Second)
		b.SetPicture(b.picture(12, "r0-a:d"))
		pause(time.Second)
		if w := b.Current(); w.StoreLost || w.Endpoints[0][0].State != healthcheck.Down {
			t.Errorf("once believed: lost %v, %s; want down", w.StoreLost, b.first())
		}
	})
}

// An older picture must not take the place of a newer one that waits.
func TestStateKeepsTheNewerOfTwoWaiting(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.start(allUp...)
		b.SetPicture(b.picture(20, firstDown...))
		b.SetPicture(b.picture(19, allUp...))
		pause(time.Second)
		if b.first() != "down" || b.Current().Revision != 20 {
			t.Errorf("%s at revision %d, want down at 20", b.first(), b.Current().Revision)
		}
	})
}

// A ballot that stands still grows stale by itself, three beats and the
// grace after it was seen to move; then verdicts freeze.
func TestStateBallotsGrowStale(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.start(firstDown...)
		stale := 3*time.Second + regions.DefaultVoteGrace
		pause(stale - regions.DefaultCoalesce - time.Millisecond)
		if b.first() != "down" {
			t.Fatalf("before the time: %s", b.first())
		}
		p := b.picture(11, firstDown...)
		for i := range p.Ballots {
			p.Ballots[i].Seq = 1 // as seen before
		}
		b.SetPicture(p)
		pause(time.Second)
		if b.first() != "down frozen" {
			t.Errorf("after the time: %s, want down frozen", b.first())
		}
		b.SetPicture(b.picture(12, allUp...))
		pause(time.Second)
		if b.first() != "up" {
			t.Errorf("after new votes: %s", b.first())
		}
	})
}

func TestStateLosesTheStoreAfterGrace(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.start(allUp...)
		b.SetOwnVotes(says("r0-a", "d u u", b.top, time.Now()))
		b.SetStoreConnected(false)
		pause(regions.DefaultStoreGrace - time.Millisecond)
		if b.Current().StoreLost {
			t.Fatal("lost before the grace ended")
		}
		pause(time.Second)
		if w := b.Current(); !w.StoreLost || !w.Endpoints[0][0].Demoted || w.Endpoints[0][0].State == healthcheck.Down {
			t.Errorf("after the grace: lost %v, %s", w.StoreLost, b.first())
		}
		b.SetStoreConnected(true)
		b.SetPicture(b.picture(11, firstDown...))
		pause(time.Second)
		if w := b.Current(); !w.StoreLost || w.Endpoints[0][0].State != healthcheck.Up {
			t.Errorf("votes that moved while nobody watched count as new: lost %v, %s", w.StoreLost, b.first())
		}
		b.SetPicture(b.picture(12, allUp...))
		pause(time.Second)
		if w := b.Current(); w.StoreLost || w.Endpoints[0][0].Demoted || w.Endpoints[0][0].Frozen {
			t.Errorf("after its return: lost %v, %s", w.StoreLost, b.first())
		}
	})
}

// Back from a gap, the votes of some may not outvote those of others who have
// not spoken yet: the last verdicts stand until all have, or had a beat and the
// grace for it.
func TestStateWaitsForAllVotesAfterAGap(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		two := []string{"r0-a:u u u", "r1-a:d u u", "r2-a:d u u"}
		b.start(two...)
		b.SetStoreConnected(false)
		pause(time.Minute)
		b.SetStoreConnected(true)
		back := time.Now()
		pause(50 * time.Millisecond) // the picture may come later than the word that it comes
		b.SetPicture(b.picture(11, two...))
		for i, moved := range [][]int{{0}, {0, 1}} {
			pause(200 * time.Millisecond)
			p := b.picture(int64(12+i), two...)
			for j := range p.Ballots {
				if !slices.Contains(moved, j) {
					p.Ballots[j].Seq = b.seq - uint64(i+1)
				}
			}
			b.SetPicture(p)
			pause(200 * time.Millisecond)
			if w := b.Current(); w.Endpoints[0][0].State != healthcheck.Down || !w.StoreLost {
				t.Fatalf("with the votes of %v of 3: lost %v, %s", moved, w.StoreLost, b.first())
			}
		}
		pause(time.Second + regions.DefaultVoteGrace - time.Since(back))
		if w := b.Current(); w.StoreLost || w.Endpoints[0][0].State != healthcheck.Up {
			t.Errorf("after the time that the last one had: lost %v, %s", w.StoreLost, b.first())
		}
	})
}

// An instance that comes while the store is watched is counted at once: what
// shows then was just written.
func TestStateCountsANewcomerAtOnce(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.start("r0-a:u u u", "r1-a:d u u")
		if b.first() != "up suspect" {
			t.Fatalf("with one of two against it: %s", b.first())
		}
		b.SetPicture(b.picture(11, "r0-a:u u u", "r1-a:d u u", "r2-a:d u u"))
		pause(regions.DefaultCoalesce)
		if b.first() != "down suspect" {
			t.Errorf("with two of three against it: %s", b.first())
		}
	})
}

// A gap too short for anybody to have grown stale hides nothing, and an old
// ballot that comes back is no news.
func TestStateAgesOverAGap(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.start(allUp...)
		b.SetStoreConnected(false)
		pause(time.Second)
		b.SetStoreConnected(true)
		b.SetPicture(b.picture(11, firstDown...))
		pause(regions.DefaultCoalesce)
		if b.first() != "down" {
			t.Errorf("after a second without the store: %s", b.first())
		}
		b.seq = 0
		b.SetPicture(b.picture(12, allUp...))
		pause(time.Second)
		if b.first() != "down frozen" {
			t.Errorf("with votes of a lower sequence: %s", b.first())
		}
	})
}

// Time alone ends overrides and lets the brake release the next region.
func TestStateJudgesByTime(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.top.Brake.Window = 4 * time.Second
		b.SetTopology(b.top)
		b.SetStoreConnected(true)
		p := b.picture(10, "r0-a:d d u", "r1-a:d d u", "r2-a:d d u")
		for i := range p.Ballots {
			p.Ballots[i].Beat = time.Minute
		}
		p.Overrides = []regions.Override{drain(regions.OverrideEndpoint, id(2, 0), time.Now().Add(2*time.Second))}
		b.SetPicture(p)
		pause(regions.DefaultCoalesce)
		w := b.Current()
		if !slices.Equal(w.Brake.Out, []string{"r0"}) || !slices.Equal(w.Brake.Held, []string{"r1"}) || w.Endpoints[0][2].Drained == nil {
			t.Fatalf("at first: %+v", w.Brake)
		}
		pause(2*time.Second + time.Millisecond)
		if b.Current().Endpoints[0][2].Drained != nil {
			t.Error("the override did not end by itself")
		}
		pause(2 * time.Second)
		if w := b.Current(); !slices.Equal(w.Brake.Out, []string{"r0", "r1"}) {
			t.Errorf("after the window: %+v", w.Brake)
		}
	})
}

// A cold start from what was remembered answers as before, keeps older
// pictures out, and goes over to the store's votes without a gap.
func TestStateRestores(t *testing.T) {
	before := judgedBefore(fleetOf(3, 1), "down")
	before.Cluster, before.Revision = 1, 50
	run(t, func(t *testing.T, b *bench) {
		b.SetTopology(b.top)
		synctest.Wait()
		if b.Current().Ready {
			t.Fatal("ready from nothing")
		}
		b.Restore(regions.Remember(before))
		pause(time.Second)
		if w := b.Current(); !w.Ready || b.first() != "down" || w.Revision != 50 || w.Epoch != before.Epoch {
			t.Fatalf("restored: ready %v, %s, revision %d, epoch %s want %s", w.Ready, b.first(), w.Revision, w.Epoch, before.Epoch)
		}
		if len(b.moves) != 0 {
			t.Errorf("restoring what was is told as news: %q", b.moves)
		}
		b.SetPicture(b.picture(49, allUp...))
		pause(time.Second)
		if b.first() != "down" {
			t.Fatal("a picture older than the snapshot was applied")
		}
		b.SetPicture(b.picture(51, allUp...)) // its own writes took it past the snapshot
		pause(time.Second)
		if b.first() != "down" || b.Refused() == nil {
			t.Fatal("a store whose history went back was believed without a word")
		}
		b.AllowCluster(1)
		b.SetPicture(b.picture(51)) // the store is back before any vote is
		pause(time.Second)
		if b.first() != "down frozen" {
			t.Errorf("without votes yet: %s", b.first())
		}
		b.SetPicture(b.picture(52, allUp...)) // votes that may be as old as the snapshot
		pause(time.Second)
		if b.first() != "down frozen" {
			t.Errorf("with votes that never moved: %s", b.first())
		}
		b.SetPicture(b.picture(53, allUp...))
		pause(time.Second)
		if b.first() != "up" {
			t.Errorf("with votes: %s", b.first())
		}
	})
}

func TestStateTellsEachTransitionOnce(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.start(allUp...)
		b.moves = nil
		for i := range 4 {
			pause(time.Second)
			b.SetPicture(b.picture(int64(20+i), firstDown...))
		}
		pause(time.Second)
		want := []string{"region r0 up->down", "endpoint " + id(0, 0) + " up->down"}
		if !slices.Equal(b.moves, want) {
			t.Errorf("moves %q, want %q", b.moves, want)
		}
		if n := strings.Count(b.log.String(), "name=r0 "); n != 1 {
			t.Errorf("region logged %d times, want once", n)
		}
	})
}

// What an instance finds itself waits for the store: beside votes of others
// that are no longer theirs, it would make a majority that never was.
func TestStateOwnVotesWaitForTheStore(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.start("r0-a:u u u", "r1-a:d u u", "r2-a:u u u")
		pause(time.Second)
		b.SetOwnVotes(says("r0-a", "d u u", b.top, time.Now()))
		pause(time.Second)
		if b.first() != "up suspect" {
			t.Errorf("before the store has it: %s", b.first())
		}
		b.SetPicture(b.picture(11, "r0-a:d u u", "r1-a:u u u", "r2-a:u u u"))
		pause(time.Second)
		if b.first() != "up suspect" {
			t.Errorf("the other had changed its mind before: %s", b.first())
		}
		b.SetPicture(b.picture(12, "r0-a:d u u", "r1-a:u u u", "r2-a:d u u"))
		pause(time.Second)
		if b.first() != "down suspect" {
			t.Errorf("two of three: %s", b.first())
		}
	})
}
