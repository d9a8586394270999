package main

import (
	"context"
	"net/http"
	"time"

	"github.com/steerdns/steerdns/admin"
	"github.com/steerdns/steerdns/regions"
)

// backend shows an instance to its admin surface.
type backend struct{ *instance }

func (b backend) World() *regions.World {
	b.facts.mu.Lock()
	defer b.facts.mu.Unlock()
	return b.facts.world
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
			StateAge: f.stateAge(time.Now()).Seconds(),
		},
		Fleet: f.fleetStatus(), Geo: f.geoStatus(),
		ReloadOK: f.reloadOK, ReloadAt: f.reloadAt,
	}
}

// Apply checks a fleet file as this instance would load it, then stores it.
func (b backend) Apply(ctx context.Context, r admin.FleetRequest) (regions.FleetFile, error) {
	if !b.conf.Fleet.Etcd {
		return regions.FleetFile{}, &admin.Refusal{Status: http.StatusConflict, Message: "this instance reads its fleet file from " +
			b.fleetName() + ", not from etcd (change that file and send SIGHUP, or set fleet: etcd in the instance file)"}
	}
	a, err := assembleFile(r.File, regions.FleetFile{Text: r.Text, Files: r.Files})
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
	return list, refusal(err)
}

func (b backend) PutOverride(ctx context.Context, o regions.Override, basis int64, replace bool) error {
	s, err := b.link.use()
	if err != nil {
		return err
	}
	return refusal(s.PutOverride(ctx, o, basis, replace))
}

func (b backend) DeleteOverride(ctx context.Context, kind regions.OverrideKind, name string) (regions.Override, bool, error) {
	s, err := b.link.use()
	if err != nil {
		return regions.Override{}, false, err
	}
	o, found, err := s.DeleteOverride(ctx, kind, name)
	return o, found, refusal(err)
}
