package protocol

import (
	"errors"
	"strings"
	"time"
)

// Entry is one key as etcd holds it.
type Entry struct {
	Key   string
	Value []byte
	Mod   int64 // the revision that wrote it
	Lease Lease // 0: none
}

// Event is one change of one key.
type Event struct {
	Entry
	Gone bool // deleted at revision Mod
}

// Lease names one of etcd's leases; 0 is none.
type Lease int64

// Kind is what a request asks for.
type Kind uint8

// The kinds of request.
const (
	Commit    Kind = iota // the transaction Txn
	Grant                 // a new lease of TTL
	KeepAlive             // one more TTL for Lease
	Revoke                // the end of Lease and of all its keys; fine if it is gone
)

// Request is one request to etcd.
type Request struct {
	Kind  Kind
	Txn   Txn
	TTL   time.Duration // rounded up to seconds
	Lease Lease
}

// Reply is etcd's answer to a Request that succeeded.
type Reply struct {
	Cluster   uint64
	Revision  int64     // of the store when it answered; after a write, the revision of that write
	Succeeded bool      // Commit: the conditions held
	Parts     [][]Entry // Commit: of each operation what it read or deleted
	Lease     Lease     // Grant
}

// Txn is etcd's transaction: all of Then if all of If hold, else all of Else.
type Txn struct {
	If         []Condition
	Then, Else []Op
}

// Condition compares the revision that last wrote a key, 0 when there is no
// such key. With Prefix it must hold for all keys that begin with Key.
type Condition struct {
	Key    string
	Prefix bool
	Below  bool // Mod is an upper bound, exclusive; otherwise it must be equal
	Mod    int64
}

// OpKind is what an operation does.
type OpKind uint8

// The operations.
const (
	Get OpKind = iota
	Put
	Delete // returns what was deleted
)

// Op is one operation of a transaction.
type Op struct {
	Kind   OpKind
	Key    string
	End    string // Get, Delete: the key behind the last one of a range; "": Key alone
	Value  []byte // Put
	Lease  Lease  // Put
	Limit  int64  // Get: at most so many; 0: all
	Last   bool   // Get: from the end of the range
	Names  bool   // Get: without the values
	MinMod int64  // Get: only what was written at this revision or later
}

// Folder is the range of all keys that begin with prefix: an Op's Key and End.
func Folder(prefix string) (key, end string) {
	last := len(prefix) - 1
	return prefix, prefix[:last] + string(prefix[last]+1)
}

// About says whether an operation is about key.
func (o Op) About(key string) bool {
	return key == o.Key || o.End != "" && key >= o.Key && key < o.End
}

// About says whether a condition is about key.
func (c Condition) About(key string) bool {
	return key == c.Key || c.Prefix && strings.HasPrefix(key, c.Key)
}

// Holds says whether a condition about a key that mod wrote is met.
func (c Condition) Holds(mod int64) bool {
	if c.Below {
		return mod < c.Mod
	}
	return mod == c.Mod
}

// Word is what a watch says once: events in their order, none for a sign of
// progress, or the end of the watch.
type Word struct {
	Cluster   uint64
	Events    []Event
	Err       error // the watch has ended: ErrCompacted, ErrNoLeader or another reason
	Compacted int64 // with ErrCompacted: the revision that is the oldest one kept
}

// Errors that mean something here. Others only mean that a request failed.
var (
	ErrLeaseNotFound = errors.New("the lease is gone")
	ErrCompacted     = errors.New("the watch wants what is compacted")
	ErrNoLeader      = errors.New("this member has no leader")
	ErrRelist        = errors.New("the watch cannot be believed")
)
