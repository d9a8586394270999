package protocol

import (
	"errors"
	"fmt"
	"time"

	"github.com/steerdns/steerdns/regions"
)

// sweepAfter is how long after its end an override is deleted, by whoever
// comes first. It ends by every instance's own clock; one whose clock is wrong
// by less than this takes no drain from the others.
const sweepAfter = 24 * time.Hour

// attempts is how often a compare-and-swap is tried again when the caller
// does not care who came first.
const attempts = 5

// Carrier carries one request to the store and its reply back.
type Carrier func(Request) (Reply, error)

// PutOverride writes an override by compare-and-swap.
//
// An unexpired override of the same kind and name is a *ConflictError unless
// replace is set. basis is the revision of the picture in which the caller
// has checked the precondition: when any override was written after it, the
// error is ErrStale, so that of two operators who drain the last two regions
// one sees the other. A negative basis skips that. Created is stamped when
// zero; the override must not have expired.
//
// No lease holds it: a store that ends all leases at once, as etcd has done
// (issue 15247), must not bring back what is drained.
func PutOverride(do Carrier, k Keys, now time.Time, o regions.Override, basis int64, replace bool) error {
	o, err := PrepareOverride(o, now)
	if err != nil {
		return err
	}
	s := swap{do: do, keys: k, now: now, override: o, basis: basis, replace: replace}
	return s.run()
}

// PrepareOverride stamps an override and refuses what can never be stored.
func PrepareOverride(o regions.Override, now time.Time) (regions.Override, error) {
	if o.Created.IsZero() {
		o.Created = now
	}
	o.Created, o.Expires = o.Created.Round(0).UTC(), o.Expires.Round(0).UTC()
	if err := CheckOverride(o); err != nil {
		return o, InvalidError{Err: fmt.Errorf("override: %w", err)}
	}
	if !o.Expires.After(now) {
		return o, InvalidError{Err: errors.New("override: it has expired already")}
	}
	return o, nil
}

// swap is one override on its way into the store.
type swap struct {
	do       Carrier
	keys     Keys
	now      time.Time
	override regions.Override
	basis    int64
	replace  bool
}

func (s *swap) run() error {
	for range attempts {
		if done, err := s.try(); done || err != nil {
			return err
		}
	}
	return fmt.Errorf("%w, %d times in a row", ErrConflict, attempts)
}

// try is one attempt; done is false when the key was written between reading
// and writing.
func (s *swap) try() (done bool, err error) {
	key := s.keys.Override(s.override.Kind, s.override.Name)
	existing, mod, err := s.read(key)
	if err != nil {
		return false, err
	}
	if existing != nil && existing.Expires.After(s.now) && !s.replace {
		return false, &ConflictError{Existing: *existing}
	}
	data, err := Pack(s.override)
	if err != nil {
		return false, err
	}
	folder, end := s.keys.OverridesFolder()
	conditions := []Condition{{Key: key, Mod: mod}}
	if s.basis >= 0 {
		conditions = append(conditions, Condition{Key: folder, Prefix: true, Below: true, Mod: s.basis + 1})
	}
	reply, err := s.do(Request{Kind: Commit, Txn: Txn{
		If:   conditions,
		Then: []Op{{Kind: Put, Key: key, Value: data}},
		Else: []Op{{Kind: Get, Key: folder, End: end, MinMod: max(s.basis+1, 0), Limit: 1}},
	}})
	if err != nil || reply.Succeeded {
		return err == nil, err
	}
	if newer := reply.Parts[0]; s.basis >= 0 && len(newer) > 0 {
		return false, s.stale(newer[0])
	}
	return false, nil
}

// read is the override that is there and the revision that wrote it. One that
// cannot be believed counts as none, and may be written over.
func (s *swap) read(key string) (*regions.Override, int64, error) {
	reply, err := s.do(Request{Kind: Commit, Txn: Txn{Then: []Op{{Kind: Get, Key: key}}}})
	if err != nil || len(reply.Parts[0]) == 0 {
		return nil, 0, err
	}
	e := reply.Parts[0][0]
	return s.keys.DecodeOverride(e), e.Mod, nil
}

// stale says which override the caller has not seen: its own kind and name is
// a conflict, another one makes the precondition stale.
func (s *swap) stale(e Entry) error {
	other := s.keys.DecodeOverride(e)
	switch {
	case other == nil:
		return fmt.Errorf("%w: %s", ErrStale, s.keys.Relative(e.Key))
	case other.Kind == s.override.Kind && other.Name == s.override.Name && !s.replace:
		return &ConflictError{Existing: *other}
	}
	return fmt.Errorf("%w: %s %s was %s", ErrStale, other.Kind, other.Name, other.Word())
}

// DeleteOverride ends an override and returns it; false when there was none.
// One that could not be believed is deleted too, with only Kind and Name.
func DeleteOverride(do Carrier, k Keys, kind regions.OverrideKind, name string) (gone regions.Override, found bool, err error) {
	gone = regions.Override{Kind: kind, Name: name}
	reply, err := do(Request{Kind: Commit, Txn: Txn{Then: []Op{{Kind: Delete, Key: k.Override(kind, name)}}}})
	if err != nil || len(reply.Parts[0]) == 0 {
		return gone, false, err
	}
	e := reply.Parts[0][0]
	if o := k.DecodeOverride(e); o != nil {
		gone = *o
	}
	return gone, true, nil
}

// maxSwept is how many overrides are swept at once.
const maxSwept = 16

// Sweep is the requests that delete what ended long ago, each unless it was
// written anew. All instances make them; one that comes late does nothing.
func (r *Reader) Sweep(now time.Time) []Request {
	var list []Request
	for key, h := range r.mirror.held {
		if o := h.value.override; o != nil && now.Sub(o.Expires) > sweepAfter && len(list) < maxSwept {
			list = append(list, Request{Kind: Commit, Txn: Txn{
				If:   []Condition{{Key: key, Mod: h.mod}},
				Then: []Op{{Kind: Delete, Key: key}},
			}})
		}
	}
	return list
}
