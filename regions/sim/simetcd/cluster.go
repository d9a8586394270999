// Package simetcd is an etcd without a network, a disk or a clock: revisions,
// transactions, leases, watches and compaction as instances of a fleet see
// them. Time is an argument. It passes the same contract test as etcd itself
// (regions/store), and can be broken in the ways in which etcd has been.
package simetcd

import (
	"errors"
	"slices"
	"sort"
	"time"

	"github.com/steerdns/steerdns/regions/store/protocol"
)

// ErrNoSpace is the answer to writes while NoSpace is set.
var ErrNoSpace = errors.New("mvcc: database space exceeded")

// Cluster is one cluster. It is not safe for several goroutines.
type Cluster struct {
	// NoSpace is etcd's alarm: writes fail, reads and leases go on.
	NoSpace bool

	id        uint64
	revision  int64
	compacted int64 // history up to here, itself included, cannot be watched
	keys      map[string]protocol.Entry
	names     []string         // of keys, sorted
	history   []protocol.Event // ascending by revision
	leases    map[protocol.Lease]*lease
	granted   protocol.Lease // the last one
}

type lease struct {
	ttl  time.Duration
	ends time.Time
	keys map[string]bool
}

// New makes an empty cluster. No two clusters grant a lease of the same number,
// nor do a cluster and what is restored from its backup: etcd draws them from
// the clock and the member.
func New(id uint64) *Cluster {
	return &Cluster{id: id, revision: 1, granted: protocol.Lease(id << 32), keys: map[string]protocol.Entry{}, leases: map[protocol.Lease]*lease{}}
}

// ID is the cluster's id.
func (c *Cluster) ID() uint64 { return c.id }

// Revision is that of the latest write.
func (c *Cluster) Revision() int64 { return c.revision }

// Do answers one request at the moment now.
func (c *Cluster) Do(now time.Time, r protocol.Request) (protocol.Reply, error) {
	c.Expire(now)
	switch r.Kind {
	case protocol.Grant:
		return c.grant(now, r.TTL)
	case protocol.KeepAlive:
		l := c.leases[r.Lease]
		if l == nil {
			return protocol.Reply{}, protocol.ErrLeaseNotFound
		}
		l.ends = now.Add(l.ttl)
	case protocol.Revoke:
		c.end(r.Lease)
	case protocol.Commit:
		return c.commit(r.Txn)
	}
	return c.reply(), nil
}

func (c *Cluster) reply() protocol.Reply {
	return protocol.Reply{Cluster: c.id, Revision: c.revision}
}

func (c *Cluster) grant(now time.Time, ttl time.Duration) (protocol.Reply, error) {
	if c.NoSpace {
		return protocol.Reply{}, ErrNoSpace
	}
	ttl = (ttl + time.Second - 1).Truncate(time.Second)
	c.granted++
	c.leases[c.granted] = &lease{ttl: ttl, ends: now.Add(ttl), keys: map[string]bool{}}
	reply := c.reply()
	reply.Lease = c.granted
	return reply, nil
}

func (c *Cluster) commit(t protocol.Txn) (protocol.Reply, error) {
	holds := true
	for _, condition := range t.If {
		holds = holds && c.holds(condition)
	}
	ops := t.Then
	if !holds {
		ops = t.Else
	}
	if err := c.allowed(ops); err != nil {
		return protocol.Reply{}, err
	}
	at, parts := c.revision+1, make([][]protocol.Entry, len(ops))
	for i, op := range ops {
		parts[i] = c.do(op, at)
	}
	reply := c.reply()
	reply.Succeeded, reply.Parts = holds, parts
	return reply, nil
}

// allowed refuses a transaction before any of it is done.
func (c *Cluster) allowed(ops []protocol.Op) error {
	for _, op := range ops {
		switch {
		case op.Kind != protocol.Put:
		case c.NoSpace:
			return ErrNoSpace
		case op.Lease != 0 && c.leases[op.Lease] == nil:
			return protocol.ErrLeaseNotFound
		}
	}
	return nil
}

func (c *Cluster) holds(condition protocol.Condition) bool {
	if !condition.Prefix {
		return condition.Holds(c.keys[condition.Key].Mod)
	}
	some := false
	for _, name := range c.names {
		if condition.About(name) {
			some = true
			if !condition.Holds(c.keys[name].Mod) {
				return false
			}
		}
	}
	return some || condition.Holds(0)
}

func (c *Cluster) do(op protocol.Op, at int64) []protocol.Entry {
	switch op.Kind {
	case protocol.Put:
		c.put(protocol.Entry{Key: op.Key, Value: op.Value, Lease: op.Lease, Mod: at})
		return nil
	case protocol.Delete:
		gone := c.read(op)
		for _, e := range gone {
			c.remove(e.Key, at)
		}
		return gone
	}
	return c.read(op)
}

// read is the entries that a Get or a Delete is about.
func (c *Cluster) read(op protocol.Op) []protocol.Entry {
	if op.End == "" {
		if e, there := c.keys[op.Key]; there && e.Mod >= op.MinMod {
			return []protocol.Entry{e}
		}
		return nil
	}
	var list []protocol.Entry
	first := sort.SearchStrings(c.names, op.Key)
	for _, name := range c.names[first:] {
		if !op.About(name) {
			break
		}
		if e := c.keys[name]; e.Mod >= op.MinMod {
			list = append(list, e)
		}
	}
	if op.Last {
		slices.Reverse(list)
	}
	if op.Limit > 0 && int64(len(list)) > op.Limit {
		list = list[:op.Limit]
	}
	if op.Names {
		for i := range list {
			list[i].Value, list[i].Lease = nil, 0
		}
	}
	return list
}

func (c *Cluster) put(e protocol.Entry) {
	old, there := c.keys[e.Key]
	if l := c.leases[old.Lease]; l != nil {
		delete(l.keys, e.Key)
	}
	if l := c.leases[e.Lease]; l != nil {
		l.keys[e.Key] = true
	}
	if !there {
		i, _ := slices.BinarySearch(c.names, e.Key)
		c.names = slices.Insert(c.names, i, e.Key)
	}
	c.keys[e.Key], c.revision = e, e.Mod
	c.history = append(c.history, protocol.Event{Entry: e})
}

func (c *Cluster) remove(key string, at int64) {
	if l := c.leases[c.keys[key].Lease]; l != nil {
		delete(l.keys, key)
	}
	i, _ := slices.BinarySearch(c.names, key)
	c.names = slices.Delete(c.names, i, i+1)
	delete(c.keys, key)
	c.revision = at
	c.history = append(c.history, protocol.Event{Gone: true, Entry: protocol.Entry{Key: key, Mod: at}})
}
