package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/steerdns/steerdns/regions/sim/simetcd"
	"github.com/steerdns/steerdns/regions/store/protocol"
)

// TestSimulationAnswersLikeEtcd asks etcd and the simulated one the same
// random requests, and holds every reply and the whole history to each other.
func TestSimulationAnswersLikeEtcd(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	server.start()
	real, sim := etcd{raw(t, server.at)}, simetcd.New(1)
	a := &asker{random: rand.New(rand.NewPCG(1, 2)), leases: []pair{{}}}
	for i := range 500 {
		n, r := a.request()
		ours := r
		ours.Lease = a.leases[n].sim
		ours.Txn.Then, ours.Txn.Else = a.ours(r.Txn.Then), a.ours(r.Txn.Else)
		want, wantErr := real.Do(t.Context(), r)
		got, gotErr := sim.Do(time.Now(), ours)
		if (wantErr == nil) != (gotErr == nil) || errors.Is(wantErr, protocol.ErrLeaseNotFound) != errors.Is(gotErr, protocol.ErrLeaseNotFound) {
			t.Fatalf("request %d, %+v: etcd says %v, the simulation %v", i, r, wantErr, gotErr)
		}
		if r.Kind == protocol.Grant {
			a.leases = append(a.leases, pair{want.Lease, got.Lease})
		}
		if r.Kind == protocol.Commit && wantErr == nil {
			a.compare(t, fmt.Sprintf("request %d, %+v", i, r), want, got)
		}
	}
	a.compareHistory(t, real, sim)
}

// asker makes requests about few keys, so that they meet.
type asker struct {
	random *rand.Rand
	leases []pair // the first is none
}

// pair is one lease as both call it.
type pair struct{ etcd, sim protocol.Lease }

func (a *asker) request() (lease int, r protocol.Request) {
	lease = a.random.IntN(len(a.leases))
	r.Lease = a.leases[lease].etcd
	switch a.random.IntN(12) {
	case 0:
		return lease, protocol.Request{Kind: protocol.Grant, TTL: time.Hour}
	case 1:
		if lease > 0 {
			return lease, protocol.Request{Kind: protocol.KeepAlive, Lease: r.Lease}
		}
	case 2:
		if lease > 0 {
			return lease, protocol.Request{Kind: protocol.Revoke, Lease: r.Lease}
		}
	}
	r.Txn = protocol.Txn{If: a.conditions(), Then: a.ops(), Else: a.ops()}
	return lease, r
}

func (a *asker) key(n int) string { return fmt.Sprintf("/%c/%c", 'a'+n/3, 'a'+n%3) }

func (a *asker) conditions() []protocol.Condition {
	var list []protocol.Condition
	for range a.random.IntN(3) {
		c := protocol.Condition{Key: a.key(a.random.IntN(6)), Below: a.random.IntN(2) == 0, Mod: a.random.Int64N(300)}
		if a.random.IntN(3) == 0 {
			c.Key, c.Prefix = "/a/", true
		}
		if a.random.IntN(3) == 0 {
			c.Mod = 0
		}
		list = append(list, c)
	}
	return list
}

// ops are about different keys: etcd takes no key twice.
func (a *asker) ops() []protocol.Op {
	var list []protocol.Op
	for _, n := range a.random.Perm(6)[:a.random.IntN(4)] {
		op := protocol.Op{Key: a.key(n)}
		switch a.random.IntN(4) {
		case 0:
			op.Kind = protocol.Delete
		case 1, 2:
			op.Kind, op.Value = protocol.Put, fmt.Append(nil, a.random.IntN(1000))
			op.Lease = a.leases[a.random.IntN(len(a.leases))].etcd
		}
		list = append(list, op)
	}
	if a.random.IntN(2) == 0 {
		op := protocol.Op{Limit: a.random.Int64N(4), Last: a.random.IntN(2) == 0, Names: a.random.IntN(2) == 0, MinMod: a.random.Int64N(100)}
		op.Key, op.End = protocol.Folder([]string{"/a/", "/b/", "/"}[a.random.IntN(3)])
		list = append(list, op)
	}
	return list
}

// ours is the operations with the simulation's names of leases.
func (a *asker) ours(ops []protocol.Op) []protocol.Op {
	var list []protocol.Op
	for _, op := range ops {
		op.Lease = a.translate(op.Lease)
		list = append(list, op)
	}
	return list
}

func (a *asker) translate(lease protocol.Lease) protocol.Lease {
	for _, p := range a.leases {
		if p.etcd == lease {
			return p.sim
		}
	}
	return -1
}

func (a *asker) entry(e protocol.Entry) string {
	return fmt.Sprintf("%s=%s at %d under %d", e.Key, e.Value, e.Mod, e.Lease)
}

func (a *asker) compare(t *testing.T, what string, want, got protocol.Reply) {
	t.Helper()
	var theirs, ours []string
	for _, part := range want.Parts {
		for _, e := range part {
			e.Lease = a.translate(e.Lease)
			theirs = append(theirs, a.entry(e))
		}
		theirs = append(theirs, "-")
	}
	for _, part := range got.Parts {
		for _, e := range part {
			ours = append(ours, a.entry(e))
		}
		ours = append(ours, "-")
	}
	if want.Revision != got.Revision || want.Succeeded != got.Succeeded || !reflect.DeepEqual(theirs, ours) {
		t.Fatalf("%s:\netcd at %d, %v: %q\nsimulation at %d, %v: %q", what, want.Revision, want.Succeeded, theirs, got.Revision, got.Succeeded, ours)
	}
}

// compareHistory watches both from the beginning.
func (a *asker) compareHistory(t *testing.T, real etcd, sim *simetcd.Cluster) {
	var ours, theirs []string
	for _, w := range sim.Poll(simetcd.NewWatch("/", 1)) {
		for _, e := range w.Events {
			ours = append(ours, fmt.Sprint(e.Gone, a.entry(e.Entry)))
		}
	}
	words := real.Watch(t.Context(), "/", 1)
	for len(theirs) < len(ours) {
		word := <-words
		if word.Err != nil {
			t.Fatal(word.Err)
		}
		for _, e := range word.Events {
			e.Lease = a.translate(e.Lease)
			theirs = append(theirs, fmt.Sprint(e.Gone, a.entry(e.Entry)))
		}
	}
	if len(ours) < 100 || !reflect.DeepEqual(ours, theirs) {
		t.Errorf("histories of %d and %d events differ", len(theirs), len(ours))
	}
}
