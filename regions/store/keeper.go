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

// keeper writes this instance's votes and keeps its lease alive, for one
// session. Its failures are reported and tried again; they never end the
// session, for reading may well go on.
type keeper struct {
	store   *Store
	client  *clientv3.Client
	pace    pace
	retry   backoff
	fresh   bool      // everything is to be written: nothing was in this session, or the last attempt failed
	written uint64    // the outbox's changes that are written
	beat    time.Time // when the next write is due without any change
	alive   time.Time // when the lease was last kept alive
	held    time.Time // not before then, after a failure

	instance *regions.Instance // what is written under the present lease
}

func newKeeper(s *Store, client *clientv3.Client) *keeper {
	return &keeper{store: s, client: client, fresh: true, pace: pace{gap: s.opt.Coalesce}}
}

func (k *keeper) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-k.store.out.wake:
		case <-timer.C:
		}
		if due, now := k.due(), time.Now(); !due.After(now) {
			k.write(ctx, now)
		}
		timer.Reset(time.Until(k.due()))
	}
}

// due is when to write next.
func (k *keeper) due() time.Time {
	due := k.beat
	if _, _, changes := k.store.out.content(); k.fresh || changes != k.written {
		due = k.pace.earliest()
	}
	if k.held.After(due) {
		due = k.held
	}
	return due
}

// write writes all there is, once, and notes how that went.
func (k *keeper) write(ctx context.Context, now time.Time) {
	k.pace.wrote(now)
	k.beat = now.Add(k.store.opt.VoteBeat * 9 / 10).Add(-vary(k.store.opt.VoteBeat / 10))
	err := k.round(ctx, now)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		k.store.count.failures.Add(1)
		k.held = now.Add(min(k.retry.next(), k.store.opt.VoteBeat))
		k.fresh = true
		err = k.store.explain(err, k.client.Endpoints(), time.Since(now))
		k.store.report.writes(fmt.Sprintf("votes cannot be written: %v", err))
		return
	}
	k.retry.reset()
	k.store.report.writes("")
}

// round is one attempt under the right to write.
func (k *keeper) round(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := k.store.acquire(ctx); err != nil {
		return err
	}
	defer k.store.release()
	ballot, instance, changes := k.store.out.content()
	if k.store.mine.left || k.store.opt.Instance == "" || ballot == nil && instance == nil {
		k.fresh, k.written = false, changes
		return nil
	}
	err := k.put(ctx, now, ballot, instance)
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		k.store.mine.lease = 0
		err = k.put(ctx, now, ballot, instance)
	}
	if err == nil {
		k.fresh, k.written = false, changes
		k.store.count.writes.Add(1)
	}
	return err
}

// put keeps or makes the lease and writes both values under it. Packing comes
// first: it may take a while, and a lease does not wait.
func (k *keeper) put(ctx context.Context, now time.Time, b *regions.Ballot, i *regions.Instance) error {
	mine, values := &k.store.mine, map[string][]byte{}
	if b != nil {
		mine.seq++
		stamped := *b
		stamped.Seq = mine.seq
		if err := k.pack(values, k.store.keys.votes(b.Instance), stamped); err != nil {
			return err
		}
	}
	if i != nil && (i != k.instance || k.fresh || mine.lease == 0) {
		if err := k.pack(values, k.store.keys.instance(i.Name), i); err != nil {
			return err
		}
	}
	if err := k.keepLease(ctx, now); err != nil {
		return err
	}
	if err := k.commit(ctx, values); err != nil {
		return err
	}
	k.instance = i
	return nil
}

func (k *keeper) pack(values map[string][]byte, key string, value any) error {
	data, err := pack(value)
	if err == nil && len(data) > maxRequest/2 {
		err = fmt.Errorf("%s: %d bytes packed are too many for etcd", k.store.keys.relative(key), len(data))
	}
	values[key] = data
	return err
}

// commit writes, and notices when somebody else has written our ballot since
// we did: two processes of one name.
func (k *keeper) commit(ctx context.Context, values map[string][]byte) error {
	if len(values) == 0 {
		return nil // the lease was kept, which was all
	}
	mine := &k.store.mine
	var ops []clientv3.Op
	for key, data := range values {
		ops = append(ops, clientv3.OpPut(key, string(data), clientv3.WithLease(mine.lease)))
	}
	key := k.store.keys.votes(k.store.opt.Instance)
	ours := clientv3.Compare(clientv3.ModRevision(key), "=", mine.written)
	response, err := k.client.Txn(ctx).If(ours).Then(ops...).Else(ops...).Commit()
	if err != nil {
		return err
	}
	if !response.Succeeded && mine.written != 0 {
		k.store.opt.Log.Error("another process writes the votes of this instance: give each its own name", "instance", k.store.opt.Instance)
	}
	if _, voted := values[key]; voted {
		mine.written = response.Header.Revision
	}
	return nil
}

// keepLease makes a lease when there is none, and renews it on the beat.
func (k *keeper) keepLease(ctx context.Context, now time.Time) error {
	mine := &k.store.mine
	if mine.lease == 0 {
		grant, err := k.client.Grant(ctx, int64((k.store.opt.LeaseTTL+time.Second-1)/time.Second))
		if err != nil {
			return err
		}
		mine.lease, mine.written, k.alive = grant.ID, 0, now
		return nil
	}
	if now.Sub(k.alive) < k.store.opt.VoteBeat/2 {
		return nil
	}
	if _, err := k.client.KeepAliveOnce(ctx, mine.lease); err != nil {
		return err
	}
	k.alive = now
	return nil
}

// acquire waits for the right to write under this instance's lease.
func (s *Store) acquire(ctx context.Context) error {
	select {
	case s.writing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) release() { <-s.writing }

// Leave says goodbye: it revokes the lease, so that this instance's votes and
// its entry are gone at once, and nothing is written afterwards. It may be
// called before or after the end of Run.
func (s *Store) Leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := s.acquire(ctx); err != nil {
		return fmt.Errorf("leaving the fleet: a write is still under way: %w", err)
	}
	defer s.release()
	s.mine.left = true
	if s.mine.lease == 0 {
		return nil
	}
	err := s.call(ctx, func(ctx context.Context, client *clientv3.Client) error {
		_, err := client.Revoke(ctx, s.mine.lease)
		if errors.Is(err, rpctypes.ErrLeaseNotFound) {
			return nil
		}
		return err
	})
	if err == nil {
		s.mine.lease = 0
	}
	return err
}
