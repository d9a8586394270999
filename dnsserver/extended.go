package dnsserver

import (
	"github.com/steerdns/steerdns/dnsserver/wire"
	"github.com/steerdns/steerdns/regions/steering"
)

// Extended errors (RFC 8914 4) plus one, as a reply carries them; 0 is none.
const (
	edeOther            uint16 = 1 + 0
	edeStaleAnswer      uint16 = 1 + 3
	edeNotReady         uint16 = 1 + 14
	edeProhibited       uint16 = 1 + 18
	edeNotAuthoritative uint16 = 1 + 20
	edeNotSupported     uint16 = 1 + 21
)

// storeLost is the extra text of answers from a world that the store does not
// confirm any more.
const storeLost = "store-lost"

// because notes why a decision in the plan came out as it did. Of several the
// first one that is worth an extended error counts, or else the first.
func (p *planner) because(code string) {
	ede := extended(code)
	p.key = append(append(p.key, code...), 0)
	if p.reason != "" && (p.ede != 0 || ede == 0) {
		return
	}
	p.reason, p.ede, p.text = code, ede, code
	if ede == 0 {
		p.text = ""
	}
}

// aged marks a plan of a world that stands because nothing newer is known.
func (p *planner) aged() {
	if p.decided && p.ede == 0 && p.world != nil && p.world.StoreLost {
		p.ede, p.text = edeStaleAnswer, storeLost
	}
}

// extended is the extended error that goes with a decision's reason. What an
// operator meant to happen, or what is no trouble, has none.
func extended(code string) uint16 {
	switch code {
	case steering.CodeNoState, steering.CodeNoService:
		return edeNotReady
	case steering.CodeAllDown, steering.CodeFenceDown, steering.CodeAllDrained:
		return edeOther
	}
	return 0
}

// fault is a reply without records.
func fault(rcode, ede uint16) compiled {
	return compiled{rcode: rcode, ede: ede, service: -1, region: -1}
}

// Replies to queries that are answered without looking at zones.
var (
	faults = [...]compiled{
		wire.FormErr:    fault(wire.RcodeFormErr, 0),
		wire.NotImp:     fault(wire.RcodeNotImp, edeNotSupported),
		wire.BadVers:    fault(wire.RcodeBadVers, 0),
		wire.BadClass:   fault(wire.RcodeRefused, edeNotSupported),
		wire.CookieOnly: fault(wire.RcodeNoError, 0),
	}
	refusedZone  = fault(wire.RcodeRefused, edeNotAuthoritative)
	refusedChaos = fault(wire.RcodeRefused, edeNotSupported)
	prohibited   = fault(wire.RcodeRefused, edeProhibited)
	notReady     = fault(wire.RcodeServFail, edeNotReady)
	badCookie    = fault(wire.RcodeBadCookie, 0)
)
