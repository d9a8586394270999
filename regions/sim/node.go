package sim

import (
	"fmt"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/sim/simetcd"
	"github.com/steerdns/steerdns/regions/snapshot"
	"github.com/steerdns/steerdns/regions/store/protocol"
)

// node is one instance: the parts that package main of the real one wires
// together, wired alike, but stepped.
type node struct {
	sim    *sim
	index  int
	name   string
	region int
	dice   *dice
	skew   time.Duration // of its wall clock

	// Faults that concern it.
	blind, cut, deaf, late int
	slow                   time.Duration

	disk *disk

	// Of the present life; life counts them, alive says whether one is lived.
	life    int
	alive   bool
	state   *regions.State
	judge   *regions.Stepper
	reader  *protocol.Reader
	writer  *protocol.Writer
	outbox  *protocol.Outbox
	health  []healthcheck.Hysteresis // by target
	session *session                 // nil: between two
	retry   protocol.Backoff
	turns   int

	probeAt   time.Duration
	judgeAt   time.Duration // 0: nothing in sight
	connectAt time.Duration
	saveAt    time.Duration // not before then
	unsaved   *regions.World
	wakeAt    time.Duration // of the wake-up that is scheduled
	judged    *regions.World
	running   bool
	voteDue   bool // its ballot reads differently
	believed  bool // the last picture was
}

// session is one connection to one member of the store.
type session struct {
	node     *node
	life     int
	began    time.Duration
	member   int
	watch    *simetcd.Watch
	hangs    *simetcd.Watch // this one says nothing any more
	words    []protocol.Word
	expected int64 // words up to this revision are on their way
	listing  bool
	writing  bool
}

func (s *session) open() bool { return s.node.alive && s.node.session == s && s.node.life == s.life }

func newNode(s *sim, index, region int) *node {
	d := newDice(s.story.Seed, 100+uint64(index))
	return &node{sim: s, index: index, name: fmt.Sprintf("r%d-%d", region, index), region: region, dice: d, disk: newDisk(d)}
}

func (n *node) now() time.Time { return moment(n.sim.now, n.skew) }

// when is a moment of this node's clocks as a moment of the story.
func (n *node) when(t time.Time) time.Duration { return n.sim.now + t.Sub(n.now()) }

// start begins a life: what was saved is restored, then comes the topology.
func (n *node) start() {
	if n.alive {
		return
	}
	n.alive, n.life, n.session, n.turns, n.unsaved, n.judged = true, n.life+1, nil, n.dice.below(members), nil, nil
	t := timing(n.dice)
	n.voteDue = false
	n.outbox = protocol.NewOutbox(n.name, fmt.Sprintf("boot-%d-%d", n.index, n.life), beat)
	n.reader, n.writer, n.retry = protocol.NewReader(keys, t), protocol.NewWriter(keys, t, n.outbox), protocol.NewBackoff(t)
	n.reader.Share(n.sim.memo)
	n.state = regions.NewState(regions.StateOptions{
		Instance: n.name, Region: n.sim.topology.Regions[n.region].Name,
		Coalesce: judgeEvery, StoreGrace: storeGrace, VoteGrace: voteGrace, Publish: n.published,
		OnMarks: func() { n.voteDue = true },
	})
	n.judge = n.state.Stepper(n.now())
	n.oracleOf().born(n)
	n.restore()
	n.state.SetTopology(n.sim.topology)
	n.health = make([]healthcheck.Hysteresis, len(n.sim.targets))
	for i := range n.health {
		n.health[i] = healthcheck.NewHysteresis(n.now())
	}
	n.probeAt, n.connectAt, n.judgeAt, n.wakeAt = n.sim.now+n.dice.span(0, time.Second), n.sim.now, n.sim.now, 0
	n.saveAt = n.sim.now
	n.run()
}

// die ends a life at once.
func (n *node) die() {
	if n.alive {
		n.alive, n.session = false, nil
		n.oracleOf().died(n)
	}
}

// wake runs a node whose time has come, unless an earlier wake-up did.
func (n *node) wake(at time.Duration) {
	if n.alive && n.wakeAt == at {
		n.wakeAt = 0
		n.run()
	}
}

