package protocol

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/steerdns/steerdns/regions"
)

// mirror is what the store holds, as far as lists and events have told. It
// is pure: no I/O, no clock. It outlives sessions, so that a list from a
// member that lags behind is recognised. Owned by the consumer.
type mirror struct {
	keys     Keys
	memo     *Memo // nil: everything is judged anew
	cluster  uint64
	revision int64 // the highest one told of; the picture's
	listed   int64 // the last list's: what events say up to here is known
	seen     int64 // the highest one of the present watch
	held     map[string]held
	fleet    *regions.FleetFile // the last good one, kept when a new one is refused
	behind   bool               // the cluster's history went back: nothing is believed until an operator's word
}

// held is one key's judged value.
type held struct {
	name  name
	mod   int64
	value parsed
}

func newMirror(k Keys) *mirror { return &mirror{keys: k} }

// replace takes a full list at a revision, atomically, and says whether
// anything has changed. A list of the same cluster at a lower revision than
// one already told of is refused, and so are all later lists of that cluster,
// since writes soon hide that its history went back. The entries' keys are
// told apart by folder, more than the bounded number in a folder is left out.
func (m *mirror) replace(cluster uint64, revision int64, list []Entry) (changed bool, err error) {
	same := cluster == m.cluster && m.held != nil
	m.behind = same && (m.behind || revision < m.revision || m.older(list))
	if m.behind {
		return false, fmt.Errorf("etcd shows an older history at revision %d than was seen at %d: it was restored from a backup, or lost what it had confirmed (if that is known and right: steerdns accept-cluster %016x)",
			revision, m.revision, cluster)
	}
	next := make(map[string]held, len(list))
	changed = !same
	for _, e := range list {
		old, known := m.held[e.Key]
		if known && same && old.mod == e.Mod {
			next[e.Key] = old
			continue
		}
		changed = true
		next[e.Key] = m.judge(e)
	}
	changed = changed || len(next) != len(m.held)
	if !same {
		m.fleet = nil
	}
	m.cluster, m.held, m.revision, m.listed, m.seen = cluster, next, revision, revision, revision
	m.keepFleet()
	return changed, nil
}

// older says whether a list shows an older write of a key than was seen, which
// tells a history that went back even after its new writes have passed the old
// revision.
func (m *mirror) older(list []Entry) bool {
	for _, e := range list {
		if h, known := m.held[e.Key]; known && e.Mod < h.mod {
			return true
		}
	}
	return false
}

// apply takes the events of one watch response. ErrRelist: they come from
// another cluster or out of order and may hide others; what was taken so far
// stands until the next list.
func (m *mirror) apply(cluster uint64, events []Event) (changed bool, err error) {
	if cluster != m.cluster || m.held == nil {
		return false, ErrRelist
	}
	floor := m.seen // of what this response may speak of, but for duplicates
	for _, e := range events {
		if e.Mod <= m.listed {
			continue
		}
		took, err := m.take(e, e.Mod < floor)
		if err != nil {
			return changed, err
		}
		changed = changed || took
		m.seen = max(m.seen, e.Mod)
		m.revision = max(m.revision, e.Mod)
	}
	m.keepFleet()
	return changed, nil
}

// take applies one event. An event from the past that tells something new
// means that the watch is out of order.
func (m *mirror) take(e Event, past bool) (bool, error) {
	old, known := m.held[e.Key]
	switch {
	case known && old.mod >= e.Mod, !known && e.Gone:
		return false, nil
	case past:
		return false, ErrRelist
	case e.Gone:
		delete(m.held, e.Key)
		return true, nil
	}
	now := m.judge(e.Entry)
	alien := now.name.class == other && now.value.rejected == nil
	if alien || now.name.class == fleetHistory || !known && len(m.held) >= maxHeld {
		return false, nil
	}
	m.held[e.Key] = now
	return true, nil
}

func (m *mirror) judge(e Entry) held {
	n, value := m.memo.decode(m.keys, e)
	return held{name: n, mod: e.Mod, value: value}
}

// keepFleet remembers the applied fleet file; a refused one leaves the last
// good one in force, a deleted one is gone.
func (m *mirror) keepFleet() {
	now, there := m.held[m.keys.Current()]
	switch {
	case !there:
		m.fleet = nil
	case now.value.fleet != nil:
		m.fleet = now.value.fleet
	}
}

// picture is everything held, sorted. It shares nothing that changes.
func (m *mirror) picture() *regions.Picture {
	p := &regions.Picture{Cluster: m.cluster, Revision: m.revision, Fleet: m.fleet}
	for _, h := range m.held {
		if b := h.value.ballot; b != nil {
			p.Ballots = append(p.Ballots, *b)
		}
		if i := h.value.instance; i != nil {
			p.Instances = append(p.Instances, *i)
		}
		if o := h.value.override; o != nil {
			p.Overrides = append(p.Overrides, *o)
		}
		if z := h.value.serial; z != nil {
			p.Serials = append(p.Serials, *z)
		}
		p.Rejected = append(p.Rejected, h.value.rejected...)
	}
	slices.SortFunc(p.Ballots, func(a, b regions.Ballot) int { return cmp.Compare(a.Instance, b.Instance) })
	slices.SortFunc(p.Instances, func(a, b regions.Instance) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(p.Overrides, func(a, b regions.Override) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	slices.SortFunc(p.Serials, func(a, b regions.ZoneSerial) int { return cmp.Compare(a.Zone, b.Zone) })
	bound(p, &p.Ballots, maxBallots, votesFolder)
	bound(p, &p.Instances, maxInstances, instancesFolder)
	bound(p, &p.Overrides, maxOverrides, overridesFolder)
	bound(p, &p.Serials, maxSerials, serialsFolder)
	slices.SortStableFunc(p.Rejected, func(a, b regions.Rejected) int { return cmp.Compare(a.Key, b.Key) })
	return p
}

// bound keeps the first few of a folder and says so.
func bound[T any](p *regions.Picture, all *[]T, limit int, folder string) {
	if len(*all) > limit {
		*all = slices.Clip((*all)[:limit])
		p.Rejected = append(p.Rejected, regions.Rejected{Key: folder, Reason: fmt.Sprintf("more than %d: the rest is left out", limit)})
	}
}
