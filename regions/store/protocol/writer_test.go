package protocol_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/sim/simetcd"
	"github.com/steerdns/steerdns/regions/store/protocol"
)

const fleet = protocol.Keys("/t/")

var (
	noon   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	timing = protocol.Timing{
		Beat: 5 * time.Second, LeaseTTL: 15 * time.Second, Relist: time.Minute, Silence: 10 * time.Second, Coalesce: 100 * time.Millisecond,
		Draw: func(d time.Duration) time.Duration { return d / 2 },
	}
)

// desk is a Writer before a store, and the time.
type desk struct {
	t      *testing.T
	box    *protocol.Outbox
	writer *protocol.Writer
	store  *simetcd.Cluster
	now    time.Time
	puts   int   // commits
	fails  error // what every request meets; nil: the store
}

func newDesk(t *testing.T) *desk {
	box := protocol.NewOutbox("a", "boot", timing.Beat)
	d := &desk{t: t, box: box, writer: protocol.NewWriter(fleet, timing, box), store: simetcd.New(1), now: noon}
	d.writer.Permit(true)
	return d
}

// vote publishes n votes that read differently each time.
func (d *desk) vote(n, turn int) {
	votes := map[string]healthcheck.Vote{}
	for i := range n {
		votes[fmt.Sprintf("www.example.com/r/%d", i)] = healthcheck.Vote{State: healthcheck.State(1 + turn%2), Since: noon}
	}
	d.box.PublishVotes(regions.Ballot{Region: "r", Votes: votes})
}

// round does the round that is due, if one is.
func (d *desk) round() (twin bool, err error) {
	for {
		r, more, err := d.writer.Next(d.now)
		if err != nil || !more {
			return twin, err
		}
		reply, failure := protocol.Reply{}, d.fails
		if failure == nil {
			reply, failure = d.store.Do(d.now, r)
		}
		if r.Kind == protocol.Commit {
			d.puts++
		}
		t, err := d.writer.Done(d.now, reply, failure)
		twin = twin || t
		if err != nil {
			return twin, err
		}
	}
}

// live lets time pass in steps of 10 ms.
func (d *desk) live(span time.Duration, each func(step int)) {
	d.t.Helper()
	for step := range int(span / (10 * time.Millisecond)) {
		d.now = d.now.Add(10 * time.Millisecond)
		if each != nil {
			each(step)
		}
		if _, err := d.round(); err != nil {
			d.t.Fatal(err)
		}
	}
}

// An instance writes at a modest pace, whether nothing changes or a thousand
// endpoints flap as fast as they can.
func TestWritesAreBounded(t *testing.T) {
	const span = 30 * time.Second
	quiet := newDesk(t)
	quiet.vote(1000, 0)
	quiet.live(span, nil)
	rush := newDesk(t)
	rush.live(span, func(step int) {
		if step%10 == 0 {
			rush.vote(1000, step/10)
		}
	})
	perSecond := func(d *desk) float64 { return float64(d.puts) / span.Seconds() }
	t.Logf("1,000 endpoints for %v: %.2f writes/s when nothing changes, %.2f when all flap", span, perSecond(quiet), perSecond(rush))
	if w := perSecond(quiet); w < 0.19 || w > 0.27 {
		t.Errorf("%.2f writes/s when nothing changes, want a beat of 5 s", w)
	}
	if w := perSecond(rush); w > 2.4 {
		t.Errorf("%.2f writes/s when all flap, want at most about 2", w)
	}
}

func TestWriterMakesALostLeaseAgain(t *testing.T) {
	d := newDesk(t)
	d.vote(1, 0)
	d.live(time.Second, nil)
	d.store.RevokeAll()
	if n := len(d.store.Entries("/t/votes/")); n != 0 {
		t.Fatalf("%d ballots without a lease", n)
	}
	d.live(timing.Beat, nil)
	if n := len(d.store.Entries("/t/votes/")); n != 1 {
		t.Errorf("%d ballots a beat later", n)
	}
	d.live(3*timing.LeaseTTL, nil)
	if e := d.store.Entries("/t/votes/"); len(e) != 1 || e[0].Lease == 0 {
		t.Errorf("the lease was not kept: %+v", e)
	}
}

func TestWriterAfterFailures(t *testing.T) {
	d := newDesk(t)
	d.vote(1, 0)
	d.live(time.Second, nil)
	d.vote(1, 1)
	d.fails = errors.New("no answer")
	tried := 0
	for range 3000 {
		d.now = d.now.Add(10 * time.Millisecond)
		if _, err := d.round(); err != nil {
			tried++
		}
	}
	if tried < 5 || tried > 20 {
		t.Errorf("%d attempts in 30 s, want some at growing pauses", tried)
	}
	d.fails = nil
	d.live(timing.Beat, nil)
	if e := d.store.Entries("/t/votes/"); len(e) != 1 {
		t.Errorf("after the failures: %+v", e)
	}
}

// A commit whose reply was lost is no sign of another process; a write by
// somebody else is.
func TestWriterKnowsATwin(t *testing.T) {
	d := newDesk(t)
	d.vote(1, 0)
	d.live(time.Second, nil)
	d.vote(1, 1)
	d.now = d.now.Add(time.Second)
	r, _, err := d.writer.Next(d.now)
	if err != nil || r.Kind != protocol.Commit {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := d.store.Do(d.now, r); err != nil {
		t.Fatal(err)
	}
	if _, err := d.writer.Done(d.now, protocol.Reply{}, errors.New("the reply was lost")); err == nil {
		t.Fatal("a lost reply is no failure")
	}
	d.now = d.now.Add(timing.Beat)
	if twin, err := d.round(); twin || err != nil {
		t.Errorf("after a lost reply: twin %v, %v", twin, err)
	}
	if _, err := d.store.Do(d.now, protocol.Request{Txn: protocol.Txn{Then: []protocol.Op{{Kind: protocol.Put, Key: "/t/votes/a", Value: []byte("{}")}}}}); err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(timing.Beat)
	if twin, err := d.round(); !twin || err != nil {
		t.Errorf("after somebody else's write: twin %v, %v", twin, err)
	}
}

func TestWriterLeaves(t *testing.T) {
	d := newDesk(t)
	d.vote(1, 0)
	d.live(time.Second, nil)
	if d.writer.Leave() == 0 {
		t.Fatal("no lease to give back")
	}
	puts := d.puts
	d.vote(1, 1)
	d.live(2*timing.Beat, nil)
	if d.puts != puts {
		t.Error("it wrote after its goodbye")
	}
}

// As long as the store is not known to be the fleet's, nothing is written to
// it: no lease, no votes. With the permission everything is, at once.
func TestWriterWaitsForPermission(t *testing.T) {
	d := newDesk(t)
	d.writer.Permit(false)
	d.vote(3, 0)
	d.live(time.Minute, nil)
	if d.puts != 0 || d.store.Revision() != simetcd.New(1).Revision() || !d.store.NextExpiry().IsZero() {
		t.Errorf("without permission: %d writes, revision %d, lease until %v", d.puts, d.store.Revision(), d.store.NextExpiry())
	}
	d.writer.Permit(true)
	d.live(10*time.Millisecond, nil)
	if d.puts != 1 {
		t.Errorf("with permission: %d writes", d.puts)
	}
	d.writer.Permit(false)
	d.live(time.Minute, func(step int) { d.vote(3, step) })
	if d.puts != 1 {
		t.Errorf("after it was taken back: %d writes more", d.puts-1)
	}
}
