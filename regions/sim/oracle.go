package sim

import (
	"slices"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/snapshot"
)

// The bounds that the oracle holds a fleet to. They follow from the pace of
// the fleet and of its network, not from how instances judge.
const (
	// counts is the longest that a vote may count after its voter thought
	// otherwise or died: three beats and the grace, and the travel of a write
	// and of a watch, slow ones included.
	counts = 3*beat + voteGrace + 2*time.Second
	// slowest is added in stories with slow or late messages; in those with
	// watches that hang, silence is.
	slowest = 3*time.Second + callTimeout + latest
	// spreads is the longest from a vote to the verdicts of all instances
	// that nothing disturbs: a pause after a failed write, a beat until a
	// ballot has moved, and the way itself.
	spreads = 5*time.Second + beat + time.Second
	// never is before all time.
	never = -time.Hour
)

// oracle knows the truth and the bounds, and watches every instance. It
// counts votes where they are cast, not where they are judged.
type oracle struct {
	sim      *sim
	counts   time.Duration // how long a vote may count in this story
	slow     time.Duration // of that, what its slow messages and silent watches add
	restores bool          // the story has a restore from a backup
	gaps     bool          // the story has watches that leave things out, or tell the old after the new
	steps    bool          // the story has a clock step
	healed   bool
	known    []*knowledge // by node
	answers  map[string]uint64
	ended    map[string]time.Duration // when an override of this key was last ended by an operator or lost
	touched  time.Duration            // when overrides last changed in the store
	swapped  time.Duration            // when the store was last replaced
}

// knowledge is what the oracle knows of one instance.
type knowledge struct {
	votes     []record // by target
	life      int
	alive     bool
	diedAt    time.Duration
	bornAt    time.Duration
	disturbed int
	calmAt    time.Duration // when the last disturbance ended, its after-effects included
	listedAt  time.Duration // when the present session had listed; never: none has
	fullAt    time.Duration // when it last listed
	awayAt    time.Duration // when it lost the store, while it has none
	stepped   time.Duration // when its clock last stepped
	contact   time.Duration // when it last heard the store
	written   time.Duration // when the store last took its votes
	informed  bool          // a picture was believed or a state restored, in this life
	restarts  bool          // the story starts it more than once

	cluster  uint64
	revision int64
	accepted uint64        // a cluster that an operator has let it believe; 0: none
	turned   time.Duration // when it last believed another cluster, or a step back
	trusting time.Duration // when it first heard a store, without any state to go by: it took all votes there for fresh
	unseen   time.Duration // when it last believed a store that was replaced while it did not hear it

	last   *regions.World // the last one, nil at the beginning of a life
	lastAt time.Duration
	left   []time.Duration // by region: when the first instance let it go of those that have it out like this one; never: it has not
	fell   []time.Duration // by region: no later than this it fell, as of when it left; never: it is not out
	outAt  []time.Duration // by region: when it last had it out, in any life
	saves  saves
}

// record is one instance's votes on one target.
type record struct {
	state    healthcheck.State
	since    time.Duration // when it became so
	lastDown time.Duration // when it last was down
}

func newOracle(s *sim) *oracle {
	return &oracle{sim: s, counts: counts, answers: map[string]uint64{}, ended: map[string]time.Duration{}, touched: never, swapped: never}
}

// begin looks at the story before it begins.
func (o *oracle) begin() {
	for range o.sim.nodes {
		k := &knowledge{votes: make([]record, len(o.sim.targets)), diedAt: never, calmAt: 0, listedAt: never, stepped: never, contact: never, turned: never, trusting: never, unseen: never, written: never}
		k.outAt = slices.Repeat([]time.Duration{never}, len(o.sim.topology.Regions))
		k.fell = slices.Repeat([]time.Duration{never}, len(o.sim.topology.Regions))
		k.left = slices.Clone(k.fell)
		for i := range k.votes {
			k.votes[i] = record{lastDown: never}
		}
		o.known = append(o.known, k)
	}
	for _, f := range o.sim.story.Faults {
		switch f.Kind {
		case StoreSlow, StoreLate, MemberLags:
			o.slow = slowest
		case StoreCut, RepliesCut, StoreDown, MemberGone:
			o.slow = max(o.slow, silence)
		case StoreRestored:
			o.restores = true
		case Compaction, DeletesLost, WatchBackward:
			o.gaps = true
		case ClockStep:
			o.steps = true
		case Crash, Restart:
			o.known[f.A].restarts = true
		}
	}
	o.counts += o.slow
}

