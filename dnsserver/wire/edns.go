package wire

import (
	"encoding/binary"
	"net/netip"
)

// ednsDO is the DNSSEC OK bit in the OPT record's TTL (RFC 3225).
const ednsDO = 1 << 15

// read takes the OPT record rr and reports whether it is well formed. The
// options of a version we do not speak are not looked at (RFC 6891 6.1.3).
func (e *EDNS) read(rr record) bool {
	e.UDPSize = rr.class
	e.Version = uint8(rr.ttl >> 16)
	e.DO = rr.ttl&ednsDO != 0
	e.Present = true
	return e.Version != 0 || e.readOptions(rr.data)
}

// readOptions reads all options and ignores those it does not know
// (RFC 6891 6.1.2).
func (e *EDNS) readOptions(data []byte) bool {
	for len(data) > 0 {
		if len(data) < 4 {
			return false
		}
		code, n := binary.BigEndian.Uint16(data), int(binary.BigEndian.Uint16(data[2:]))
		if len(data) < 4+n {
			return false
		}
		if !e.readOption(code, data[4:4+n]) {
			return false
		}
		data = data[4+n:]
	}
	return true
}

func (e *EDNS) readOption(code uint16, body []byte) bool {
	switch code {
	case optionNSID:
		e.NSID = true
	case optionECS:
		return !e.ECS.Present && e.ECS.read(body)
	case optionCookie:
		return e.Cookie.Present || e.Cookie.read(body) // RFC 7873 5.2: of several only the first counts
	case optionKeepAlive:
		e.KeepAlive = true
	case optionPadding:
		e.Padded = true
	}
	return true
}

// read takes the body of a COOKIE option and reports whether it is well
// formed: 8 octets of the client alone, or 8 to 32 of the server behind them
// (RFC 7873 5.2.2).
func (c *Cookie) read(body []byte) bool {
	n := len(body) - len(c.Client)
	if n != 0 && (n < 8 || n > 32) {
		return false
	}
	c.Present = true
	c.Client = [8]byte(body)
	if n > 0 {
		c.Server = body[len(c.Client):]
	}
	return true
}

// read takes the body of a Client Subnet option and reports whether it is
// well formed: RFC 7871 6 and 7.2.1 ask for FORMERR when SCOPE is not 0, the
// family is unknown, SOURCE is too long, the address has another length than
// SOURCE needs, or bits beyond SOURCE are set.
func (e *ECS) read(body []byte) bool {
	if len(body) < 4 || body[3] != 0 {
		return false
	}
	e.Family, e.Source = binary.BigEndian.Uint16(body), body[2]
	addr := body[4:]
	if len(addr) != (int(e.Source)+7)/8 {
		return false
	}
	if spare := e.Source & 7; spare != 0 && addr[len(addr)-1]<<spare != 0 {
		return false
	}
	switch {
	case e.Family == 1 && e.Source <= 32:
		var a [4]byte
		copy(a[:], addr)
		e.Addr = netip.AddrFrom4(a)
	case e.Family == 2 && e.Source <= 128:
		var a [16]byte
		copy(a[:], addr)
		e.Addr = netip.AddrFrom16(a)
	default:
		return false
	}
	e.Present = true
	return true
}
