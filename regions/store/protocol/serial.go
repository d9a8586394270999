package protocol

import (
	"errors"
	"fmt"
	"time"

	"github.com/steerdns/steerdns/regions"
)

// BindSerial binds a zone's content to a serial, by compare-and-swap: before is
// what the caller last saw bound, nil for nothing. When something else is bound by
// now, the error matches ErrConflict, and the next picture tells what. What cannot
// be believed counts as nothing, and is written over. At is stamped.
func BindSerial(do Carrier, k Keys, now time.Time, before *regions.ZoneSerial, z regions.ZoneSerial) error {
	z.At = now.Round(0).UTC()
	if err := checkSerial(z); err != nil {
		return InvalidError{Err: fmt.Errorf("serial: %w", err)}
	}
	key := k.Serial(z.Zone)
	bound, mod, err := k.bound(do, key)
	switch {
	case err != nil:
		return err
	case (bound == nil) != (before == nil), bound != nil && (bound.Serial != before.Serial || bound.Digest != before.Digest):
		return errBound(z.Zone)
	}
	data, err := Pack(z)
	if err != nil {
		return err
	}
	reply, err := do(Request{Kind: Commit, Txn: Txn{
		If:   []Condition{{Key: key, Mod: mod}},
		Then: []Op{{Kind: Put, Key: key, Value: data}},
	}})
	if err == nil && !reply.Succeeded {
		err = errBound(z.Zone)
	}
	return err
}

func errBound(zone string) error {
	return fmt.Errorf("%w: the serial of %s was bound meanwhile", ErrConflict, zone)
}

// bound is what a key binds, and the revision that wrote it.
func (k Keys) bound(do Carrier, key string) (*regions.ZoneSerial, int64, error) {
	reply, err := do(Request{Kind: Commit, Txn: Txn{Then: []Op{{Kind: Get, Key: key}}}})
	if err != nil || len(reply.Parts[0]) == 0 {
		return nil, 0, err
	}
	e := reply.Parts[0][0]
	_, p := k.decode(e.Key, e.Value)
	return p.serial, e.Mod, nil
}

func decodeSerial(n name, value []byte) (parsed, error) {
	z := new(regions.ZoneSerial)
	if err := unpack(value, maxSmall, z); err != nil {
		return parsed{}, err
	}
	if z.Zone != n.of {
		return parsed{}, fmt.Errorf("speaks of zone %.80q", z.Zone)
	}
	return parsed{serial: z}, checkSerial(*z)
}

// checkSerial refuses a binding that cannot be true.
func checkSerial(z regions.ZoneSerial) error {
	switch {
	case !printable(z.Zone, MaxName):
		return fmt.Errorf("zone: want 1 to %d bytes of printable text", MaxName)
	case !isDigest(z.Digest):
		return errors.New("digest: want 64 hexadecimal digits")
	case !printable(z.By, MaxName):
		return fmt.Errorf("by: want 1 to %d bytes of printable text", MaxName)
	case !sane(z.At):
		return fmt.Errorf("at %v", z.At)
	}
	return nil
}
