//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// want is what an answer must show of an endpoint.
type want uint8

const (
	free want = iota // nothing in particular
	in               // it is there
	out              // it is not there
	last             // it is there, behind all that are in
)

func (w want) String() string { return [...]string{"any", "in", "out", "last"}[w] }

// expectation is what an instance must do. Immutable.
type expectation struct {
	alive bool // it must answer; else nothing is asked of it
	ends  []want
}

// endpointNames are all endpoints, in the order of expectation.ends.
var endpointNames = func() (list []string) {
	for _, r := range siteRegions {
		list = append(list, r+"-web-1", r+"-web-2")
	}
	return list
}()

// endpointRegion is the region's index of an endpoint's.
func endpointRegion(endpoint int) int { return endpoint / 2 }

// endpointAt is the index of the endpoint with an address; -1: none has it.
func endpointAt(address string) int {
	for i, r := range siteRegions {
		for n := range 2 {
			if address == fmt.Sprintf("%s8%d", sitePrefix[r], n+1) {
				return 2*i + n
			}
		}
	}
	return -1
}

// places are clients, and the order in which the regions are near to them.
var places = []struct {
	name, subnet string
	near         []int
}{
	{"London", "2001:db8:10::/48", []int{2, 0, 1}},
	{"Portland", "2001:db8:20::/48", []int{1, 0, 2}},
	{"Ashburn", "2001:db8:30::/48", []int{0, 1, 2}},
	{"Tokyo", "2001:db8:40::/48", []int{1, 2, 0}},
}

// answer is what an instance answered once.
type answer struct {
	asked, at time.Time
	place     int
	fails     string // why it is no answer
	ends      []int  // endpoints, in order
	ttl       [2]uint32
}

const (
	askEvery     = 30 * time.Millisecond
	aliveTimeout = 2 * time.Second        // of one that must answer
	deadTimeout  = 100 * time.Millisecond // of one that need not
)

// watch asks one instance all the time and holds each answer to what is
// expected of it at that moment.
type watch struct {
	instance *unit
	expect   atomic.Pointer[expectation]

	mu       sync.Mutex
	recent   []answer // the last of each place, by place
	wrong    []string // guarded by mu, as all below
	present  []bool   // by endpoint, in the last answer
	moves    []move
	asked    int
	failures int // of those that count
	empty    int
}

// move is an endpoint that left an instance's answers, or came back.
type move struct {
	at       time.Time
	endpoint int
	there    bool
}

func newWatch(u *unit) *watch {
	w := &watch{instance: u, recent: make([]answer, len(places))}
	all := make([]want, len(endpointNames))
	for i := range all {
		all[i] = in
	}
	w.expect.Store(&expectation{alive: true, ends: all})
	return w
}

// change replaces the expectation by an altered copy.
func (w *watch) change(alter func(*expectation)) {
	now := *w.expect.Load()
	now.ends = slices.Clone(now.ends)
	alter(&now)
	w.expect.Store(&now)
}

func (w *watch) alive(yes bool) { w.change(func(e *expectation) { e.alive = yes }) }

// run asks until quit is closed.
func (w *watch) run(hub namespace, quit <-chan struct{}) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	var conn *dns.Conn
	for n := 0; ; n++ {
		select {
		case <-quit:
			return
		case <-tick.C:
		}
		if conn == nil {
			_ = hub.inside(func() (err error) { // an error shows below
				conn, err = question{}.dial(w.instance.address() + ":53")
				return err
			})
		}
		before := w.expect.Load()
		a := w.ask(conn, n%len(places), before.alive)
		if a.fails != "" && conn != nil { // a late reply must not meet the next question
			_ = conn.Close()
			conn = nil
		}
		w.take(a, before, w.expect.Load())
	}
}

func (w *watch) ask(conn *dns.Conn, place int, alive bool) answer {
	a := answer{asked: time.Now(), place: place}
	timeout := deadTimeout
	if alive {
		timeout = aliveTimeout
	}
	err := errors.New("no socket")
	var r reply
	if conn != nil {
		r, err = exchange(conn, question{subnet: places[place].subnet}.message(), timeout)
	}
	a.at = time.Now()
	switch {
	case err != nil:
		a.fails = err.Error()
		return a
	case r.Rcode != dns.RcodeSuccess:
		a.fails = dns.RcodeToString[r.Rcode]
		return a
	}
	a.ttl = [2]uint32{math.MaxUint32, 0}
	for _, rr := range r.Answer {
		a.ttl[0], a.ttl[1] = min(a.ttl[0], rr.Header().Ttl), max(a.ttl[1], rr.Header().Ttl)
	}
	for _, address := range r.addresses() {
		a.ends = append(a.ends, endpointAt(address))
	}
	if len(a.ends) == 0 {
		a.fails = "empty"
	}
	return a
}

