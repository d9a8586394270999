// Package tsig signs and verifies DNS messages with shared secrets (RFC 8945):
// octets in, octets out. It knows hmac-sha256, hmac-sha384 and hmac-sha512; who
// may do what with a key is the caller's matter.
package tsig

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"log/slog"
)

// Key is a shared secret with its name. It is immutable, and whatever prints
// it prints the name only.
type Key struct {
	name      string // wire form, lower case
	algorithm *algorithm
	secret    []byte
}

// algorithm is one HMAC (RFC 8945 6).
type algorithm struct {
	text string
	wire string // its name in wire form, lower case
	hash func() hash.Hash
	size int // octets of a MAC
}

var algorithms = []*algorithm{
	{"hmac-sha256", "\x0bhmac-sha256\x00", sha256.New, sha256.Size},
	{"hmac-sha384", "\x0bhmac-sha384\x00", sha512.New384, sha512.Size384},
	{"hmac-sha512", "\x0bhmac-sha512\x00", sha512.New, sha512.Size},
}

// Name is the key's name in wire form and lower case.
func (k *Key) Name() string { return k.name }

// String tells the key's name and algorithm, never the secret.
func (k *Key) String() string { return k.algorithm.text + ":" + nameText(k.name) }

// GoString keeps %#v from telling more than String.
func (k *Key) GoString() string { return k.String() }

// LogValue keeps logs from telling more than String.
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

func (k *Key) mac() hash.Hash { return hmac.New(k.algorithm.hash, k.secret) }

// Ring is a set of keys, immutable. The nil Ring has none.
type Ring struct {
	keys map[string]*Key // by name
}

// Find returns the key of a name in wire form and lower case, or nil.
func (r *Ring) Find(name string) *Key {
	if r == nil {
		return nil
	}
	return r.keys[name]
}

// Len is how many keys there are.
func (r *Ring) Len() int {
	if r == nil {
		return 0
	}
	return len(r.keys)
}
