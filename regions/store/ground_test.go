package store

import (
	"context"
	"strings"
	"testing"

	"github.com/steerdns/steerdns/regions/store/protocol"
)

// ground is a store that the contract is tried on.
type ground struct {
	endpoints []string
	connect   func(ctx context.Context, endpoints []string) (peer, error) // nil: etcd
}

// quick are the options of an instance on this ground.
func (g ground) quick(t *testing.T, instance string) Options {
	opt := quick(t, instance, g.endpoints...)
	opt.connect = g.connect
	return opt
}

// hand is what other people do to a store.
type hand struct {
	peer
	t *testing.T
}

func (g ground) hand(t *testing.T) hand {
	t.Helper()
	if g.connect == nil {
		return hand{etcd{raw(t, g.endpoints...)}, t}
	}
	p, err := g.connect(t.Context(), g.endpoints)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return hand{p, t}
}

func (h hand) do(r protocol.Request) protocol.Reply {
	h.t.Helper()
	reply, err := h.Do(h.t.Context(), r)
	if err != nil {
		h.t.Fatal(err)
	}
	return reply
}

func (h hand) commit(ops ...protocol.Op) protocol.Reply {
	h.t.Helper()
	return h.do(protocol.Request{Txn: protocol.Txn{Then: ops}})
}

// put writes and is the revision of that.
func (h hand) put(key, value string) int64 {
	h.t.Helper()
	return h.commit(protocol.Op{Kind: protocol.Put, Key: key, Value: []byte(value)}).Revision
}

func (h hand) get(key string) []protocol.Entry {
	h.t.Helper()
	return h.commit(protocol.Op{Kind: protocol.Get, Key: key}).Parts[0]
}

// compact forgets what was before a revision, unless that is forgotten.
func (h hand) compact(revision int64) {
	h.t.Helper()
	e, real := h.peer.(etcd)
	if !real {
		h.peer.(interface{ Compact(revision int64) }).Compact(revision)
		return
	}
	if _, err := e.client.Compact(h.t.Context(), revision); err != nil && !strings.Contains(err.Error(), "compacted") {
		h.t.Fatal(err)
	}
}
