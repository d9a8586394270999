package store

import (
	"context"
	"time"

	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/store/protocol"
)

// BindSerial binds a zone's content to a serial: see protocol.BindSerial, which
// says what before is for.
func (s *Store) BindSerial(ctx context.Context, before *regions.ZoneSerial, z regions.ZoneSerial) error {
	return s.call(ctx, func(ctx context.Context, to peer) error {
		return protocol.BindSerial(carrier(ctx, to), s.keys, time.Now(), before, z)
	})
}
