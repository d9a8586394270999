package transfer

import (
	"bytes"
)

// version is one content under one serial: what is transferred. Immutable.
type version struct {
	content *content
	serial  uint32
	soa     []byte   // in wire form, with the serial
	changed bool     // under the serial of the version before
	steps   []*delta // the journal: each begins where the one before ends; the last ends here
}

// newVersion binds c to serial. Of before, which may be nil, the journal goes on.
func newVersion(c *content, serial uint32, before *version) (*version, error) {
	var p packer
	soa, err := p.soa(c.zone, serial)
	if err != nil {
		return nil, err
	}
	v := &version{content: c, serial: serial, soa: bytes.Clone(soa)}
	if before != nil && before.serial == serial {
		if v.changed = !v.same(before); !v.changed {
			v.steps = before.steps
		}
	}
	if before == nil || !less(before.serial, serial) {
		return v, nil // an unknown past: secondaries fetch the whole zone
	}
	d, err := diff(before.content, c)
	if err != nil {
		return v, nil // so they do when too much has changed
	}
	d.from, d.to, d.packer = before.soa, v.soa, packer{}
	v.steps = trim(append(before.steps[:len(before.steps):len(before.steps)], d))
	return v, nil
}

// same tells whether two versions are the same in all but their objects.
func (v *version) same(other *version) bool {
	if !bytes.Equal(v.soa, other.soa) {
		return false
	}
	if v.content.digest != "" && v.content.digest == other.content.digest {
		return true
	}
	d, err := diff(other.content, v.content)
	return err == nil && len(d.removed)+len(d.added) == 0
}

// trim drops the oldest steps until the rest is within bounds.
func trim(steps []*delta) []*delta {
	size := 0
	for i := len(steps) - 1; i >= 0; i-- {
		if size += steps[i].size; size > maxJournal || len(steps)-i > maxSteps {
			return steps[i+1:]
		}
	}
	return steps
}

// since is the steps that lead from a serial to v; false when they are not known.
func (v *version) since(serial uint32) ([]*delta, bool) {
	for i, d := range v.steps {
		if serialOf(d.from) == serial {
			return v.steps[i:], true
		}
	}
	return nil, false
}

// size is an upper bound of the octets that sending steps takes.
func sizeOf(steps []*delta) (octets int) {
	for _, d := range steps {
		octets += d.size + len(d.from) + len(d.to)
	}
	return octets
}

// relative splits a record in wire form into the part of its owner in front of
// the apex and what follows the owner; whole: the owner does not end in the apex.
func relative(rr, apex []byte) (front, rest []byte, whole bool) {
	end := 1
	for at := 0; rr[at] != 0; at += 1 + int(rr[at]) {
		end = at + 1 + int(rr[at]) + 1
	}
	for at := 0; rr[at] != 0; at += 1 + int(rr[at]) {
		if end-at == len(apex) && bytes.Equal(rr[at:end], apex) {
			return rr[:at], rr[end:], false
		}
	}
	return rr[:end], rr[end:], true
}
