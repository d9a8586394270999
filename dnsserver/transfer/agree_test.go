package transfer

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steerdns/steerdns/dnsserver/tsig"
	"github.com/steerdns/steerdns/dnsserver/wire"
	"github.com/steerdns/steerdns/dnsserver/zone"
	"github.com/steerdns/steerdns/regions"
)

// member is one instance of a fleet that gives out one zone.
type member struct {
	*Server
	mu    sync.Mutex
	set   *zone.Set
	down  []int // of the world that it sees
	lost  bool
	had   *version // by watch only
	moves int
}

// offer shows the member the world as it sees it, with what the store says.
func (m *member) offer(r *register) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := world(m.down...)
	w.StoreLost = m.lost
	if !m.lost {
		w.Serials = r.serials()
	}
	m.Offer(Input{World: w, Zones: m.set, Rules: []Rule{{Zone: apex, Allow: []Allow{{Key: "k"}}}}})
}

// see changes what the member sees from its next offer on.
func (m *member) see(down []int, lost bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down, m.lost = down, lost
}

// fleet is some members that share a store.
type fleet struct {
	t       *testing.T
	store   register
	members []*member
	digests map[uint32]string // by serial, as any member ever served it
}

func newFleet(ctx context.Context, t *testing.T, n int) *fleet {
	f := &fleet{t: t, digests: map[uint32]string{}}
	for range n {
		m := &member{set: buildZone(t, 1, true, "")}
		m.Server = NewServer(Options{Instance: "i", Bind: f.store.bind, Log: slog.New(slog.DiscardHandler)})
		f.members = append(f.members, m)
		go func() { _ = m.Run(ctx) }() // returns nil when ctx ends
	}
	f.store.told = func(regions.ZoneSerial) {
		for _, m := range f.members {
			time.AfterFunc(time.Duration(rand.IntN(300))*time.Millisecond, func() { m.offer(&f.store) })
		}
	}
	return f
}

// watch looks at what all members serve: one serial is one content, and none goes back.
func (f *fleet) watch() {
	f.t.Helper()
	for i, m := range f.members {
		v := m.table.Load().versions["\x07example\x03com\x00"]
		if v == nil || v == m.had {
			continue
		}
		if m.had != nil && less(v.serial, m.had.serial) {
			f.t.Fatalf("member %d went back from %d to %d", i, m.had.serial, v.serial)
		}
		if had, known := f.digests[v.serial]; known && had != v.content.digest {
			f.t.Fatalf("serial %d has two contents", v.serial)
		}
		for _, d := range v.steps {
			if from, known := f.digests[serialOf(d.from)]; !known || from == "" {
				f.t.Fatalf("member %d has a step from %d, which nobody served", i, serialOf(d.from))
			}
		}
		f.digests[v.serial] = v.content.digest
		m.had = v
		m.moves++
	}
}

func (f *fleet) sleep(d time.Duration) {
	tick := max(50*time.Millisecond, d/200)
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(tick)
		synctest.Wait()
		f.watch()
	}
}

// Whatever members see and when, one serial is one content on all of them, no
// serial goes back, and once they see the same they serve the same.
func TestMembersAgree(t *testing.T) {
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			f, random := newFleet(ctx, t, 3), rand.New(rand.NewPCG(seed, 1))
			truth := []int(nil)
			for range 30 {
				if random.IntN(3) == 0 {
					truth = random.Perm(5)[:random.IntN(3)]
				}
				m := f.members[random.IntN(3)]
				m.see(truth, random.IntN(8) == 0)
				m.offer(&f.store)
				f.sleep(time.Duration(random.IntN(2500)) * time.Millisecond)
			}
			for _, m := range f.members {
				m.see(truth, false)
				m.offer(&f.store)
			}
			f.sleep(3 * contestMost)
			want := mustContent(t, f.members[0].set, world(truth...), true).digest
			for i, m := range f.members {
				if m.had == nil || m.had.content.digest != want || m.had.serial != f.members[0].had.serial {
					t.Fatalf("seed %d: member %d serves %+v, want digest %s", seed, i, m.had, want)
				}
			}
			stop()
			synctest.Wait()
		})
	}
}

// A change is given out soon, under the time of the change.
func TestChangesAreGivenOutSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		f := newFleet(ctx, t, 2)
		for i, down := range [][]int{nil, {0}, nil, {2, 3}} {
			for _, m := range f.members {
				m.see(down, false)
				m.offer(&f.store)
			}
			began := time.Now()
			f.sleep(3 * time.Second)
			for _, m := range f.members {
				if m.moves != i+1 || int64(m.had.serial) < began.Unix() || int64(m.had.serial) > time.Now().Unix() {
					t.Fatalf("step %d: %d versions, the last one %d at %d", i, m.moves, m.had.serial, began.Unix())
				}
			}
			f.sleep(10 * time.Second)
		}
		if last := f.members[0].had; len(last.steps) != 3 {
			t.Errorf("%d steps in the journal, want 3", len(last.steps))
		}
		stop()
		synctest.Wait()
	})
}

