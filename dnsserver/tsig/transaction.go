package tsig

import (
	"crypto/hmac"
	"encoding/binary"
	"hash"
	"time"
)

// Fault is what is wrong with a signed message. Its values above 0 are those
// of the TSIG error field (RFC 8945 3 and 5.2).
type Fault uint16

// The faults.
const (
	BadSig   Fault = 16 // the MAC is wrong
	BadKey   Fault = 17 // the key, or this algorithm with it, is not known here
	BadTime  Fault = 18 // signed at another time than now, give or take the fudge
	BadTrunc Fault = 22 // the MAC is shortened, which we never accept
)

// ownFudge is how far clocks may differ for what we sign (RFC 8945 10).
const ownFudge = 300

// Transaction is one signed query and its replies. It belongs to one
// goroutine.
type Transaction struct {
	key   *Key // nil: not known here
	fault Fault
	asked record // of the query
	prior []byte // the MAC of the message before
	sent  int    // signed replies so far
}

// Verify checks the TSIG record that begins at octet at of query. It returns
// nil when that is no TSIG record, or not the last one: FORMERR is due. What is
// wrong with the signature says Fault; every reply is to pass through Sign.
func (r *Ring) Verify(query []byte, at int, now time.Time) *Transaction {
	rec, ok := readRecord(query, at)
	if !ok {
		return nil
	}
	t := &Transaction{asked: rec, key: r.Find(rec.name)}
	if t.key == nil || t.key.algorithm.wire != rec.algorithm {
		t.key, t.fault = nil, BadKey
		return t
	}
	full := t.key.algorithm.size
	if len(rec.mac) > full || len(rec.mac) < max(10, full/2) {
		return nil // RFC 8945 5.2.2.1
	}
	h := t.key.mac()
	digest(h, query, &rec)
	if !hmac.Equal(h.Sum(nil)[:len(rec.mac)], rec.mac) {
		t.fault = BadSig
		return t
	}
	t.prior = append([]byte(nil), rec.mac...)
	switch {
	case len(rec.mac) < full: // after the MAC, RFC 8945 5.2.4
		t.fault = BadTrunc
	case !within(rec.time, rec.fudge, now):
		t.fault = BadTime
	}
	return t
}

// Fault is what is wrong with the query, 0 when nothing is.
func (t *Transaction) Fault() Fault { return t.fault }

// Key is the key that signed the query, nil unless it did.
func (t *Transaction) Key() *Key {
	if t == nil || t.fault != 0 {
		return nil
	}
	return t.key
}

// Len is how many octets Sign adds to a reply.
func (t *Transaction) Len() int {
	r, size := t.replyRecord(time.Time{}), 0
	if t.signs() {
		size = t.key.algorithm.size
	}
	return r.length(size)
}

// signs: replies to queries with an unknown key or a wrong MAC are not signed
// (RFC 8945 5.3.2).
func (t *Transaction) signs() bool { return t.fault != BadKey && t.fault != BadSig }

// Sign appends a TSIG record to the reply that msg[from:] is. Of several
// replies to one query each is signed as the next of the sequence (RFC 8945 5.3.1).
func (t *Transaction) Sign(msg []byte, from int, now time.Time) []byte {
	reply := msg[from:]
	r := t.replyRecord(now)
	r.id = binary.BigEndian.Uint16(reply)
	if t.signs() {
		h := t.key.mac()
		writeSized(h, t.prior)
		h.Write(reply)
		if t.sent == 0 {
			r.variables(h)
		} else {
			r.timers(h)
		}
		r.mac = h.Sum(nil)
		t.prior = r.mac
		t.sent++
	}
	binary.BigEndian.PutUint16(reply[10:], binary.BigEndian.Uint16(reply[10:])+1)
	return r.appendTo(msg)
}

// replyRecord is the record of a reply that is signed now, without its MAC.
func (t *Transaction) replyRecord(now time.Time) record {
	r := record{name: t.asked.name, algorithm: t.asked.algorithm, time: seconds(now), fudge: ownFudge, err: uint16(t.fault)}
	if t.fault == BadTime { // RFC 8945 5.2.3: the client's time, and ours beside it
		r.other = appendTime(nil, r.time)
		r.time, r.fudge = t.asked.time, t.asked.fudge
	}
	return r
}

// digest feeds a message that ends in rec, and rec's variables, to h
// (RFC 8945 4.3): the message as it was before it was signed.
func digest(h hash.Hash, msg []byte, rec *record) {
	var head [headerLen]byte
	copy(head[:], msg)
	binary.BigEndian.PutUint16(head[:], rec.id)
	binary.BigEndian.PutUint16(head[10:], binary.BigEndian.Uint16(head[10:])-1)
	h.Write(head[:])
	h.Write(msg[headerLen:rec.at])
	rec.variables(h)
}

// variables feeds what RFC 8945 4.3.3 lists to h.
func (r *record) variables(h hash.Hash) {
	b := append([]byte(nil), r.name...)
	b = append(b, classANY>>8, classANY&0xff, 0, 0, 0, 0)
	b = append(b, r.algorithm...)
	b = appendTime(b, r.time)
	b = binary.BigEndian.AppendUint16(b, r.fudge)
	b = binary.BigEndian.AppendUint16(b, r.err)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.other)))
	h.Write(append(b, r.other...))
}

// timers feeds to h what is signed of all replies but the first.
func (r *record) timers(h hash.Hash) {
	h.Write(binary.BigEndian.AppendUint16(appendTime(nil, r.time), r.fudge))
}

func writeSized(h hash.Hash, mac []byte) {
	h.Write(binary.BigEndian.AppendUint16(nil, uint16(len(mac))))
	h.Write(mac)
}

func seconds(t time.Time) uint64 { return uint64(max(t.Unix(), 0)) & (1<<48 - 1) }

// within says whether a message that was signed at a time is of now.
func within(signed uint64, fudge uint16, now time.Time) bool {
	n := seconds(now)
	return n <= signed+uint64(fudge) && signed <= n+uint64(fudge)
}
