package admin

import (
	"context"
	"errors"
	"time"

	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/regions"
)

// Backend is what the HTTP surface needs of the instance behind it. All
// methods are safe for concurrent use and return quickly but for the writes,
// which obey their context.
type Backend interface {
	World() *regions.World     // nil before the first
	Picture() *regions.Picture // nil before the first
	Facts() Facts
	Locate() (Locator, bool) // false before the first atlas

	AcceptCluster(id uint64) error // the operator's word that the store's state is to be believed, once
	Apply(ctx context.Context, r FleetRequest) (regions.FleetFile, error)
	History(ctx context.Context) ([]regions.FleetFile, error)
	// PutOverride writes o, which was checked against the world at revision
	// basis. The error is ErrStale when the overrides changed since.
	PutOverride(ctx context.Context, o regions.Override, basis int64, replace bool) error
	DeleteOverride(ctx context.Context, kind regions.OverrideKind, name string) (regions.Override, bool, error)
}

// ErrStale says that a write was checked against a world that is no longer the
// latest.
var ErrStale = errors.New("the overrides changed meanwhile")

// Facts are what an instance knows of itself at one moment.
type Facts struct {
	Instance string
	Region   string
	Version  string
	Epoch    string
	DNS      []string // host:port
	Alive    bool     // the DNS listeners run
	Ready    bool     // a world is loaded and answers
	NotReady string   // why not, when Ready is false
	Store    StoreStatus
	Fleet    *FleetStatus
	Geo      GeoStatus
	Saved    SavedStatus
	Refused  *regions.Refusal // why the store's state is not believed; nil: it is
	ReloadOK bool             // the last load of configuration was accepted
	ReloadAt time.Time        // when that was
}

// Locator finds places and cells as queries do.
type Locator struct {
	Data  *geo.Data
	Atlas *geo.Atlas
}
