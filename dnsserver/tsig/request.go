package tsig

import (
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"time"
)

// Request is a signed message of ours that awaits its one reply.
type Request struct {
	key *Key
	mac []byte
}

// Sign appends a TSIG record to the request that msg is.
func (k *Key) Sign(msg []byte, now time.Time) ([]byte, Request) {
	r := record{name: k.name, algorithm: k.algorithm.wire, time: seconds(now), fudge: ownFudge, id: binary.BigEndian.Uint16(msg)}
	h := k.mac()
	h.Write(msg)
	r.variables(h)
	r.mac = h.Sum(nil)
	binary.BigEndian.PutUint16(msg[10:], binary.BigEndian.Uint16(msg[10:])+1)
	return r.appendTo(msg), Request{k, r.mac}
}

var (
	errUnsigned = errors.New("the reply is not signed")
	errForged   = errors.New("the reply's signature is wrong")
	errClock    = errors.New("the reply was signed at another time: do the clocks agree?")
)

// Verify checks the reply, whose TSIG record begins at octet at; 0 for none.
func (q Request) Verify(reply []byte, at int, now time.Time) error {
	rec, ok := readRecord(reply, at)
	switch {
	case !ok:
		return errUnsigned
	case rec.err == uint16(BadKey):
		return errors.New("the other side does not know the key (BADKEY)")
	case rec.err == uint16(BadSig):
		return errors.New("the other side has another secret for the key (BADSIG)")
	case rec.name != q.key.name || rec.algorithm != q.key.algorithm.wire:
		return errForged
	}
	h := q.key.mac()
	writeSized(h, q.mac)
	digest(h, reply, &rec)
	switch {
	case !hmac.Equal(h.Sum(nil), rec.mac):
		return errForged
	case rec.err == uint16(BadTime):
		return errors.New("the other side's clock differs from ours (BADTIME)")
	case !within(rec.time, rec.fudge, now):
		return errClock
	}
	return nil
}