func (o *oracle) of(n *node) *knowledge { return o.known[n.index] }

func (o *oracle) restarts(n *node) bool { return o.of(n).restarts }

// born and died note the ends of a node's life.
func (o *oracle) born(n *node) {
	k := o.of(n)
	k.alive, k.life, k.last, k.listedAt, k.informed = true, n.life, nil, never, false
	k.cluster, k.revision, k.accepted, k.contact, k.bornAt, k.awayAt = 0, 0, 0, o.sim.now, o.sim.now, o.sim.now
	for i := range k.votes {
		k.votes[i] = record{lastDown: k.votes[i].lastDown, since: o.sim.now}
	}
	for r := range k.fell {
		k.fell[r], k.left[r] = never, never
	}
	o.sim.say("%s starts", n.name)
}

func (o *oracle) died(n *node) {
	k := o.of(n)
	k.alive, k.diedAt, k.listedAt = false, o.sim.now, never
	for i := range k.votes {
		if k.votes[i].state == healthcheck.Down {
			k.votes[i].lastDown = o.sim.now
		}
	}
	o.sim.say("%s dies", n.name)
}

// voted notes a vote as its voter has it.
func (o *oracle) voted(n *node, target int, s healthcheck.State) {
	r := &o.of(n).votes[target]
	if r.state == healthcheck.Down {
		r.lastDown = o.sim.now
	}
	if r.state != s {
		o.sim.say("%s votes %s on %s", n.name, s, o.sim.targets[target].id)
		r.state, r.since = s, o.sim.now
	}
	if s == healthcheck.Down {
		r.lastDown = o.sim.now
	}
}

// disturb notes that something hinders these nodes until it is called back,
// and for a while after.
func (o *oracle) disturb(after time.Duration, nodes ...*node) (calm func()) {
	for _, n := range nodes {
		o.of(n).disturbed++
	}
	return func() {
		for _, n := range nodes {
			k := o.of(n)
			k.disturbed--
			k.calmAt = max(k.calmAt, o.sim.now+after)
		}
	}
}

// replaced notes that the store is another one.
func (o *oracle) replaced() {
	o.swapped, o.touched = o.sim.now, o.sim.now
	for _, k := range o.known {
		k.calmAt = max(k.calmAt, o.sim.now)
	}
}

func (o *oracle) stepped(n *node) { o.of(n).stepped = o.sim.now }

func (o *oracle) disconnected(n *node) {
	if k := o.of(n); k.listedAt != never {
		k.listedAt, k.awayAt = never, o.sim.now
	}
}

// listed notes a list that was taken. A store that was restored under its old
// id while the node did not hear it has only its revision to tell it by, and
// may have passed that.
func (o *oracle) listed(n *node) {
	k := o.of(n)
	if o.swapped > k.contact {
		k.unseen = o.sim.now
	}
	k.contact, k.fullAt = o.sim.now, o.sim.now
	if k.listedAt == never {
		k.listedAt = o.sim.now
		o.sim.say("%s has listed", n.name)
	}
}

// writes holds who sends votes to knowing that the store is the fleet's, and
// has its present history.
func (o *oracle) writes(n *node) {
	if k := o.of(n); k.listedAt == never || k.cluster != o.sim.store.cluster.ID() || n.state.Refused() != nil {
		o.sim.violate("rule 10", "%s writes to cluster %d, which it has not listed or does not believe", n.name, o.sim.store.cluster.ID())
	}
}

// wrote notes that the store has taken what a node wrote.
func (o *oracle) wrote(n *node) { o.of(n).written = o.sim.now }

// allowed notes the operators' word.
func (o *oracle) allowed(n *node, cluster uint64) { o.of(n).accepted = cluster }

// solid is since when nothing has stood between a node and the store; false:
// something does.
func (o *oracle) solid(n *node) (since time.Duration, ok bool) {
	k := o.of(n)
	if !k.alive || k.disturbed > 0 || k.listedAt == never || n.state.Refused() != nil || k.calmAt > o.sim.now || k.cluster != o.sim.store.cluster.ID() {
		return 0, false
	}
	return max(k.calmAt, k.listedAt, k.turned), true
}

