package store

import (
	"context"
	"errors"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/steerdns/steerdns/regions/store/protocol"
)

// peer is one connection to a store. Etcd is one; tests have another.
type peer interface {
	// Do carries one request there and its reply back. What etcd says of
	// leases, watches and leaders is one of protocol's errors.
	Do(ctx context.Context, r protocol.Request) (protocol.Reply, error)
	// Watch begins a watch on all keys with this prefix, at revision from,
	// for members with a leader only. The words end with one that has an
	// Err, or without, when ctx ends or the watch just stops.
	Watch(ctx context.Context, prefix string, from int64) <-chan protocol.Word
	// Progress asks the watches for a word.
	Progress(ctx context.Context) error
	// Lost returns when the connection fails or, once made, is lost.
	Lost(ctx context.Context) error
	Close() error
}

// etcd is a peer by etcd's own client.
type etcd struct{ client *clientv3.Client }

func (e etcd) Close() error { return e.client.Close() }

// Progress asks by the stream that the watch has, which the client knows by
// what travels with ctx.
func (e etcd) Progress(ctx context.Context) error {
	return e.client.RequestProgress(clientv3.WithRequireLeader(ctx))
}
func (e etcd) Lost(ctx context.Context) error { return guard(ctx, e.client) }

func (e etcd) Do(ctx context.Context, r protocol.Request) (protocol.Reply, error) {
	reply, err := e.do(ctx, r)
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		err = protocol.ErrLeaseNotFound
	}
	return reply, err
}

func (e etcd) do(ctx context.Context, r protocol.Request) (protocol.Reply, error) {
	lease := clientv3.LeaseID(r.Lease)
	switch r.Kind {
	case protocol.Grant:
		granted, err := e.client.Grant(ctx, int64((r.TTL+time.Second-1)/time.Second))
		if err != nil {
			return protocol.Reply{}, err
		}
		return protocol.Reply{Lease: protocol.Lease(granted.ID)}, nil
	case protocol.KeepAlive:
		_, err := e.client.KeepAliveOnce(ctx, lease)
		return protocol.Reply{}, err
	case protocol.Revoke:
		_, err := e.client.Revoke(ctx, lease)
		if errors.Is(err, rpctypes.ErrLeaseNotFound) {
			err = nil
		}
		return protocol.Reply{}, err
	}
	return e.commit(ctx, r.Txn)
}

func (e etcd) commit(ctx context.Context, t protocol.Txn) (protocol.Reply, error) {
	var conditions []clientv3.Cmp
	for _, c := range t.If {
		conditions = append(conditions, condition(c))
	}
	response, err := e.client.Txn(ctx).If(conditions...).Then(operations(t.Then)...).Else(operations(t.Else)...).Commit()
	if err != nil {
		return protocol.Reply{}, err
	}
	reply := protocol.Reply{Cluster: response.Header.ClusterId, Revision: response.Header.Revision, Succeeded: response.Succeeded}
	for _, part := range response.Responses {
		reply.Parts = append(reply.Parts, entriesOf(part))
	}
	return reply, nil
}

func condition(c protocol.Condition) clientv3.Cmp {
	how := "="
	if c.Below {
		how = "<"
	}
	cmp := clientv3.Compare(clientv3.ModRevision(c.Key), how, c.Mod)
	if c.Prefix {
		cmp = cmp.WithPrefix()
	}
	return cmp
}

func operations(from []protocol.Op) []clientv3.Op {
	list := make([]clientv3.Op, len(from))
	for i, o := range from {
		list[i] = operation(o)
	}
	return list
}

func operation(o protocol.Op) clientv3.Op {
	var opts []clientv3.OpOption
	if o.End != "" {
		opts = append(opts, clientv3.WithRange(o.End))
	}
	switch o.Kind {
	case protocol.Put:
		return clientv3.OpPut(o.Key, string(o.Value), clientv3.WithLease(clientv3.LeaseID(o.Lease)))
	case protocol.Delete:
		return clientv3.OpDelete(o.Key, append(opts, clientv3.WithPrevKV())...)
	}
	if o.Limit > 0 {
		opts = append(opts, clientv3.WithLimit(o.Limit))
	}
	if o.Last {
		opts = append(opts, clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend))
	}
	if o.Names {
		opts = append(opts, clientv3.WithKeysOnly())
	}
	if o.MinMod > 0 {
		opts = append(opts, clientv3.WithMinModRev(o.MinMod))
	}
	return clientv3.OpGet(o.Key, opts...)
}

func entriesOf(part *etcdserverpb.ResponseOp) []protocol.Entry {
	kvs := part.GetResponseRange().GetKvs()
	if deleted := part.GetResponseDeleteRange(); deleted != nil {
		kvs = deleted.PrevKvs
	}
	var list []protocol.Entry
	for _, kv := range kvs {
		list = append(list, entryOf(kv))
	}
	return list
}

func entryOf(kv *mvccpb.KeyValue) protocol.Entry {
	return protocol.Entry{Key: string(kv.Key), Value: kv.Value, Mod: kv.ModRevision, Lease: protocol.Lease(kv.Lease)}
}

// Watch translates the client's words. The client waits for the server's word
// when it opens a watch, which a server that hangs never gives: the goroutine
// waits in its place, and ends with ctx.
func (e etcd) Watch(ctx context.Context, prefix string, from int64) <-chan protocol.Word {
	words := make(chan protocol.Word)
	go func() {
		defer close(words)
		watch := e.client.Watch(clientv3.WithRequireLeader(ctx), prefix, clientv3.WithPrefix(),
			clientv3.WithRev(from), clientv3.WithProgressNotify(), clientv3.WithFragment())
		for response := range watch {
			select {
			case words <- wordOf(response):
			case <-ctx.Done():
				return
			}
		}
	}()
	return words
}

func wordOf(r clientv3.WatchResponse) protocol.Word {
	w := protocol.Word{Cluster: r.Header.ClusterId, Err: r.Err()}
	switch {
	case errors.Is(w.Err, rpctypes.ErrCompacted):
		w.Err, w.Compacted = protocol.ErrCompacted, r.CompactRevision
	case errors.Is(w.Err, rpctypes.ErrNoLeader):
		w.Err = protocol.ErrNoLeader
	}
	for _, e := range r.Events {
		w.Events = append(w.Events, protocol.Event{Gone: e.Type == clientv3.EventTypeDelete, Entry: entryOf(e.Kv)})
	}
	return w
}
