package sim

import (
	"strings"
	"sync"
	"time"

	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/sim/simetcd"
	"github.com/steerdns/steerdns/regions/store/protocol"
)

// settleTime is how long a fleet may take to agree after everything has
// healed: a silent watch is noticed, a session begun, everything listed
// anew, and what is stale has gone.
const settleTime = silence + 5*time.Second + relist*5/4 + 3*beat + voteGrace + 5*time.Second

// apply begins a fault, and sees to its end.
func (s *sim) apply(f Fault) {
	s.say("begins: %s", f)
	lasts := f.For
	if s.story.Settle {
		lasts = min(lasts, max(0, s.story.Length-s.now))
	}
	end := s.begin(f)
	if end != nil {
		s.after(lasts, func() {
			s.say("ends: %s", f)
			end()
		})
	}
}

// begin does what a fault does, and returns what ends it; nil: nothing does.
func (s *sim) begin(f Fault) (end func()) {
	switch {
	case f.Kind <= ProbesCut:
		return s.beginProbing(f)
	case f.Kind <= StoreLate:
		return s.beginNetwork(f)
	case f.Kind <= Garbage:
		return s.beginStore(f)
	case f.Kind <= ClockStep:
		return s.beginInstance(f, s.nodes[f.A])
	}
	s.operate(f, s.nodes[f.A])
	return nil
}

// up and down return a counter's way down after going up.
func up(counters ...*int) func() {
	for _, c := range counters {
		*c++
	}
	return func() {
		for _, c := range counters {
			*c--
		}
	}
}

func (s *sim) beginProbing(f Fault) (end func()) {
	switch f.Kind {
	case EndpointDown:
		return up(&s.targets[f.A].down)
	case RegionDark:
		var all []*int
		for i := range s.targets {
			if s.targets[i].region == f.A {
				all = append(all, &s.targets[i].down)
			}
		}
		return up(all...)
	case EndpointFlaps:
		s.targets[f.A].flapEvery = f.By
		return up(&s.targets[f.A].flaps)
	case Blind:
		return up(&s.nodes[f.A].blind)
	case VantageBlind:
		var all []*int
		for _, n := range s.nodes {
			if n.region == f.A {
				all = append(all, &n.blind)
			}
		}
		return up(all...)
	}
	return up(&s.cut[f.A][f.B])
}

func (s *sim) beginNetwork(f Fault) (end func()) {
	n := s.nodes[f.A]
	calm := s.oracle.disturb(0, n)
	switch f.Kind {
	case WatchHangs:
		if n.session != nil {
			n.session.hangs = n.session.watch
		}
		s.after(silence+2*time.Second, calm)
		return nil
	case StoreCut:
		heal := up(&n.cut)
		return func() { heal(); calm(); s.store.changed() }
	case RepliesCut:
		heal := up(&n.deaf)
		return func() { heal(); calm(); s.store.changed() }
	case StoreSlow:
		n.slow += f.By
		return func() { n.slow -= f.By; calm() }
	}
	heal := up(&n.late)
	return func() { heal(); s.after(callTimeout, calm) } // the last one is given up by then
}

func (s *sim) beginStore(f Fault) (end func()) {
	st := s.store
	switch f.Kind {
	case StoreDown:
		calm := s.oracle.disturb(0, s.nodes...)
		st.loseQuorum(f.B%2 == 0)
		return func() { st.findQuorum(); calm() }
	case LeaderChange:
		st.newLeader()
		return nil
	case LeasesRevoked:
		s.oracle.disturb(0, s.nodes...)()
		st.cluster.RevokeAll()
		st.changed()
		return nil
	case Compaction:
		st.cluster.Compact(st.cluster.Revision())
		return s.loseDeletes()
	case DeletesLost:
		return s.loseDeletes()
	case WatchRepeats:
		return up(&st.repeat)
	case WatchBackward:
		return up(&st.back)
	case MemberGone:
		return s.loseMember(f)
	case MemberLags:
		calm := s.oracle.disturb(f.By, s.nodes...)
		st.members[f.A].lag += f.By
		return func() { st.members[f.A].lag -= f.By; calm() }
	case NoSpace:
		calm := s.oracle.disturb(0, s.nodes...)
		st.cluster.NoSpace = true
		return func() { st.cluster.NoSpace = false; calm() }
	case Garbage:
		s.writeGarbage(f)
		return nil
	}
	s.replaceStore(f)
	return nil
}

// loseDeletes turns one of etcd's old mistakes on. What watches do not tell is
// put right by the next list.
func (s *sim) loseDeletes() (end func()) {
	calm := s.oracle.disturb(relist*5/4+time.Second, s.nodes...)
	heal := up(&s.store.lose)
	return func() { heal(); calm() }
}

// failover is how long an instance may hang on a member that answers nobody:
// until its watch is silent for too long, and two more members were tried.
const failover = silence + 2*(callTimeout+5*time.Second) + 2*time.Second

