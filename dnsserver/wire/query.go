// Package wire reads DNS queries and composes replies without allocating.
// It knows the wire format (RFC 1035, RFC 6891, RFC 7871) and nothing of
// zones or steering.
package wire

import "net/netip"

// Sizes and limits of the wire format.
const (
	HeaderLen  = 12    // RFC 1035 4.1.1
	MaxName    = 255   // RFC 1035 2.3.4, with the root's octet
	MaxLabel   = 63    // RFC 1035 2.3.4
	MinUDPSize = 512   // RFC 6891 6.2.3: smaller values count as 512
	MaxMessage = 65535 // a two octet length, RFC 1035 4.2.2
)

// Classes that a reply may be due for.
const (
	ClassIN uint16 = 1
	ClassCH uint16 = 3
)

// Bits and masks of the header's second 16-bit word.
const (
	FlagQR     uint16 = 1 << 15
	FlagAA     uint16 = 1 << 10
	FlagTC     uint16 = 1 << 9
	FlagRD     uint16 = 1 << 8
	FlagCD     uint16 = 1 << 4
	maskOpcode uint16 = 0xf << 11
)

// Response codes. Those above 15 need an OPT record (RFC 6891 6.1.3).
const (
	RcodeNoError   uint16 = 0
	RcodeFormErr   uint16 = 1
	RcodeServFail  uint16 = 2
	RcodeNXDomain  uint16 = 3
	RcodeNotImp    uint16 = 4
	RcodeRefused   uint16 = 5
	RcodeYXDomain  uint16 = 6
	RcodeNotAuth   uint16 = 9 // RFC 8945 5.2
	RcodeBadVers   uint16 = 16
	RcodeBadCookie uint16 = 23 // RFC 7873 8
)

// EDNS option codes.
const (
	optionNSID      uint16 = 3  // RFC 5001
	optionECS       uint16 = 8  // RFC 7871
	optionCookie    uint16 = 10 // RFC 7873
	optionKeepAlive uint16 = 11 // RFC 7828
	optionPadding   uint16 = 12 // RFC 7830
	optionEDE       uint16 = 15 // RFC 8914
)

const (
	typeSOA  uint16 = 6
	typeOPT  uint16 = 41
	typeTSIG uint16 = 250
)

// Status says what a packet deserves.
type Status uint8

// The statuses. Every status but OK and Drop names the reply that is due.
const (
	OK         Status = iota
	Drop              // no reply: too short for a header, or itself a response
	FormErr           // FORMERR
	NotImp            // NOTIMP: an opcode other than QUERY
	BadVers           // BADVERS: an EDNS version above 0
	BadClass          // REFUSED: neither IN nor CH
	CookieOnly        // NOERROR: no question, but a cookie (RFC 7873 5.4)
)

var statusRcodes = [...]uint16{
	OK:         RcodeNoError,
	FormErr:    RcodeFormErr,
	NotImp:     RcodeNotImp,
	BadVers:    RcodeBadVers,
	BadClass:   RcodeRefused,
	CookieOnly: RcodeNoError,
}

// Rcode is the response code of the reply that s asks for. It has no meaning
// for Drop.
func (s Status) Rcode() uint16 { return statusRcodes[s] }

// Query is one parsed query. It refers to the packet it was parsed from and
// is meant to live on the stack.
type Query struct {
	ID     uint16
	Flags  uint16
	QName  []byte // as sent, with the root's octet; nil when no question was read
	QType  uint16
	QClass uint16
	EDNS   EDNS
	TSIG   int // where the TSIG record begins, 0 when there is none (RFC 8945)

	nameLen int
	name    [MaxName + 1]byte // QName in lower case
}

// Name is the name asked for in lower case. It is valid as long as q is.
func (q *Query) Name() []byte { return q.name[:q.nameLen] }

// Opcode is the query's opcode, 0 to 15.
func (q *Query) Opcode() uint16 { return q.Flags & maskOpcode >> 11 }

// QuestionLen is the length of the question section in octets, 0 when no
// question was read.
func (q *Query) QuestionLen() int {
	if q.QName == nil {
		return 0
	}
	return len(q.QName) + 4
}

// EDNS is what the query's OPT record said (RFC 6891).
type EDNS struct {
	Present   bool
	DO        bool
	NSID      bool // asked for
	KeepAlive bool // the TCP keepalive option is there
	Padded    bool // the Padding option is there
	Version   uint8
	UDPSize   uint16 // as sent
	ECS       ECS
	Cookie    Cookie
}

// Cookie is the query's COOKIE option (RFC 7873 4).
type Cookie struct {
	Present bool
	Client  [8]byte
	Server  []byte // as sent, 8 to 32 octets of the packet; nil when the client has none yet
}

// ECS is the query's Client Subnet option (RFC 7871).
type ECS struct {
	Present bool
	Family  uint16     // 1 IPv4, 2 IPv6
	Source  uint8      // SOURCE PREFIX-LENGTH
	Scope   uint8      // SCOPE PREFIX-LENGTH of the reply; 0 in every accepted query
	Addr    netip.Addr // no bit set beyond Source
}

// Prefix is the client's prefix. It is valid only when e is present.
func (e *ECS) Prefix() netip.Prefix { return netip.PrefixFrom(e.Addr, int(e.Source)) }
