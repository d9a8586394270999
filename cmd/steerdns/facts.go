package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/steerdns/steerdns/admin"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/store"
)

// facts is what an instance's parts report of themselves, for its admin
// surface. It decides nothing.
type facts struct {
	mu         sync.Mutex
	alive      bool
	world      *regions.World // of the view that answers
	epoch      string
	bundle     *bundle
	picture    *regions.Picture // the last one, believed or not
	cluster    uint64           // of the last one that was believed; 0: none was
	status     store.Status
	confirmed  time.Time // when the state was last known to be the store's
	fleetError string
	reloadOK   bool
	reloadAt   time.Time
	geoError   string
	saved      admin.SavedStatus
}

// believes says whether the last store that was believed is this cluster.
func (f *facts) believes(cluster uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cluster != 0 && f.cluster == cluster
}

// set changes some of it under the lock.
func (f *facts) set(change func(*facts)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// confirm notes a sign of life of the store whose state this is.
func (f *facts) confirm(at time.Time) {
	if at.After(f.confirmed) {
		f.confirmed = at
	}
}

// stateAge is the time since the store last confirmed the state, in seconds;
// nil: there is no state.
func (f *facts) stateAge(now time.Time) *float64 {
	if f.confirmed.IsZero() {
		return nil
	}
	age := max(0, now.Sub(f.confirmed).Seconds()) // a saved state may be of a clock that was ahead
	return &age
}

func (f *facts) notReady() string {
	switch {
	case f.bundle == nil && f.fleetError != "":
		return "no fleet file could be loaded: " + f.fleetError
	case f.bundle == nil && f.reloadOK:
		return "the atlas for the fleet file is being made"
	case f.bundle == nil && f.picture != nil && f.picture.Fleet == nil:
		return "no fleet file is applied yet (steerdns apply fleet.yaml)"
	case f.bundle == nil:
		return "no fleet file is known yet: the store has not answered and there is no saved state"
	case f.world == nil || !f.world.Ready:
		return "no verdicts are known yet: the store has not answered and there is no saved state"
	}
	return ""
}

func (f *facts) fleetStatus() *admin.FleetStatus {
	if f.bundle == nil {
		return nil
	}
	file := f.bundle.fleet.file
	return &admin.FleetStatus{
		Hash: file.Hash, Source: f.bundle.fleet.source, N: file.N, By: file.By, At: file.At, Error: f.fleetError,
	}
}

func (f *facts) geoStatus() admin.GeoStatus {
	if f.bundle == nil {
		return admin.GeoStatus{}
	}
	out := admin.GeoStatus{
		Digest: f.bundle.data.Digest(), Cells: f.bundle.atlas.Cells(), Attribution: f.bundle.data.Attribution(), Error: f.geoError,
	}
	for _, db := range f.bundle.data.Databases() {
		if out.Built.IsZero() || db.Built.Before(out.Built) {
			out.Built = db.Built
		}
	}
	return out
}

// firstLine reads a file's first line, such as a password.
func firstLine(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadString('\n')
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", fmt.Errorf("reading the password: the first line of %s is empty (%v)", path, err)
	}
	return line, nil
}
