package wire

import "encoding/binary"

// AppendHead appends the reply's header and the question as sent; SetCounts
// has to follow. q must have been parsed from pkt. RD and CD are copied
// (RFC 1035 4.1.1, RFC 4035 3.1.6); flags may add AA and TC; rcode's upper
// bits belong into the OPT record.
func AppendHead(dst, pkt []byte, q *Query, flags, rcode uint16) []byte {
	at := len(dst)
	dst = append(dst, pkt[:HeaderLen+q.QuestionLen()]...)
	head := dst[at : at+HeaderLen]
	kept := q.Flags & (FlagRD | FlagCD | maskOpcode)
	binary.BigEndian.PutUint16(head[2:], FlagQR|kept|flags|rcode&0xf)
	return dst
}

// Counts are the numbers of records in the sections of a reply.
type Counts struct{ Answer, Authority, Additional uint16 }

// SetCounts writes the section counts into the reply to q that msg begins
// with.
func SetCounts(msg []byte, q *Query, c Counts) {
	questions := uint64(0)
	if q.QName != nil {
		questions = 1
	}
	binary.BigEndian.PutUint64(msg[4:HeaderLen],
		questions<<48|uint64(c.Answer)<<32|uint64(c.Authority)<<16|uint64(c.Additional))
}

// OPT is what a reply's OPT record carries.
type OPT struct {
	UDPSize uint16 // what we accept
	Rcode   uint16 // in full
	NSID    string // sent when the query asked and it is not empty
	Scope   uint8  // for the Client Subnet option, sent when the query had one
	EDE     uint16 // extended error code plus one (RFC 8914); 0 sends none
	EDEText string // EXTRA-TEXT of the extended error

	HasCookie bool     // send the client's cookie and Cookie
	Cookie    [16]byte // the server's (RFC 9018)
	KeepAlive uint16   // idle timeout in units of 100 ms (RFC 7828); 0 sends none
	Padding   int      // octets of padding plus one (RFC 7830), up to PadBlock; 0 sends none
}

// OPTLen is the length of the OPT record that AppendOPT appends for e.
func OPTLen(e *EDNS, o *OPT) int {
	n := 11
	if e.NSID && o.NSID != "" {
		n += 4 + len(o.NSID)
	}
	if e.ECS.Present {
		n += 8 + (int(e.ECS.Source)+7)/8
	}
	if o.HasCookie {
		n += 4 + len(e.Cookie.Client) + len(o.Cookie)
	}
	if o.KeepAlive != 0 {
		n += 6
	}
	if o.EDE != 0 {
		n += EDELen(o)
	}
	if o.Padding != 0 {
		n += 4 + o.Padding - 1
	}
	return n
}

// EDELen is how many octets the extended error of o takes.
func EDELen(o *OPT) int { return 6 + len(o.EDEText) }

// AppendOPT appends the OPT record that answers e. DO is echoed (RFC 3225 3);
// FAMILY, SOURCE and ADDRESS of a Client Subnet option are as in the query
// (RFC 7871 7.2.1).
func AppendOPT(dst []byte, e *EDNS, o *OPT) []byte {
	do := byte(0)
	if e.DO {
		do = ednsDO >> 8
	}
	rdlen := OPTLen(e, o) - 11
	dst = append(dst,
		0, byte(typeOPT>>8), byte(typeOPT&0xff), byte(o.UDPSize>>8), byte(o.UDPSize),
		byte(o.Rcode>>4), 0, do, 0, byte(rdlen>>8), byte(rdlen))
	if e.NSID && o.NSID != "" {
		dst = appendOption(dst, optionNSID, len(o.NSID))
		dst = append(dst, o.NSID...)
	}
	if e.ECS.Present {
		dst = e.ECS.appendTo(dst, o.Scope)
	}
	if o.HasCookie {
		dst = appendOption(dst, optionCookie, len(e.Cookie.Client)+len(o.Cookie))
		dst = append(dst, e.Cookie.Client[:]...)
		dst = append(dst, o.Cookie[:]...)
	}
	if o.KeepAlive != 0 {
		dst = appendOption(dst, optionKeepAlive, 2)
		dst = binary.BigEndian.AppendUint16(dst, o.KeepAlive)
	}
	if o.EDE != 0 {
		dst = appendOption(dst, optionEDE, 2+len(o.EDEText))
		dst = binary.BigEndian.AppendUint16(dst, o.EDE-1)
		dst = append(dst, o.EDEText...)
	}
	if o.Padding != 0 {
		dst = appendPadding(dst, o.Padding-1)
	}
	return dst
}

func appendOption(dst []byte, code uint16, n int) []byte {
	return append(dst, byte(code>>8), byte(code), byte(n>>8), byte(n))
}

// PadBlock is what lengths of padded replies are multiples of (RFC 8467 4.1).
const PadBlock = 468

var padding [PadBlock]byte

func appendPadding(dst []byte, n int) []byte {
	dst = appendOption(dst, optionPadding, n)
	return append(dst, padding[:n]...)
}

func (e *ECS) appendTo(dst []byte, scope uint8) []byte {
	n := (int(e.Source) + 7) / 8
	dst = appendOption(dst, optionECS, 4+n)
	dst = append(dst, byte(e.Family>>8), byte(e.Family), e.Source, scope)
	if e.Family == 1 {
		a := e.Addr.As4()
		return append(dst, a[:n]...)
	}
	a := e.Addr.As16()
	return append(dst, a[:n]...)
}
