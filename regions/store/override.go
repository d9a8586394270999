package store

import (
	"context"
	"time"

	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/store/protocol"
)

// PutOverride writes an override by compare-and-swap: see
// protocol.PutOverride, which says what basis and replace are for.
func (s *Store) PutOverride(ctx context.Context, o regions.Override, basis int64, replace bool) error {
	o, err := protocol.PrepareOverride(o, time.Now())
	if err != nil {
		return err
	}
	return s.call(ctx, func(ctx context.Context, to peer) error {
		return protocol.PutOverride(carrier(ctx, to), s.keys, time.Now(), o, basis, replace)
	})
}

// DeleteOverride ends an override and returns it; false when there was none.
// One that could not be believed is deleted too, with only Kind and Name.
func (s *Store) DeleteOverride(ctx context.Context, kind regions.OverrideKind, name string) (gone regions.Override, found bool, err error) {
	gone = regions.Override{Kind: kind, Name: name}
	err = s.call(ctx, func(ctx context.Context, to peer) (err error) {
		gone, found, err = protocol.DeleteOverride(carrier(ctx, to), s.keys, kind, name)
		return err
	})
	return gone, found, err
}

func carrier(ctx context.Context, to peer) protocol.Carrier {
	return func(r protocol.Request) (protocol.Reply, error) { return to.Do(ctx, r) }
}