// loseMember isolates a member: some of its watches are told, some just hang.
func (s *sim) loseMember(f Fault) (end func()) {
	st := s.store
	calm := sync.OnceFunc(s.oracle.disturb(0, s.nodes...))
	s.after(failover, calm)
	heal := up(&st.members[f.A].gone)
	if f.B%2 == 0 {
		for _, n := range s.nodes {
			if sess := n.session; sess != nil && sess.member == f.A {
				s.after(s.net.span(time.Second, 3*time.Second), func() {
					sess.hearIf(st.members[f.A].gone > 0, protocol.Word{Cluster: st.cluster.ID(), Err: protocol.ErrNoLeader})
				})
			}
		}
	}
	return func() { heal(); calm(); st.changed() }
}

// replaceStore puts an empty cluster or a backup in the store's place.
func (s *sim) replaceStore(f Fault) {
	st := s.store
	s.oracle.replaced()
	if f.Kind == StoreLost {
		st.replace(simetcd.New(st.nextID))
		st.nextID++
		return
	}
	old := st.cluster.Backup()
	for _, b := range st.backups {
		if b.at <= s.now-f.By && b.cluster.ID() == st.cluster.ID() {
			old = b.cluster
		}
	}
	id := st.cluster.ID()
	if f.B%2 == 1 {
		id = st.nextID
		st.nextID++
	}
	st.replace(old.Restored(id, st.time()))
}

var garbage = [][2]string{
	{"votes/r0-0", "{"},
	{"votes/nobody", "\x1f\x8b\x00"},
	{"votes/r1-1", `{"instance":"r1-1","region":"r1","boot":"b","seq":1,"beat":4000000000,"votes":{"s0.example.com/r0/198.51.100.0":{"state":"sideways"}}}`},
	{"instances/x", "[]"},
	{"overrides/region/r0", `{"kind":"region","name":"r1","owner":"eve","reason":"x","created":"2026-03-01T12:00:00Z","expires":"2026-03-01T13:00:00Z"}`},
	{"overrides/region/r1", `{"kind":"region","name":"r1","owner":"eve","reason":"x","created":"2026-03-01T12:00:00Z","expires":"2126-03-01T13:00:00Z"}`},
	{"fleet/current", "zones:"},
	{"votes/" + string(rune(0)), "{}"},
}

// writeGarbage is somebody else's write. It may overwrite an instance's
// votes, which the next beat puts right.
func (s *sim) writeGarbage(f Fault) {
	s.oracle.disturb(0, s.nodes...)()
	g := garbage[f.A%len(garbage)]
	if kind, name, is := strings.Cut(strings.TrimPrefix(g[0], "overrides/"), "/"); is && strings.HasPrefix(g[0], "overrides/") {
		s.oracle.overrideEnded(regions.OverrideKind(kind), name)
	}
	if _, err := s.store.do(protocol.Request{Txn: protocol.Txn{Then: []protocol.Op{{Kind: protocol.Put, Key: prefix + g[0], Value: []byte(g[1])}}}}); err == nil {
		s.oracle.overrideWritten()
	}
}

func (s *sim) beginInstance(f Fault, n *node) (end func()) {
	switch f.Kind {
	case Crash:
		n.crash(f.B)
		return n.start
	case Restart:
		n.leave()
		return n.start
	case DiskFull:
		return up(&n.disk.full)
	case BitFlips:
		if n.disk.flip(stateFile) {
			s.oracle.flipped(n, n.disk.names[stateFile] == n.disk.names[stateFile+".prev"])
		}
		return nil
	}
	n.skew += f.By
	s.oracle.stepped(n)
	n.run()
	return nil
}

// crash ends a node's life: killed, with the power gone, or in the middle of
// the next time it saves.
func (n *node) crash(how int) {
	if !n.alive {
		return
	}
	switch how {
	case 1:
		n.die()
		n.disk.losePower()
	case 2:
		if n.judged != nil && n.judged.Ready && !n.judged.StoreLost {
			n.unsaved, n.saveAt, n.disk.quota = n.judged, n.sim.now, n.dice.below(8)
			n.save()
			n.disk.quota = -1
		}
		n.die()
		if n.dice.one(2) {
			n.disk.losePower()
		}
	default:
		n.die()
	}
}

// leave is a stop in good order: the store is told goodbye.
func (n *node) leave() {
	if !n.alive {
		return
	}
	lease, s := n.writer.Leave(), n.session
	if lease != 0 && s != nil {
		s.request(protocol.Request{Kind: protocol.Revoke, Lease: lease}, func(protocol.Reply, error) {})
	}
	n.die()
}

// heal is the end of all that is bad.
func (s *sim) heal() {
	s.say("everything heals")
	s.oracle.healed = true
	for _, n := range s.nodes {
		n.start()
	}
}
