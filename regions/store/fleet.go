package store

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/steerdns/steerdns/regions"
)

// HistoryKept is how many applied fleet files are kept.
const HistoryKept = 50

// attempts is how often a compare-and-swap is tried again when the caller
// does not care who came first.
const attempts = 5

// call runs one of the operator's requests through a client of its own, so
// that it neither depends on nor disturbs the session, within the deadline of
// ctx or 5 s.
func (s *Store) call(ctx context.Context, do func(context.Context, *clientv3.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	began := time.Now()
	endpoints := s.opt.Remote.Endpoints
	client, err := s.dial(ctx, endpoints)
	if err == nil {
		defer client.Close()
		err = do(ctx, client)
	}
	if err == nil || ours(err) {
		return err
	}
	return s.explain(err, endpoints, time.Since(began))
}

// CurrentFleet is the applied fleet file, nil when none is.
func (s *Store) CurrentFleet(ctx context.Context) (*regions.FleetFile, error) {
	var f *regions.FleetFile
	err := s.call(ctx, func(ctx context.Context, client *clientv3.Client) (err error) {
		f, _, err = s.current(ctx, client)
		return err
	})
	return f, err
}

// current reads the applied fleet file and the revision that wrote it.
func (s *Store) current(ctx context.Context, client *clientv3.Client) (*regions.FleetFile, int64, error) {
	response, err := client.Get(ctx, s.keys.current())
	if err != nil || len(response.Kvs) == 0 {
		return nil, 0, err
	}
	kv := response.Kvs[0]
	_, p := s.keys.decode(string(kv.Key), kv.Value)
	if p.fleet == nil {
		return nil, kv.ModRevision, refusedError{p.rejected[0]}
	}
	return p.fleet, kv.ModRevision, nil
}

// Apply makes f the applied fleet file, in one transaction with its entry in
// the history. expect is the N of the file that f was made from, 0 for none,
// -1 for whatever is there; another one is a *FleetConflictError. N is
// stamped, and At when it is zero. The stored file is returned.
func (s *Store) Apply(ctx context.Context, f regions.FleetFile, expect int64) (regions.FleetFile, error) {
	if f.At.IsZero() {
		f.At = time.Now()
	}
	f.At = f.At.Round(0).UTC()
	err := s.call(ctx, func(ctx context.Context, client *clientv3.Client) error {
		for range attempts {
			done, err := s.applyOnce(ctx, client, &f, expect)
			if done || err != nil {
				return err
			}
		}
		return fmt.Errorf("%w, %d times in a row", ErrConflict, attempts)
	})
	return f, err
}

// applyOnce is one attempt; done is false when another apply came between.
func (s *Store) applyOnce(ctx context.Context, client *clientv3.Client, f *regions.FleetFile, expect int64) (done bool, err error) {
	before, mod, err := s.current(ctx, client)
	if _, refused := err.(refusedError); err != nil && !(refused && expect < 0) {
		return false, err
	}
	var last regions.FleetFile
	if before != nil {
		last = *before
	}
	if expect >= 0 && last.N != expect {
		return false, &FleetConflictError{Expected: expect, Current: last}
	}
	newest, err := s.newest(ctx, client)
	if err != nil {
		return false, err
	}
	f.N = max(last.N, newest) + 1
	if err := checkFleet(*f); err != nil {
		return false, invalidError{fmt.Errorf("fleet file: %w", err)}
	}
	ops, err := s.applyOps(*f)
	if err != nil {
		return false, err
	}
	unchanged := clientv3.Compare(clientv3.ModRevision(s.keys.current()), "=", mod)
	response, err := client.Txn(ctx).If(unchanged).Then(ops...).Commit()
	if err != nil {
		return false, err
	}
	return response.Succeeded, nil
}

// newest is the highest number in the history: numbers are never used twice,
// even when the applied file was deleted or cannot be believed.
func (s *Store) newest(ctx context.Context, client *clientv3.Client) (int64, error) {
	response, err := client.Get(ctx, s.opt.Prefix+historyFolder, clientv3.WithPrefix(), clientv3.WithKeysOnly(),
		clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend), clientv3.WithLimit(1))
	if err != nil || len(response.Kvs) == 0 {
		return 0, err
	}
	n, err := s.keys.parse(string(response.Kvs[0].Key))
	if err != nil {
		return 0, refusedError{regions.Rejected{Key: s.keys.relative(string(response.Kvs[0].Key)), Reason: err.Error()}}
	}
	return n.n, nil
}

// applyOps writes the file twice and forgets the oldest ones.
func (s *Store) applyOps(f regions.FleetFile) ([]clientv3.Op, error) {
	data, err := pack(f)
	if err != nil {
		return nil, err
	}
	if most := maxRequest/2 - 4096; len(data) > most {
		return nil, invalidError{fmt.Errorf("fleet file: with the files it names it takes %d bytes packed, etcd has room for %d: split the fleet or shorten its zones", len(data), most)}
	}
	ops := []clientv3.Op{
		clientv3.OpPut(s.keys.current(), string(data)),
		clientv3.OpPut(s.keys.history(f.N), string(data)),
	}
	if oldest := f.N - HistoryKept + 1; oldest > 1 {
		ops = append(ops, clientv3.OpDelete(s.keys.history(0), clientv3.WithRange(s.keys.history(oldest))))
	}
	return ops, nil
}

// History is the applied fleet files that are kept, oldest first. Entries
// that cannot be believed are left out and logged.
func (s *Store) History(ctx context.Context) ([]regions.FleetFile, error) {
	var list []regions.FleetFile
	err := s.call(ctx, func(ctx context.Context, client *clientv3.Client) error {
		response, err := client.Get(ctx, s.opt.Prefix+historyFolder, clientv3.WithPrefix(),
			clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend), clientv3.WithLimit(HistoryKept))
		if err != nil {
			return err
		}
		for _, kv := range response.Kvs {
			list = s.remember(list, string(kv.Key), kv.Value)
		}
		return nil
	})
	return list, err
}

// remember puts one entry of the history in front.
func (s *Store) remember(list []regions.FleetFile, key string, value []byte) []regions.FleetFile {
	_, p := s.keys.decode(key, value)
	if p.fleet == nil {
		s.opt.Log.Warn("store: entry of the history refused", "key", s.keys.relative(key), "reason", p.rejected)
		return list
	}
	return append([]regions.FleetFile{*p.fleet}, list...)
}
