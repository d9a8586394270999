package regions

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"

	"github.com/steerdns/steerdns/healthcheck"
)

// epochOf names a world: the beginning of the configuration's hash, and a
// digest of everything that Decide looks at and tells, and of the zones'
// serials. Up and unknown decide alike and count as one; times and the
// evidence of votes decide nothing.
func epochOf(w *World) string {
	var b []byte
	b = append(b, w.Topology.Hash...)
	b = append(b, 0, bits(w.Ready))
	for i := range w.Regions {
		b = appendVerdict(b, &w.Regions[i])
	}
	for s := range w.Endpoints {
		b = append(b, bits(w.Services[s] != nil))
		for e := range w.Endpoints[s] {
			b = appendVerdict(b, &w.Endpoints[s][e])
		}
	}
	for _, o := range w.Overrides {
		if o.Kind == OverrideFailback {
			continue // what it brought about is in the verdicts
		}
		for _, word := range []string{string(o.Action), string(o.Kind), o.Name, o.Owner, o.Reason} {
			b = append(b, word...)
			b = append(b, 0)
		}
	}
	for _, s := range w.Serials {
		b = append(b, s.Zone...)
		b = append(b, 0)
		b = binary.BigEndian.AppendUint32(b, s.Serial)
	}
	sum := sha256.Sum256(b)
	return (w.Topology.Hash + strings.Repeat("0", 8))[:8] + "-" + hex.EncodeToString(sum[:4])
}

func appendVerdict(b []byte, v *Verdict) []byte {
	b = append(b,
		bits(v.State == healthcheck.Down, v.Held, v.Demoted, v.Drained != nil, v.Suspect || v.Shaky, v.Frozen, v.Waiting, v.Pinned != nil),
		v.Ramp)
	b = append(b, v.Lacks...)
	return append(b, 0)
}

func bits(flags ...bool) byte {
	var b byte
	for i, f := range flags {
		if f {
			b |= 1 << i
		}
	}
	return b
}
