package sim

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/store/protocol"
)

// The pace of every fleet in a story: about a third of the defaults, so that
// a story of a minute has time for everything.
const (
	probeEvery   = 2 * time.Second
	probeTimeout = 500 * time.Millisecond
	fall, rise   = 2, 2
	beat         = 5 * time.Second
	leaseTTL     = 15 * time.Second
	relist       = 20 * time.Second
	silence      = 6 * time.Second
	coalesce     = 100 * time.Millisecond
	judgeEvery   = 100 * time.Millisecond
	voteGrace    = 2 * time.Second
	storeGrace   = 5 * time.Second
	callTimeout  = 5 * time.Second
	savePause    = 2 * time.Second
	saveEvery    = 30 * time.Second

	ttlMin, ttlMax = 5, 60
	members        = 3
)

// target is one endpoint, and whether it truly answers.
type target struct {
	service, endpoint int
	id                string
	region            int
	down              int // faults that keep it from answering
	flaps             int // faults that let it answer every other time
	flapEvery         time.Duration
}

func (t *target) answers(now time.Duration) bool {
	if t.down > 0 {
		return false
	}
	return t.flaps == 0 || (now/t.flapEvery)%2 == 0
}

// sim is one story under way. Nothing in it runs at the same time as anything
// else.
type sim struct {
	story    Story
	now      time.Duration
	queue    queue
	topology *regions.Topology
	check    healthcheck.Check
	targets  []target
	nodes    []*node
	cut      [8][8]int // probes from region to region: faults in the way
	store    *storeSide
	net      *dice
	oracle   *oracle
	memo     *protocol.Memo
	trace    func(format string, args ...any) // nil: nobody listens
	steps    int
	violated *Violation
}

// Result is what became of a story.
type Result struct {
	Violation *Violation // nil: all invariants held
	Steps     int        // events that happened
}

// Violation says which rule did not hold.
type Violation struct {
	Rule string
	At   time.Duration
	What string
}

func (v *Violation) String() string { return fmt.Sprintf("%s: %s: %s", stamp(v.At), v.Rule, v.What) }

// Run lives through a story and checks the invariants after every step.
func Run(s Story) Result { return run(s, nil) }

// Tell is Run with a line to say for everything of note.
func Tell(s Story, say func(line string)) Result {
	return run(s, func(format string, args ...any) { say(fmt.Sprintf(format, args...)) })
}

func run(story Story, trace func(string, ...any)) Result {
	s := newSim(story, trace)
	end := story.Length
	if story.Settle {
		s.at(story.Length, s.heal)
		end += settleTime
	}
	for !s.queue.empty() && s.violated == nil {
		e := s.queue.pop()
		if e.at > end {
			break
		}
		s.now = e.at
		s.steps++
		if e.node != nil {
			e.node.wake(e.at)
		} else {
			e.do()
		}
	}
	if s.violated == nil && story.Settle {
		s.now = end
		s.oracle.settled()
	}
	return Result{Violation: s.violated, Steps: s.steps}
}

func newSim(story Story, trace func(string, ...any)) *sim {
	s := &sim{story: story, trace: trace, net: newDice(story.Seed, 2), memo: protocol.NewMemo()}
	s.topology = s.newTopology()
	s.store = newStoreSide(s)
	s.oracle = newOracle(s)
	for r, n := range story.Shape.Instances {
		for range n {
			s.nodes = append(s.nodes, newNode(s, len(s.nodes), r))
		}
	}
	s.oracle.begin()
	for _, n := range s.nodes {
		s.at(n.dice.span(0, 500*time.Millisecond), func() { n.start() })
	}
	for _, f := range story.Faults {
		s.at(f.At, func() { s.apply(f) })
	}
	s.at(time.Second, s.tick)
	return s
}

// tick looks at what no event makes happen.
func (s *sim) tick() {
	s.oracle.tick()
	s.accept()
	s.keepBackup()
	s.at(s.now+time.Second, s.tick)
}

// keepBackup takes a backup now and then in a story that restores one.
func (s *sim) keepBackup() {
	if s.oracle.restores && s.now%(4*time.Second) == 0 {
		s.store.backups = append(s.store.backups, backup{at: s.now, cluster: s.store.cluster.Backup()})
	}
}

func (s *sim) at(when time.Duration, do func()) { s.queue.push(event{at: when, do: do}) }

func (s *sim) after(d time.Duration, do func()) { s.at(s.now+d, do) }

func (s *sim) say(format string, args ...any) {
	if s.trace != nil {
		s.trace("%s  %s", stamp(s.now), fmt.Sprintf(format, args...))
	}
}

// violate notes the first rule that did not hold.
func (s *sim) violate(rule, format string, args ...any) {
	if s.violated == nil {
		s.violated = &Violation{Rule: rule, At: s.now, What: fmt.Sprintf(format, args...)}
		s.say("VIOLATION %s", s.violated)
	}
}

var points = []geo.Point{{Lat: 39, Lon: -77}, {Lat: 53, Lon: -6}, {Lat: 19, Lon: 73}, {Lat: -23, Lon: -46}, {Lat: 45, Lon: -120}}

func (s *sim) newTopology() *regions.Topology {
	shape := s.story.Shape
	t := &regions.Topology{Hash: "0123456789abcdef", Brake: shape.Brake, Damping: shape.Damping}
	for r := range shape.Instances {
		t.Regions = append(t.Regions, regions.Region{
			Name: fmt.Sprintf("r%d", r), At: points[r], Country: "US", Continent: "NA", Capacity: 1, MinUp: shape.MinUp, Recovery: shape.Recovery,
		})
	}
	s.check = healthcheck.Check{
		Name: "check", Kind: healthcheck.TCP, Port: 80, Interval: probeEvery, Timeout: probeTimeout, Fall: fall, Rise: rise,
	}
	for svc := range shape.Services {
		t.Services = append(t.Services, s.newService(svc))
	}
	return t
}

func (s *sim) newService(svc int) regions.Service {
	shape := s.story.Shape
	name := fmt.Sprintf("s%d.example.com", svc)
	service := regions.Service{
		Name: name + ".", TTLMin: ttlMin, TTLMax: ttlMax, Check: s.check, AllDown: shape.AllDown, Policy: regions.DefaultPolicy(),
	}
	if shape.Needs && svc == 1 {
		service.Needs = []int{0}
	}
	if shape.AllDown == regions.Fallback {
		service.Fallback = []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, 250})}
	}
	for r := range shape.Instances {
		for e := range shape.Endpoints {
			addr := netip.AddrFrom4([4]byte{198, 51, 100, byte(64*svc + 8*r + e)})
			ep := regions.Endpoint{ID: fmt.Sprintf("%s/r%d/%s", name, r, addr), Region: r, Addr: addr, Weight: 1}
			s.targets = append(s.targets, target{service: svc, endpoint: len(service.Endpoints), id: ep.ID, region: r, flapEvery: time.Second})
			service.Endpoints = append(service.Endpoints, ep)
		}
	}
	return service
}

func timing(d *dice) protocol.Timing {
	return protocol.Timing{Beat: beat, LeaseTTL: leaseTTL, Relist: relist, Silence: silence, Coalesce: coalesce, Draw: d.draw}
}
