// Package transfer gives whole zones to other servers: AXFR (RFC 5936), IXFR
// (RFC 1995) and NOTIFY (RFC 1996), with TSIG (RFC 8945) and allow lists. A
// steered name is exported as what the fleet answers to a client of whom nothing
// is known; the serial of a zone that changes by itself is agreed on in the store,
// so that one serial is one content on all instances.
package transfer

import (
	"net/netip"
	"time"

	"github.com/steerdns/steerdns/dnsserver/tsig"
)

// Rule says to whom a zone is given.
type Rule struct {
	Zone   string   // name, absolute, lower case, presentation form
	Allow  []Allow  // who may fetch it: any one of them; nobody when empty
	Notify []Target // who is told of changes
}

// Allow lets those fetch a zone that meet all it asks for.
type Allow struct {
	Prefix netip.Prefix // the zero Prefix: any address
	Key    string       // a key's name in wire form, lower case; "": none needed
}

// permits tells whether a client that signed with key, nil for none, is meant.
func (a Allow) permits(client netip.Addr, key *tsig.Key) bool {
	if a.Prefix.IsValid() && !a.Prefix.Contains(client) {
		return false
	}
	return a.Key == "" || key != nil && key.Name() == a.Key
}

// Target is a secondary that is sent NOTIFY.
type Target struct {
	Addr netip.AddrPort
	Key  string // what to sign with, as in Allow; "": nothing
}

// Limits of what transfers may take.
const (
	maxTransfers = 16               // under way at once
	maxPerClient = 4                // of these, by one address
	longest      = 30 * time.Minute // one transfer, whatever its size

	softMessage = 32 << 10 // octets at which a message is sent
	hardMessage = 65535    // RFC 1035 4.2.2

	maxDelta   = 100_000 // changes that one step of the journal may hold
	maxSteps   = 128     // of a zone's journal
	maxJournal = 4 << 20 // octets of records in a zone's journal
)
