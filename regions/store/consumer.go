package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/steerdns/steerdns/regions"
)

// progressTimeout bounds asking for progress; the client blocks there while
// its stream is down.
const progressTimeout = time.Second

// consumer follows the store through sessions and publishes pictures.
type consumer struct {
	store   *Store
	mirror  *mirror // owned by run
	publish func(*regions.Picture)
	told    map[string]int64 // rejections that were logged: key and the revision that wrote it
	listed  bool             // this session has listed
}

func newConsumer(s *Store, publish func(*regions.Picture)) *consumer {
	return &consumer{store: s, mirror: newMirror(s.keys), publish: publish, told: map[string]int64{}}
}

// run reads until something breaks.
func (c *consumer) run(ctx context.Context, client *clientv3.Client) error {
	for {
		err := c.follow(ctx, client)
		if !errors.Is(err, errRelist) {
			return err
		}
		c.store.opt.Log.Info("store: listing again", "reason", err)
		pause(ctx, shortestPause)
	}
}

// follow lists, then watches from there. errRelist: do it again.
func (c *consumer) follow(ctx context.Context, client *clientv3.Client) error {
	if err := c.list(ctx, client); err != nil {
		return err
	}
	watching, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	watch := c.open(watching, cancel, client)
	silence := time.NewTimer(c.store.opt.Silence)
	defer silence.Stop()
	relist := time.NewTimer(vary(c.store.opt.Relist))
	defer relist.Stop()
	ask := time.NewTicker(max(c.store.opt.Silence/4, time.Millisecond))
	defer ask.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case response, open := <-watch:
			if !open {
				return errWatch
			}
			silence.Reset(c.store.opt.Silence)
			if err := c.hear(response); err != nil {
				return err
			}
		case <-ask.C:
			askProgress(watching, client)
		case <-relist.C:
			relist.Reset(vary(c.store.opt.Relist))
			if err := c.list(ctx, client); err != nil {
				return err
			}
		case <-silence.C:
			if len(watch) == 0 {
				return fmt.Errorf("the watch is silent for %v", c.store.opt.Silence)
			}
		}
	}
}

// errWatch is the end of a watch that gives no reason, or its never starting.
var errWatch = errors.New("the watch ended or was never answered")

// open starts the watch. The client waits for the server's word there, which
// a server that hangs never gives: then the watch is cancelled, thus closed.
func (c *consumer) open(ctx context.Context, cancel func(), client *clientv3.Client) clientv3.WatchChan {
	c.store.count.watches.Add(1)
	late := time.AfterFunc(c.store.opt.Silence, cancel)
	defer late.Stop()
	return client.Watch(ctx, c.store.opt.Prefix, clientv3.WithPrefix(),
		clientv3.WithRev(c.mirror.revision+1), clientv3.WithProgressNotify(), clientv3.WithFragment())
}

// askProgress makes a healthy watch say something. An error shows as silence.
func askProgress(ctx context.Context, client *clientv3.Client) {
	ctx, cancel := context.WithTimeout(ctx, progressTimeout)
	defer cancel()
	_ = client.RequestProgress(ctx)
}

// hear takes one watch response.
func (c *consumer) hear(response clientv3.WatchResponse) error {
	c.store.report.contact()
	switch err := response.Err(); {
	case errors.Is(err, rpctypes.ErrCompacted):
		return fmt.Errorf("%w: compacted up to revision %d", errRelist, response.CompactRevision)
	case errors.Is(err, rpctypes.ErrNoLeader):
		return errors.New("this member has no leader")
	case err != nil:
		return fmt.Errorf("the watch was cancelled: %w", err)
	case len(response.Events) == 0:
		return nil // progress: a sign of life, and nothing more
	}
	changed, err := c.mirror.apply(response.Header.ClusterId, events(response.Events))
	if err != nil {
		return err
	}
	c.tell(changed)
	return nil
}

func events(from []*clientv3.Event) []event {
	list := make([]event, len(from))
	for i, e := range from {
		list[i] = event{gone: e.Type == clientv3.EventTypeDelete}
		list[i].entry = entry{key: string(e.Kv.Key), value: e.Kv.Value, mod: e.Kv.ModRevision}
	}
	return list
}

// list reads all but the history in one transaction: at one revision.
func (c *consumer) list(ctx context.Context, client *clientv3.Client) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c.store.count.relists.Add(1)
	prefix := c.store.opt.Prefix
	response, err := client.Txn(ctx).Then(
		clientv3.OpGet(prefix+currentKey),
		clientv3.OpGet(prefix+votesFolder, clientv3.WithPrefix(), clientv3.WithLimit(maxBallots+1)),
		clientv3.OpGet(prefix+instancesFolder, clientv3.WithPrefix(), clientv3.WithLimit(maxInstances+1)),
		clientv3.OpGet(prefix+overridesFolder, clientv3.WithPrefix(), clientv3.WithLimit(maxOverrides+1)),
	).Commit()
	if err != nil {
		return err
	}
	var all []entry
	for _, part := range response.Responses {
		for _, kv := range part.GetResponseRange().GetKvs() {
			all = append(all, entry{key: string(kv.Key), value: kv.Value, mod: kv.ModRevision})
		}
	}
	if id := response.Header.ClusterId; c.mirror.behind && c.store.allowed.CompareAndSwap(id, 0) {
		c.mirror = newMirror(c.mirror.keys)
	}
	changed, err := c.mirror.replace(response.Header.ClusterId, response.Header.Revision, all)
	if err != nil {
		return err
	}
	c.arrived()
	c.tell(changed)
	return nil
}

// arrived notes that a list has come in.
func (c *consumer) arrived() {
	if !c.listed {
		c.store.opt.Log.Info("store connected", "cluster", fmt.Sprintf("%x", c.mirror.cluster), "revision", c.mirror.revision)
	}
	c.listed = true
	c.store.report.connected(c.mirror.cluster, c.mirror.revision)
}

// tell publishes a picture when anything has changed.
func (c *consumer) tell(changed bool) {
	if !changed {
		return
	}
	c.logRejected()
	c.store.count.pictures.Add(1)
	if c.publish != nil {
		c.publish(c.mirror.picture())
	}
	c.store.report.connected(c.mirror.cluster, c.mirror.revision)
}

// logRejected logs what was refused, once for each revision that wrote it.
func (c *consumer) logRejected() {
	now := map[string]int64{}
	for key, h := range c.mirror.held {
		if len(h.value.rejected) == 0 {
			continue
		}
		now[key] = h.mod
		if c.told[key] != h.mod {
			c.store.count.rejected.Add(uint64(len(h.value.rejected)))
		}
		if _, known := c.told[key]; !known {
			first := h.value.rejected[0]
			c.store.opt.Log.Warn("store: value refused", "key", first.Key, "reason", first.Reason, "refused", len(h.value.rejected))
		}
	}
	c.told = now
}
