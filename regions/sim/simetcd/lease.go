package simetcd

import (
	"maps"
	"slices"
	"time"

	"github.com/steerdns/steerdns/regions/store/protocol"
)

// Expire ends the leases whose time has come.
func (c *Cluster) Expire(now time.Time) {
	for _, id := range c.ids() {
		if !c.leases[id].ends.After(now) {
			c.end(id)
		}
	}
}

// NextExpiry is when the next lease ends by itself; zero: none does.
func (c *Cluster) NextExpiry() time.Time {
	var next time.Time
	for _, l := range c.leases {
		if next.IsZero() || l.ends.Before(next) {
			next = l.ends
		}
	}
	return next
}

func (c *Cluster) ids() []protocol.Lease { return slices.Sorted(maps.Keys(c.leases)) }

// end ends a lease, and deletes its keys at one revision.
func (c *Cluster) end(id protocol.Lease) {
	l := c.leases[id]
	if l == nil {
		return
	}
	delete(c.leases, id)
	at := c.revision + 1
	for _, key := range slices.Sorted(maps.Keys(l.keys)) {
		c.remove(key, at)
	}
}

// LeaderChanged starts the time of every lease anew, as a new leader does.
func (c *Cluster) LeaderChanged(now time.Time) {
	for _, l := range c.leases {
		l.ends = now.Add(l.ttl)
	}
}

// RevokeAll ends every lease, as an old leader did that was stuck and came to
// (etcd issues 15247 and 12528).
func (c *Cluster) RevokeAll() {
	for _, id := range c.ids() {
		c.end(id)
	}
}
