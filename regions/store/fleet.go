package store

import (
	"context"
	"fmt"
	"time"

	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/store/protocol"
)

// HistoryKept is how many applied fleet files are kept.
const HistoryKept = 50

// attempts is how often a compare-and-swap is tried again when the caller
// does not care who came first.
const attempts = 5

// call runs one of the operator's requests through a client of its own, so
// that it neither depends on nor disturbs the session, within the deadline of
// ctx or 5 s.
func (s *Store) call(ctx context.Context, do func(context.Context, peer) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	began := time.Now()
	endpoints := s.opt.Remote.Endpoints
	to, err := s.connect(ctx, endpoints)
	if err == nil {
		defer to.Close()
		err = do(ctx, to)
	}
	if err == nil || ours(err) {
		return err
	}
	return s.explain(err, endpoints, time.Since(began))
}

// CurrentFleet is the applied fleet file, nil when none is.
func (s *Store) CurrentFleet(ctx context.Context) (*regions.FleetFile, error) {
	var f *regions.FleetFile
	err := s.call(ctx, func(ctx context.Context, to peer) (err error) {
		f, _, err = s.current(ctx, to)
		return err
	})
	return f, err
}

// current reads the applied fleet file and the revision that wrote it.
func (s *Store) current(ctx context.Context, to peer) (*regions.FleetFile, int64, error) {
	entry, err := get(ctx, to, s.keys.Current())
	if err != nil || entry.Mod == 0 {
		return nil, 0, err
	}
	fleet, refused := s.keys.DecodeFleet(entry)
	if fleet == nil {
		return nil, entry.Mod, refusedError{refused}
	}
	return fleet, entry.Mod, nil
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
	err := s.call(ctx, func(ctx context.Context, to peer) error {
		for range attempts {
			done, err := s.applyOnce(ctx, to, &f, expect)
			if done || err != nil {
				return err
			}
		}
		return fmt.Errorf("%w, %d times in a row", ErrConflict, attempts)
	})
	return f, err
}

// applyOnce is one attempt; done is false when another apply came between.
func (s *Store) applyOnce(ctx context.Context, to peer, f *regions.FleetFile, expect int64) (done bool, err error) {
	before, mod, err := s.current(ctx, to)
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
	newest, err := s.newest(ctx, to)
	if err != nil {
		return false, err
	}
	f.N = max(last.N, newest) + 1
	if err := protocol.CheckFleet(*f); err != nil {
		return false, protocol.InvalidError{Err: fmt.Errorf("fleet file: %w", err)}
	}
	ops, err := s.applyOps(*f)
	if err != nil {
		return false, err
	}
	unchanged := protocol.Condition{Key: s.keys.Current(), Mod: mod}
	reply, err := commit(ctx, to, protocol.Txn{If: []protocol.Condition{unchanged}, Then: ops})
	return reply.Succeeded, err
}

// newest is the highest number in the history: numbers are never used twice,
// even when the applied file was deleted or cannot be believed.
func (s *Store) newest(ctx context.Context, to peer) (int64, error) {
	list, err := s.lastOfHistory(ctx, to, 1, true)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	n, refused := s.keys.HistoryNumber(list[0].Key)
	if n == 0 {
		return 0, refusedError{refused}
	}
	return n, nil
}

// applyOps writes the file twice and forgets the oldest ones.
func (s *Store) applyOps(f regions.FleetFile) ([]protocol.Op, error) {
	data, err := protocol.Pack(f)
	if err != nil {
		return nil, err
	}
	if most := protocol.MaxRequest/2 - 4096; len(data) > most {
		return nil, protocol.InvalidError{Err: fmt.Errorf("fleet file: with the files it names it takes %d bytes packed, etcd has room for %d: split the fleet or shorten its zones", len(data), most)}
	}
	ops := []protocol.Op{
		{Kind: protocol.Put, Key: s.keys.Current(), Value: data},
		{Kind: protocol.Put, Key: s.keys.History(f.N), Value: data},
	}
	if oldest := f.N - HistoryKept + 1; oldest > 1 {
		ops = append(ops, protocol.Op{Kind: protocol.Delete, Key: s.keys.History(0), End: s.keys.History(oldest)})
	}
	return ops, nil
}

// lastOfHistory reads the newest entries of the history, newest first.
func (s *Store) lastOfHistory(ctx context.Context, to peer, limit int64, names bool) ([]protocol.Entry, error) {
	key, end := s.keys.HistoryFolder()
	reply, err := commit(ctx, to, protocol.Txn{Then: []protocol.Op{{Key: key, End: end, Last: true, Limit: limit, Names: names}}})
	if err != nil {
		return nil, err
	}
	return reply.Parts[0], nil
}

// History is the applied fleet files that are kept, oldest first. Entries
// that cannot be believed are left out and logged.
func (s *Store) History(ctx context.Context) ([]regions.FleetFile, error) {
	var list []regions.FleetFile
	err := s.call(ctx, func(ctx context.Context, to peer) error {
		entries, err := s.lastOfHistory(ctx, to, HistoryKept, false)
		for _, e := range entries {
			list = s.remember(list, e)
		}
		return err
	})
	return list, err
}

// remember puts one entry of the history in front.
func (s *Store) remember(list []regions.FleetFile, e protocol.Entry) []regions.FleetFile {
	fleet, refused := s.keys.DecodeFleet(e)
	if fleet == nil {
		s.opt.Log.Warn("store: entry of the history refused", "key", refused.Key, "reason", refused.Reason)
		return list
	}
	return append([]regions.FleetFile{*fleet}, list...)
}

// commit carries one transaction.
func commit(ctx context.Context, to peer, t protocol.Txn) (protocol.Reply, error) {
	return to.Do(ctx, protocol.Request{Kind: protocol.Commit, Txn: t})
}

// get reads one key; Mod 0: there is none.
func get(ctx context.Context, to peer, key string) (protocol.Entry, error) {
	reply, err := commit(ctx, to, protocol.Txn{Then: []protocol.Op{{Kind: protocol.Get, Key: key}}})
	if err != nil || len(reply.Parts[0]) == 0 {
		return protocol.Entry{}, err
	}
	return reply.Parts[0][0], nil
}
