package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/steerdns/steerdns/regions"
)

// overrideGrace is how much longer than an override its lease lives. The
// override ends by its own time; the lease only sweeps.
const overrideGrace = time.Minute

// PutOverride writes an override by compare-and-swap.
//
// An unexpired override of the same kind and name is a *ConflictError unless
// replace is set. basis is the revision of the picture in which the caller
// has checked the precondition: when any override was written after it, the
// error is ErrStale, so that of two operators who drain the last two regions
// one sees the other. A negative basis skips that. Created is stamped when
// zero; the override must not have expired.
func (s *Store) PutOverride(ctx context.Context, o regions.Override, basis int64, replace bool) error {
	now := time.Now()
	if o.Created.IsZero() {
		o.Created = now
	}
	o.Created, o.Expires = o.Created.Round(0).UTC(), o.Expires.Round(0).UTC()
	if err := checkOverride(o); err != nil {
		return invalidError{fmt.Errorf("override: %w", err)}
	}
	if !o.Expires.After(now) {
		return invalidError{errors.New("override: it has expired already")}
	}
	return s.call(ctx, func(ctx context.Context, client *clientv3.Client) error {
		return s.putOverride(ctx, client, o, basis, replace)
	})
}

func (s *Store) putOverride(ctx context.Context, client *clientv3.Client, o regions.Override, basis int64, replace bool) error {
	lease, err := client.Grant(ctx, int64((time.Until(o.Expires)+overrideGrace)/time.Second)+1)
	if err != nil {
		return err
	}
	for range attempts {
		done, err := s.swapOverride(ctx, client, o, lease.ID, basis, replace)
		if done && err == nil {
			return nil
		}
		if err != nil {
			sweepLease(ctx, client, lease.ID)
			return err
		}
	}
	sweepLease(ctx, client, lease.ID)
	return fmt.Errorf("%w, %d times in a row", ErrConflict, attempts)
}

// swapOverride is one attempt; done is false when the key was written between
// reading and writing.
func (s *Store) swapOverride(ctx context.Context, client *clientv3.Client, o regions.Override,
	lease clientv3.LeaseID, basis int64, replace bool) (done bool, err error) {
	key, folder := s.keys.override(o.Kind, o.Name), s.opt.Prefix+overridesFolder
	existing, mod, err := s.override(ctx, client, key)
	if err != nil {
		return false, err
	}
	if existing != nil && existing.Expires.After(time.Now()) && !replace {
		return false, &ConflictError{Existing: *existing}
	}
	data, err := pack(o)
	if err != nil {
		return false, err
	}
	conditions := []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(key), "=", mod)}
	if basis >= 0 {
		conditions = append(conditions, clientv3.Compare(clientv3.ModRevision(folder), "<", basis+1).WithPrefix())
	}
	response, err := client.Txn(ctx).If(conditions...).
		Then(clientv3.OpPut(key, string(data), clientv3.WithLease(lease))).
		Else(clientv3.OpGet(folder, clientv3.WithPrefix(), clientv3.WithMinModRev(max(basis+1, 0)), clientv3.WithLimit(1))).
		Commit()
	if err != nil || response.Succeeded {
		return err == nil, err
	}
	if newer := response.Responses[0].GetResponseRange().GetKvs(); basis >= 0 && len(newer) > 0 {
		return false, s.stale(string(newer[0].Key), newer[0].Value, o, replace)
	}
	return false, nil
}

// stale says which override the caller has not seen: its own kind and name is
// a conflict, another one makes the precondition stale.
func (s *Store) stale(key string, value []byte, o regions.Override, replace bool) error {
	_, p := s.keys.decode(key, value)
	if p.override == nil {
		return fmt.Errorf("%w: %s", ErrStale, s.keys.relative(key))
	}
	other := *p.override
	if other.Kind == o.Kind && other.Name == o.Name && !replace {
		return &ConflictError{Existing: other}
	}
	return fmt.Errorf("%w: %s drained %s %s (%s)", ErrStale, other.Owner, other.Kind, other.Name, other.Reason)
}

// override reads one override and the revision that wrote it. One that cannot
// be believed counts as none, and may be written over.
func (s *Store) override(ctx context.Context, client *clientv3.Client, key string) (*regions.Override, int64, error) {
	response, err := client.Get(ctx, key)
	if err != nil || len(response.Kvs) == 0 {
		return nil, 0, err
	}
	_, p := s.keys.decode(key, response.Kvs[0].Value)
	return p.override, response.Kvs[0].ModRevision, nil
}

// DeleteOverride ends an override and returns it; false when there was none.
// One that could not be believed is deleted too, with only Kind and Name.
func (s *Store) DeleteOverride(ctx context.Context, kind regions.OverrideKind, name string) (regions.Override, bool, error) {
	gone, found := regions.Override{Kind: kind, Name: name}, false
	err := s.call(ctx, func(ctx context.Context, client *clientv3.Client) error {
		key := s.keys.override(kind, name)
		response, err := client.Delete(ctx, key, clientv3.WithPrevKV())
		if err != nil || len(response.PrevKvs) == 0 {
			return err
		}
		found = true
		if _, p := s.keys.decode(key, response.PrevKvs[0].Value); p.override != nil {
			gone = *p.override
		}
		sweepLease(ctx, client, clientv3.LeaseID(response.PrevKvs[0].Lease))
		return nil
	})
	return gone, found, err
}

// sweepLease gives a lease back that no key hangs on. Should that fail, it
// ends by itself.
func sweepLease(ctx context.Context, client *clientv3.Client, lease clientv3.LeaseID) {
	if lease == 0 {
		return
	}
	left, err := client.TimeToLive(ctx, lease, clientv3.WithAttachedKeys())
	if err == nil && left.TTL > 0 && len(left.Keys) == 0 {
		_, _ = client.Revoke(ctx, lease)
	}
}