// take counts an answer and judges it, unless what is expected changed while
// it was under way.
func (w *watch) take(a answer, before, after *expectation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recent[a.place] = a
	w.follow(a)
	if !before.alive || !after.alive {
		return
	}
	w.asked++
	why := a.fails
	switch {
	case why == "empty":
		w.empty++
	case why != "":
		w.failures++
	case before == after:
		why = after.judge(a)
	}
	if why == "" {
		return
	}
	if len(w.wrong) < 20 {
		w.wrong = append(w.wrong, fmt.Sprintf("%s %s, asked by %s: %s: %s", a.at.Format("15:04:05.000"), w.instance.name, places[a.place].name, why, a.text()))
	}
}

// follow notes which endpoints moved.
func (w *watch) follow(a answer) {
	if a.fails != "" {
		return
	}
	there := make([]bool, len(endpointNames))
	for _, e := range a.ends {
		if e >= 0 {
			there[e] = true
		}
	}
	for e := range there {
		if w.present != nil && w.present[e] != there[e] {
			w.moves = append(w.moves, move{a.at, e, there[e]})
		}
	}
	w.present = there
}

// shortest is the shortest time that an endpoint was out before it came back,
// and how often it moved; false: it never came back.
func (w *watch) shortest(endpoint int) (shortest time.Duration, moves int, back bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var left time.Time
	for _, m := range w.moves {
		if m.endpoint != endpoint {
			continue
		}
		moves++
		if !m.there {
			left = m.at
			continue
		}
		if length := m.at.Sub(left); !left.IsZero() && (!back || length < shortest) {
			shortest, back = length, true
		}
	}
	return shortest, moves, back
}

func (a answer) text() string {
	var list []string
	for _, e := range a.ends {
		if e < 0 {
			list = append(list, "a stranger")
			continue
		}
		list = append(list, endpointNames[e])
	}
	return strings.Join(list, " ")
}

// The TTLs of the fleet file.
const (
	siteTTLMin = 2
	siteTTLMax = 10
)

// judge tells what is wrong with an answer; "": nothing.
func (x *expectation) judge(a answer) string {
	if a.ttl[0] < siteTTLMin || a.ttl[1] > siteTTLMax {
		return fmt.Sprintf("TTL %d to %d, outside of %d to %d", a.ttl[0], a.ttl[1], siteTTLMin, siteTTLMax)
	}
	if slices.Contains(a.ends, -1) {
		return "an address that no endpoint has"
	}
	for e := range x.ends {
		if why := x.judgeEnd(a, e); why != "" {
			return why
		}
	}
	return x.judgeNear(a)
}

func (x *expectation) judgeEnd(a answer, e int) string {
	at := slices.Index(a.ends, e)
	switch x.ends[e] {
	case in:
		if at < 0 {
			return endpointNames[e] + " is missing"
		}
	case out:
		if at >= 0 {
			return endpointNames[e] + " is there"
		}
	case last:
		if at < 0 {
			return endpointNames[e] + " is missing, not last"
		}
		for i, other := range x.ends {
			if other == in && slices.Index(a.ends, i) > at {
				return endpointNames[e] + " comes before " + endpointNames[i]
			}
		}
	}
	return ""
}

// judgeNear wants the nearest region first of those that are in.
func (x *expectation) judgeNear(a answer) string {
	for _, r := range places[a.place].near {
		var has [4]int
		for e, w := range x.ends {
			if endpointRegion(e) == r {
				has[w]++
			}
		}
		switch {
		case has[in] > 0:
			if got := endpointRegion(a.ends[0]); got != r {
				return fmt.Sprintf("%s comes first, not %s", siteRegions[got], siteRegions[r])
			}
			return ""
		case has[free] > 0:
			return ""
		}
	}
	return ""
}

// shows wants the last answer of every place to be newer than since and as
// wished in these endpoints.
func (w *watch) shows(since time.Time, wish *expectation) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.recent {
		if !a.asked.After(since) {
			return fmt.Errorf("%s was not asked yet", w.instance.name)
		}
		why := a.fails
		if why == "" {
			why = wish.judge(a)
		}
		if why != "" {
			return fmt.Errorf("%s, asked by %s: %s: %s", w.instance.name, places[a.place].name, why, a.text())
		}
	}
	return nil
}

// mistakes is all that was wrong so far.
func (w *watch) mistakes() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.wrong)
}
