package sim

import (
	"errors"
	"time"

	"github.com/steerdns/steerdns/regions/sim/simetcd"
	"github.com/steerdns/steerdns/regions/store/protocol"
)

const prefix = "/sim/"

var keys = protocol.Keys(prefix)

// Failures of requests, as a client meets them.
var (
	errTimeout = errors.New("no answer in time")
	errRefused = errors.New("connection refused")
)

// storeSide is the cluster and what ails it.
type storeSide struct {
	sim     *sim
	cluster *simetcd.Cluster
	nextID  uint64
	down    int  // faults: no quorum
	refuses bool // while down, connections are refused rather than left hanging
	members [members]member
	backups []backup
	expiry  time.Duration // of the expiry event that is scheduled; 0: none
	lose    int           // faults: watches lose deletions
	repeat  int           // faults: watches repeat events
	back    int           // faults: watches tell backwards
}

type member struct {
	gone int
	lag  time.Duration
}

type backup struct {
	at      time.Duration
	cluster *simetcd.Cluster
}

func newStoreSide(s *sim) *storeSide {
	return &storeSide{sim: s, cluster: simetcd.New(1), nextID: 2}
}

func (st *storeSide) time() time.Time { return moment(st.sim.now, 0) }

// answers says whether a member can answer now.
func (st *storeSide) answers(m int) bool { return st.down == 0 && st.members[m].gone == 0 }

// do answers a request that has arrived.
func (st *storeSide) do(r protocol.Request) (protocol.Reply, error) {
	before := st.cluster.Revision()
	reply, err := st.cluster.Do(st.time(), r)
	if st.cluster.Revision() != before {
		st.changed()
	}
	st.expectExpiry()
	return reply, err
}

// changed tells the watches.
func (st *storeSide) changed() {
	for _, n := range st.sim.nodes {
		if n.session != nil && n.session.watch != nil {
			n.session.expectWords(st.cluster.Revision())
		}
	}
}

// expectExpiry schedules the end of the next lease. Without a quorum leases
// do not end.
func (st *storeSide) expectExpiry() {
	next := st.cluster.NextExpiry()
	if next.IsZero() || st.down > 0 {
		return
	}
	at := st.sim.now + next.Sub(st.time())
	if st.expiry > st.sim.now && st.expiry <= at {
		return
	}
	st.expiry = at
	st.sim.at(at, st.expire)
}

func (st *storeSide) expire() {
	st.expiry = 0
	if st.down > 0 {
		return
	}
	before := st.cluster.Revision()
	st.cluster.Expire(st.time())
	if st.cluster.Revision() != before {
		st.changed()
	}
	st.expectExpiry()
}

// newLeader starts all leases anew.
func (st *storeSide) newLeader() {
	st.cluster.LeaderChanged(st.time())
	st.expectExpiry()
}

// replace puts another cluster in place: all connections break.
func (st *storeSide) replace(c *simetcd.Cluster) {
	st.cluster = c
	st.expectExpiry()
	for _, n := range st.sim.nodes {
		if n.session != nil {
			n.lost(errRefused)
		}
	}
}

// loseQuorum and findQuorum are the beginning and the end of a time without.
func (st *storeSide) loseQuorum(refuses bool) {
	if st.down++; st.down > 1 {
		return
	}
	st.refuses = refuses
	for _, n := range st.sim.nodes {
		switch s := n.session; {
		case s == nil:
		case refuses:
			st.sim.after(st.sim.net.span(time.Millisecond, 50*time.Millisecond), func() { n.lostIn(s, errRefused) })
		default: // members notice after an election timeout or two
			st.sim.after(st.sim.net.span(time.Second, 3*time.Second), func() { s.hearIf(st.down > 0, protocol.Word{Cluster: st.cluster.ID(), Err: protocol.ErrNoLeader}) })
		}
	}
}

func (st *storeSide) findQuorum() {
	if st.down--; st.down == 0 {
		st.newLeader()
		st.changed()
	}
}

// request carries one request of a node's session to the store and calls back
// once: with the reply, or when it was waited for long enough.
func (s *session) request(r protocol.Request, back func(protocol.Reply, error)) {
	n, sim := s.node, s.node.sim
	began, done, cluster := sim.now, false, sim.store.cluster
	votes := r.Kind == protocol.Commit && len(r.Txn.If) > 0 && r.Txn.Then[0].Kind == protocol.Put
	if votes {
		sim.oracle.writes(n)
	}
	answer := func(reply protocol.Reply, err error) {
		if !done {
			done = true
			if s.open() {
				back(reply, err)
			}
		}
	}
	giveUp := func() {
		sim.at(max(began+callTimeout, sim.now), func() { answer(protocol.Reply{}, errTimeout) })
	}
	there := s.delay()
	if n.late > 0 {
		there += callTimeout + sim.net.span(0, latest)
	}
	if n.late > 0 || n.slow > 0 || n.cut > 0 {
		giveUp()
	}
	if n.cut > 0 {
		return
	}
	sim.after(there, func() {
		switch st := sim.store; {
		case st.down > 0 && st.refuses:
			answer(protocol.Reply{}, errRefused)
		case st.cluster != cluster: // connections do not outlive their server
			answer(protocol.Reply{}, errRefused)
		case !st.answers(s.member):
			giveUp()
		default:
			reply, err := st.do(r)
			if err == nil && votes {
				sim.oracle.wrote(n)
			}
			sim.after(s.delay(), func() {
				if n.cut > 0 || n.deaf > 0 {
					giveUp()
					return
				}
				answer(reply, err)
			})
		}
	})
}

// latest is how much longer than its sender waits a late request travels.
const latest = 4 * time.Second

// delay is how long a message takes.
func (s *session) delay() time.Duration {
	return s.node.sim.net.span(time.Millisecond, 30*time.Millisecond+s.node.slow)
}

// expectWords schedules what a watch has to say once its member has got to a
// revision.
func (s *session) expectWords(revision int64) {
	if s.expected >= revision {
		return
	}
	s.expected = revision
	sim := s.node.sim
	sim.after(s.delay()+sim.store.members[s.member].lag, func() { s.deliver(s.watch, revision) })
}

// deliver tells a session what its watch says. What cannot be told now is
// told when the network is whole again.
func (s *session) deliver(w *simetcd.Watch, revision int64) {
	n, st := s.node, s.node.sim.store
	if w == nil || s.watch != w || s.hangs == w || !s.open() {
		return
	}
	if n.cut > 0 || n.deaf > 0 || !st.answers(s.member) {
		s.expected = 0
		return
	}
	w.LoseDeletes, w.Backwards, w.Repeat = st.lose > 0, st.back > 0, 0
	if st.repeat > 0 {
		w.Repeat = 1 + st.sim.net.below(8)
	}
	s.words = append(s.words, st.cluster.PollTo(w, revision)...)
	if len(s.words) > 0 {
		n.run()
	}
}

// hearIf hands one word to a session's watch, if it is still there.
func (s *session) hearIf(still bool, w protocol.Word) {
	if still && s.open() && s.watch != nil {
		s.words = append(s.words, w)
		s.node.run()
	}
}