// run does all that is due, and sees to being woken for what is not.
func (n *node) run() {
	if !n.alive || n.running {
		return
	}
	n.running = true
	n.probe()
	n.vote()
	n.connect()
	n.read()
	n.step()
	n.vote()
	n.write()
	n.save()
	n.running = false
	n.sleep()
}

// sleep schedules the next wake-up.
func (n *node) sleep() {
	if !n.alive {
		return
	}
	next := n.probeAt
	sooner := func(t time.Duration) {
		if t < next {
			next = t
		}
	}
	if n.session == nil {
		sooner(n.connectAt)
	} else {
		if !n.session.listing {
			sooner(n.when(n.reader.Due()))
		}
		if !n.session.writing {
			sooner(n.when(n.writer.Due(n.now())))
		}
	}
	if n.judgeAt > 0 {
		sooner(n.judgeAt)
	}
	if n.unsaved != nil {
		sooner(n.saveAt)
	}
	next = max(next, n.sim.now+time.Millisecond)
	if n.wakeAt <= n.sim.now || next < n.wakeAt {
		n.wakeAt = next
		n.sim.queue.push(event{at: next, node: n})
	}
}

// probe probes all targets once a round.
func (n *node) probe() {
	if n.sim.now < n.probeAt {
		return
	}
	n.probeAt = n.sim.now + n.dice.span(probeEvery*9/10, probeEvery*11/10)
	changed := false
	for i := range n.sim.targets {
		t := &n.sim.targets[i]
		o := healthcheck.Observation{OK: true, Reason: "connected", At: n.now()}
		if n.blind > 0 || n.sim.cut[n.region][t.region] > 0 || !t.answers(n.sim.now) {
			o.OK, o.Reason = false, "no answer"
		}
		var news bool
		n.health[i], news = n.health[i].Next(o, fall, rise)
		changed = changed || news
		n.oracleOf().voted(n, i, n.health[i].Vote().State)
	}
	n.voteDue = n.voteDue || changed
}

// vote hands the votes to the store and to the judge when they changed.
func (n *node) vote() {
	if !n.voteDue {
		return
	}
	n.voteDue = false
	votes := make(map[string]healthcheck.Vote, len(n.health))
	for i, h := range n.health {
		votes[n.sim.targets[i].id] = h.Vote()
	}
	b := regions.Ballot{Instance: n.name, Region: n.sim.topology.Regions[n.region].Name, Votes: votes, Marks: n.state.Marks()}
	n.state.SetOwnVotes(b)
	n.outbox.PublishVotes(b)
	n.judgeAt = n.sim.now
}

// step judges if that is due.
func (n *node) step() {
	if n.judgeAt == 0 || n.sim.now < n.judgeAt {
		return
	}
	wait, waiting := n.judge.Step(n.now())
	n.judgeAt = 0
	if waiting {
		n.judgeAt = n.sim.now + max(wait, time.Millisecond)
	}
	if w := n.state.Current(); w != n.judged {
		n.judged = w
		n.oracleOf().world(n, w)
	}
}

func (n *node) oracleOf() *oracle { return n.sim.oracle }

// published is what package main does with a world: it is saved.
func (n *node) published(w *regions.World) {
	if w.Ready && !w.StoreLost && n.oracleOf().restarts(n) {
		n.unsaved = w
	}
}

const stateFile = "state"

// save saves the last good state. Nobody reads it in a story in which this
// instance never starts again: there it is not done.
func (n *node) save() {
	if n.unsaved == nil || n.sim.now < n.saveAt {
		return
	}
	w := n.unsaved
	n.unsaved, n.saveAt = nil, n.sim.now+savePause
	n.oracleOf().saving(n, w)
	err := snapshot.SaveTo(n.disk, stateFile, snapshot.Of(n.name, w, nil))
	n.oracleOf().saved(n, err)
}

// restore is the beginning of a life.
func (n *node) restore() {
	s, source, err := snapshot.LoadFrom(n.disk, stateFile)
	n.oracleOf().restored(n, s, source, err)
	if err == nil {
		n.state.Restore(s.Restored())
	}
}
