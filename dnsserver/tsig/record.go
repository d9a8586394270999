package tsig

import (
	"encoding/binary"
)

const (
	headerLen = 12
	maxName   = 255
	maxLabel  = 63

	typeTSIG = 250
	classANY = 255
)

// record is a TSIG record as it stands at the end of a message (RFC 8945 4.2).
type record struct {
	at        int    // where it begins: the message without it ends there
	name      string // of the key; wire form, lower case
	algorithm string // wire form, lower case
	time      uint64 // 48 bits
	fudge     uint16
	mac       []byte
	id        uint16 // of the message when it was signed
	err       uint16
	other     []byte
}

// readRecord reads the TSIG record that begins at octet at of msg and must be
// the last thing in it.
func readRecord(msg []byte, at int) (r record, ok bool) {
	if at < headerLen || at > len(msg) {
		return r, false
	}
	r.at = at
	name, off, ok := readName(msg, at, true)
	if !ok || off+10 > len(msg) {
		return r, false
	}
	r.name = name
	fixed := msg[off : off+10]
	end := off + 10 + int(binary.BigEndian.Uint16(fixed[8:]))
	if binary.BigEndian.Uint16(fixed) != typeTSIG || binary.BigEndian.Uint16(fixed[2:]) != classANY ||
		binary.BigEndian.Uint32(fixed[4:]) != 0 || end != len(msg) {
		return r, false
	}
	r.algorithm, off, ok = readName(msg, off+10, false)
	return r, ok && r.readData(msg[off:])
}

// readData reads what follows the algorithm's name.
func (r *record) readData(data []byte) bool {
	const before, after = 10, 6 // of the MAC
	if len(data) < before+after {
		return false
	}
	r.time = uint64(binary.BigEndian.Uint16(data))<<32 | uint64(binary.BigEndian.Uint32(data[2:]))
	r.fudge = binary.BigEndian.Uint16(data[6:])
	size := int(binary.BigEndian.Uint16(data[8:]))
	if len(data) < before+size+after {
		return false
	}
	r.mac = data[before : before+size]
	data = data[before+size:]
	r.id = binary.BigEndian.Uint16(data)
	r.err = binary.BigEndian.Uint16(data[2:])
	r.other = data[after:]
	return int(binary.BigEndian.Uint16(data[4:])) == len(r.other)
}

// appendTo appends the record to a message.
func (r *record) appendTo(msg []byte) []byte {
	msg = append(msg, r.name...)
	msg = binary.BigEndian.AppendUint16(msg, typeTSIG)
	msg = binary.BigEndian.AppendUint16(msg, classANY)
	msg = append(msg, 0, 0, 0, 0)
	msg = binary.BigEndian.AppendUint16(msg, uint16(len(r.algorithm)+16+len(r.mac)+len(r.other)))
	msg = append(msg, r.algorithm...)
	msg = appendTime(msg, r.time)
	msg = binary.BigEndian.AppendUint16(msg, r.fudge)
	msg = binary.BigEndian.AppendUint16(msg, uint16(len(r.mac)))
	msg = append(msg, r.mac...)
	msg = binary.BigEndian.AppendUint16(msg, r.id)
	msg = binary.BigEndian.AppendUint16(msg, r.err)
	msg = binary.BigEndian.AppendUint16(msg, uint16(len(r.other)))
	return append(msg, r.other...)
}

// length is how many octets appendTo appends with a MAC of macSize octets.
func (r *record) length(macSize int) int {
	return len(r.name) + 10 + len(r.algorithm) + 16 + macSize + len(r.other)
}

func appendTime(b []byte, t uint64) []byte {
	return append(b, byte(t>>40), byte(t>>32), byte(t>>24), byte(t>>16), byte(t>>8), byte(t))
}

// readName reads the name at off in lower case and returns where it ends.
// Pointers, where they are allowed, lead backwards only, so that it ends.
func readName(msg []byte, off int, pointers bool) (name string, end int, ok bool) {
	var b []byte
	limit := off // pointers must lead before the place they were reached from
	for off < len(msg) && len(b) < maxName {
		n := int(msg[off])
		switch {
		case n == 0:
			if end == 0 {
				end = off + 1
			}
			return string(append(b, 0)), end, true
		case n <= maxLabel && off+1+n <= len(msg):
			b = append(b, byte(n))
			b = appendLower(b, msg[off+1:off+1+n])
			off += 1 + n
		case n >= 0xc0 && pointers && off+2 <= len(msg):
			if end == 0 {
				end = off + 2
			}
			off = int(binary.BigEndian.Uint16(msg[off:]) & 0x3fff)
			if off < headerLen || off >= limit {
				return "", 0, false
			}
			limit = off
		default:
			return "", 0, false
		}
	}
	return "", 0, false
}

func appendLower(b, s []byte) []byte {
	for _, c := range s {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		b = append(b, c)
	}
	return b
}