// solidFor says whether a node has been solid for d.
func (o *oracle) solidFor(n *node, d time.Duration) bool {
	since, ok := o.solid(n)
	return ok && since <= o.sim.now-d
}

// picture holds I4: no revision is applied twice or backwards, and no other
// cluster without an operator's word.
func (o *oracle) picture(n *node, p *regions.Picture, believed bool) {
	k := o.of(n)
	k.contact = o.sim.now
	if !believed {
		o.sim.say("%s refuses revision %d of cluster %d", n.name, p.Revision, p.Cluster)
		return
	}
	other := k.cluster != 0 && p.Cluster != k.cluster
	back := k.cluster == p.Cluster && p.Revision < k.revision
	switch {
	case (other || back) && k.accepted != p.Cluster:
		o.sim.violate("I4", "%s believes revision %d of cluster %d after revision %d of cluster %d", n.name, p.Revision, p.Cluster, k.revision, k.cluster)
	case k.accepted == p.Cluster:
		k.turned, k.accepted = o.sim.now, 0
	}
	if !k.informed {
		k.trusting = o.sim.now
	}
	k.cluster, k.revision, k.informed = p.Cluster, p.Revision, true
	o.drainsTrue(n, p)
}

// saves is what is known of a node's disk.
type saves struct {
	list   []saved // all that were begun
	whole  int     // so many had been begun when the last one ended well
	before int     // the same of the one that ended well before it
	flips  int     // bits that flipped since
}

type saved struct {
	revision int64
	cluster  uint64
	world    *regions.World
}

func (o *oracle) saving(n *node, w *regions.World) {
	k := o.of(n)
	k.saves.list = append(k.saves.list, saved{revision: w.Revision, cluster: w.Cluster, world: w})
}

func (o *oracle) saved(n *node, err error) {
	if s := &o.of(n).saves; err == nil {
		s.before, s.whole, s.flips = s.whole, len(s.list), 0
	}
}

// flipped notes a bit that flipped. While both names are one file, as after a
// crash in the middle of saving, it hits both.
func (o *oracle) flipped(n *node, both bool) {
	s := &o.of(n).saves
	if s.flips++; both {
		s.whole, s.before = 0, 0
	}
}

// restored holds the disk to its promise: what comes back was saved, and is
// the last that was saved in whole, or newer; the one before it if a bit of
// it flipped.
func (o *oracle) restored(n *node, s snapshot.Snapshot, from snapshot.Source, err error) {
	k := o.of(n)
	if err != nil {
		o.sim.say("%s restores nothing: %v", n.name, err)
		if k.saves.before > 0 || k.saves.whole > 0 && k.saves.flips == 0 {
			o.sim.violate("disk", "%s saved its state %d times and can read none: %v", n.name, k.saves.whole, err)
		}
		return
	}
	oldest := max(0, k.saves.whole-1)
	if k.saves.flips > 0 {
		oldest = max(0, k.saves.before-1)
	}
	for i := len(k.saves.list) - 1; i >= oldest; i-- {
		if w := k.saves.list[i].world; w.Revision == s.Revision && w.Cluster == s.Cluster && w.Judged.Round(0).UTC().Equal(s.SavedAt) {
			k.informed, k.cluster, k.revision, k.last = true, s.Cluster, s.Revision, w
			for r := range w.Regions {
				if isOut(w, r) {
					k.left[r] = longAgo
				}
			}
			o.sim.say("%s restores revision %d (previous file: %v)", n.name, s.Revision, from.Previous)
			return
		}
	}
	o.sim.violate("disk", "%s restores revision %d, which is not what it saved last (%d saves ended well, %d bits flipped)", n.name, s.Revision, k.saves.whole, k.saves.flips)
}

// overrideWritten and overrideEnded note what operators have done.
func (o *oracle) overrideWritten() { o.touched = o.sim.now; o.someRegionStays() }

func (o *oracle) overrideEnded(kind regions.OverrideKind, name string) {
	o.touched = o.sim.now
	o.ended[string(kind)+"/"+name] = o.sim.now
}
