package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/steerdns/steerdns/admin"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/store"
)

// backend shows an instance to its admin surface.
type backend struct{ *instance }

// World is the latest judgement. It decides like the published one, or is
// about to be published, but knows the newest revision.
func (b backend) World() *regions.World {
	b.facts.mu.Lock()
	defer b.facts.mu.Unlock()
	latest := b.state.Current()
	if b.facts.world == nil || latest.Topology != b.facts.bundle.fleet.topology {
		return b.facts.world
	}
	return latest
}

func (b backend) Picture() *regions.Picture {
	b.facts.mu.Lock()
	defer b.facts.mu.Unlock()
	return b.facts.picture
}

func (b backend) Locate() (admin.Locator, bool) {
	b.facts.mu.Lock()
	defer b.facts.mu.Unlock()
	if b.facts.bundle == nil || b.facts.world == nil {
		return admin.Locator{}, false
	}
	return admin.Locator{Data: b.facts.bundle.data, Atlas: b.facts.bundle.atlas}, true
}

func (b backend) Facts() admin.Facts {
	f := &b.facts
	f.mu.Lock()
	defer f.mu.Unlock()
	why := f.notReady()
	return admin.Facts{
		Instance: b.conf.Name, Region: b.conf.Region, Version: versionString(), Epoch: f.epoch,
		DNS: addrStrings(b.dns.Addrs()), Alive: f.alive, Ready: why == "", NotReady: why,
		Store: admin.StoreStatus{
			Kind: b.link.kind(), Connected: f.status.Connected, Since: f.status.Since, Reason: f.status.Reason,
			Refused: b.state.Refused() != nil || f.status.Behind, Twin: f.status.Twin, StateAge: f.stateAge(time.Now()),
		},
		Fleet: f.fleetStatus(), Geo: f.geoStatus(), Saved: f.saved,
		Refused: b.state.Refused(), ReloadOK: f.reloadOK, ReloadAt: f.reloadAt,
	}
}

// doubt is the cluster that this instance does not believe in every respect,
// and which of its parts does not; the zero doubt is none.
type doubt struct {
	cluster uint64
	refused *regions.Refusal // the judge does not: it is another one, or went back
	behind  bool             // the store's reader does not: it went back
	lower   bool             // the follower does not: its fleet file has a lower number
}

func (b backend) doubt() doubt {
	b.facts.mu.Lock()
	status := b.facts.status
	b.facts.mu.Unlock()
	d := doubt{refused: b.state.Refused(), behind: status.Behind}
	switch lower := b.follower.lower.Load(); {
	case d.refused != nil:
		d.cluster = d.refused.Cluster
	case d.behind:
		d.cluster = status.Cluster
	case lower != 0:
		d.cluster, d.lower = lower, true
	}
	return d
}

// AcceptCluster passes the operator's word on to all that guard against an
// older or another store, and hands in once more what they refused. A word on
// anything else would lie in wait: the cluster that is believed already needs
// none, so that it may be said again at all when one did not take it.
func (b backend) AcceptCluster(id uint64) error {
	d := b.doubt()
	switch {
	case d.cluster == 0 && b.facts.believes(id):
		return nil
	case d.cluster == 0:
		return conflict("this instance refuses no cluster: there is nothing to accept")
	case d.cluster != id:
		return conflict("this instance refuses cluster %016x, not %016x (if you know it to be the right one: steerdns accept-cluster %016x)", d.cluster, id, d.cluster)
	}
	b.follower.older.Store(true)
	p := b.Picture()
	if d.lower {
		b.follower.look(p)
		return nil
	}
	b.state.AllowCluster(id)
	if s, err := b.link.use(); err == nil && d.behind {
		s.AllowCluster(id)
	}
	// The last believed picture, of the same cluster before it went back,
	// must not use up the word.
	if p != nil && d.refused != nil && p.Cluster == id && p.Revision == d.refused.Revision {
		b.onPicture(p)
	}
	return nil
}

func conflict(format string, args ...any) error {
	return &admin.Refusal{Status: http.StatusConflict, Message: fmt.Sprintf(format, args...)}
}

// Apply checks a fleet file as this instance would load it, then stores it.
func (b backend) Apply(ctx context.Context, r admin.FleetRequest) (regions.FleetFile, error) {
	if !b.conf.Fleet.Etcd {
		return regions.FleetFile{}, &admin.Refusal{Status: http.StatusConflict, Message: "this instance reads its fleet file from " +
			b.fleetName() + ", not from etcd (change that file and send SIGHUP, or set fleet: etcd in the instance file)"}
	}
	a, err := assembleFile(r.File, regions.FleetFile{Text: r.Text, Files: r.Files}, nil)
	if err != nil {
		return regions.FleetFile{}, &admin.Refusal{Status: http.StatusUnprocessableEntity, Message: err.Error()}
	}
	s, err := b.link.use()
	if err != nil {
		return regions.FleetFile{}, err
	}
	file := regions.FleetFile{Text: r.Text, Files: r.Files, Hash: a.topology.Hash, By: r.By, At: time.Now().UTC()}
	base := int64(-1)
	if r.Base != nil {
		base = *r.Base
	}
	stored, err := s.Apply(ctx, file, base)
	return stored, refusal(err)
}

func (b backend) History(ctx context.Context) ([]regions.FleetFile, error) {
	s, err := b.link.use()
	if err != nil {
		return nil, err
	}
	list, err := s.History(ctx)
	slices.Reverse(list)
	return list, refusal(err)
}

// obeyed is the store for overrides, as long as this instance obeys those that
// it finds there. Otherwise nobody may be told that something is drained, or
// no longer is.
func (b backend) obeyed() (*store.Store, error) {
	s, err := b.link.use()
	if err != nil {
		return nil, err
	}
	d, f := b.doubt(), b.Facts().Store
	switch {
	case d.refused != nil:
		return nil, unavailable("overrides cannot be changed, since this instance would not obey: %s (if that is right, tell every instance: steerdns accept-cluster %016x --admin ADDRESS,ADDRESS,...)", d.refused.Reason, d.cluster)
	case d.behind:
		return nil, unavailable("overrides cannot be changed, since this instance would not obey: the store's history went back (if that is right, tell every instance: steerdns accept-cluster %016x --admin ADDRESS,ADDRESS,...)", d.cluster)
	case !f.Connected:
		return nil, unavailable("overrides cannot be changed while the store is away: %s", f.Reason)
	}
	return s, nil
}

func unavailable(format string, args ...any) error {
	return &admin.Refusal{Status: http.StatusServiceUnavailable, Message: fmt.Sprintf(format, args...)}
}

func (b backend) PutOverride(ctx context.Context, o regions.Override, basis int64, replace bool) error {
	s, err := b.obeyed()
	if err != nil {
		return err
	}
	err = s.PutOverride(ctx, o, basis, replace)
	if errors.Is(err, store.ErrStale) {
		return fmt.Errorf("%w: %w", admin.ErrStale, err)
	}
	return refusal(err)
}

func (b backend) DeleteOverride(ctx context.Context, kind regions.OverrideKind, name string) (regions.Override, bool, error) {
	s, err := b.obeyed()
	if err != nil {
		return regions.Override{}, false, err
	}
	o, found, err := s.DeleteOverride(ctx, kind, name)
	return o, found, refusal(err)
}