// Members that see different things for good do not chase one another.
func TestDisputesCalmDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		f := newFleet(ctx, t, 2)
		f.members[1].see([]int{0}, false)
		for _, m := range f.members {
			m.offer(&f.store)
		}
		f.sleep(10 * time.Minute)
		if n := len(f.store.ever); n < 2 || n > 40 {
			t.Errorf("%d bindings in 10 minutes of dispute, want 2 to 40", n)
		}
		stop()
		synctest.Wait()
	})
}

// Without the store the last version stands; a member that starts then serves
// what it remembers if that is what it sees, else nothing. A store that forgot
// everything leads no serial back.
func TestWithoutTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		f := newFleet(ctx, t, 2)
		a, b := f.members[0], f.members[1]
		f.store.told = func(regions.ZoneSerial) { a.offer(&f.store) } // b is not there yet
		a.offer(&f.store)
		f.sleep(3 * time.Second)
		first := a.had
		a.see([]int{0}, true)
		a.offer(&f.store)
		f.sleep(time.Minute)
		if a.had != first {
			t.Fatal("a new version without the store")
		}
		remembered := world(1)
		remembered.StoreLost, remembered.Serials = true, f.store.serials()
		b.Offer(Input{World: remembered, Zones: b.set, Rules: []Rule{{Zone: apex}}})
		f.sleep(time.Minute)
		if b.had != nil {
			t.Fatal("what was remembered is of another content, and was served")
		}
		remembered = world()
		remembered.StoreLost, remembered.Serials = true, f.store.serials()
		b.Offer(Input{World: remembered, Zones: b.set, Rules: []Rule{{Zone: apex}}})
		f.sleep(3 * time.Second)
		if b.had == nil || b.had.serial != first.serial {
			t.Fatalf("what was remembered is not served: %+v", b.had)
		}
		f.store.mu.Lock()
		f.store.now = nil
		f.store.mu.Unlock()
		a.see(nil, false)
		a.offer(&f.store)
		f.sleep(3 * time.Second)
		if got := f.store.serials(); len(got) != 1 || got[0].Serial != first.serial || a.had.serial != first.serial {
			t.Errorf("after the store forgot: it says %+v, a serves %d, want %d", got, a.had.serial, first.serial)
		}
		stop()
		synctest.Wait()
	})
}

// The serial in the fleet file is a lower bound, now and when it is raised.
func TestFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		f := newFleet(ctx, t, 1)
		m := f.members[0]
		for i, floor := range []uint32{1, 2026112401, 2026112401, 5} {
			m.see([]int{i}, false)
			m.mu.Lock()
			m.set = buildZone(t, floor, true, "")
			m.mu.Unlock()
			m.offer(&f.store)
			f.sleep(4 * time.Second)
			want := []int64{time.Now().Unix(), 2026112401, 2026112402, 2026112403}[i]
			if got := int64(m.had.serial); got > want || got < want-5 {
				t.Errorf("floor %d: serial %d, want about %d", floor, got, want)
			}
		}
		stop()
		synctest.Wait()
	})
}

// A cold start is SERVFAIL, as it is for steered names: who may fetch the zone
// asks again, or another instance.
func TestColdStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		f := newFleet(ctx, t, 1)
		var q wire.Query
		pkt := []byte("\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\xfc\x00\x01")
		if st := wire.Parse(pkt, &q); st != wire.OK {
			t.Fatal(st)
		}
		key := testRing(t).Find(keyName)
		rcode := func(key *tsig.Key) uint16 {
			_, rcode, _ := f.members[0].permitted(&q, netip.MustParseAddr("127.0.0.1"), key)
			return rcode
		}
		if got := rcode(key); got != wire.RcodeServFail {
			t.Errorf("before anything is known: %d", got)
		}
		w := world()
		w.Ready = false
		in := Input{World: w, Zones: f.members[0].set, Rules: []Rule{{Zone: apex, Allow: []Allow{{Key: keyName}}}}}
		f.members[0].Offer(in)
		f.sleep(3 * time.Second)
		if got := rcode(key); got != wire.RcodeServFail {
			t.Errorf("before the verdicts are known: %d", got)
		}
		if got := rcode(nil); got != wire.RcodeRefused {
			t.Errorf("somebody else: %d", got)
		}
		stop()
		synctest.Wait()
	})
}
