package zone

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// maxTTL is the largest TTL (RFC 2181 section 8), in seconds.
const maxTTL = 1<<31 - 1

// reader turns the text of one zone into records.
type reader struct {
	rep  *report
	zone string // wire form
	emit func(owner string, r record)

	origin     []byte
	originText string
	ttl        uint32 // for records without one
	ttlKnown   bool
	ttlFixed   bool // by $TTL or configuration, so that stated TTLs do not replace it

	owner    string // of the last record; "" before the first
	ownerBad bool   // reported; records that repeat it are left out

	lost lost

	generated int // records by $GENERATE so far
	line      bytes.Buffer
	wire      []byte // scratch for packing
}

func newReader(src *Source, zone string, rep *report, emit func(string, record)) *reader {
	return &reader{
		rep: rep, zone: zone, emit: emit,
		origin: []byte(zone), originText: NameString([]byte(zone)),
		ttl: src.DefaultTTL, ttlKnown: src.DefaultTTL > 0, ttlFixed: src.DefaultTTL > 0,
		wire: make([]byte, dns.MaxMsgSize+512),
		lost: lost{types: map[uint16]bool{}},
	}
}

// lost is what could not be read, so that it is not reported as missing too.
type lost struct {
	lines bool            // entries whose type is not known
	types map[uint16]bool // records of these types
}

// read parses all entries; each problem costs one entry only.
func (r *reader) read(text string, line int) {
	s := newScanner(text, line, r.rep)
	for {
		known := r.rep.count()
		e, ok := s.next()
		r.lost.lines = r.lost.lines || r.rep.count() > known
		if !ok {
			return
		}
		if !e.blank && e.tokens[0].text[0] == '$' {
			r.directive(e.tokens)
			continue
		}
		r.record(e)
	}
}

func (r *reader) directive(t []token) {
	switch name := strings.ToUpper(t[0].text); name {
	case "$TTL":
		r.setTTL(t)
	case "$ORIGIN":
		r.setOrigin(t)
	case "$GENERATE":
		r.generate(t)
	case "$INCLUDE":
		r.rep.add(t[0].at, "paste the file's text here, or name it as the zone's file", "$INCLUDE is not supported")
	default:
		r.rep.add(t[0].at, `$TTL, $ORIGIN and $GENERATE are known; write \$ if a name begins so`, "unknown directive %q", clip(t[0].text))
	}
}

func (r *reader) setTTL(t []token) {
	if len(t) != 2 {
		r.rep.add(t[0].at, "write $TTL 300", "$TTL takes one value")
		return
	}
	if ttl, ok := r.readTTL(t[1]); ok {
		r.ttl, r.ttlKnown, r.ttlFixed = ttl, true, true
	}
}

// readTTL reports what is not a TTL within range.
func (r *reader) readTTL(t token) (uint32, bool) {
	ttl, ok := parseTTL(t.text)
	switch {
	case !ok:
		r.rep.add(t.at, "write seconds, or a sum such as 1h30m", "%q is not a TTL", clip(t.text))
	case ttl > maxTTL:
		r.rep.add(t.at, "use at most 2147483647, RFC 2181 section 8", "TTL %s is out of range", clip(t.text))
	default:
		return uint32(ttl), true
	}
	return 0, false
}

func (r *reader) setOrigin(t []token) {
	if len(t) != 2 {
		r.rep.add(t[0].at, "write $ORIGIN name.", "$ORIGIN takes one name")
		return
	}
	origin, err := appendName(nil, t[1].text, r.origin)
	if err != nil {
		r.rep.add(t[1].at, "write an absolute name, with a dot at its end", "$ORIGIN %q: %v", clip(t[1].text), err)
		return
	}
	r.origin, r.originText = origin, NameString(origin)
}

// record parses: [owner] [TTL] [class] type data, TTL and class in either order.
func (r *reader) record(e entry) {
	fields := e.tokens
	if !e.blank {
		r.setOwner(fields[0])
		fields = fields[1:]
	}
	if r.ownerBad {
		return
	}
	if r.owner == "" {
		r.rep.add(e.tokens[0].at, "begin the line with a name, or with @ for the origin",
			"the line begins with a blank, which repeats the last owner, but no record comes before it")
		return
	}
	h, ok := r.head(e, fields)
	if ok = ok && r.supported(h); !ok {
		r.lost.types[h.rtype] = true
		return
	}
	data, ok := r.data(h)
	if !ok {
		r.lost.types[h.rtype] = true
		return
	}
	r.emit(r.owner, record{data: data, at: e.tokens[0].at, ttl: h.ttl, rtype: h.rtype})
}

func (r *reader) setOwner(t token) {
	r.ownerBad = true
	if t.text[0] == '"' {
		r.rep.add(t.at, "write the name without quotes", "the owner is quoted")
		return
	}
	owner, err := appendName(r.wire[:0], t.text, r.origin)
	if err != nil {
		r.rep.add(t.at, "correct the owner name", "owner %q: %v", clip(t.text), err)
		return
	}
	name := string(owner)
	if name == r.owner {
		r.ownerBad = false
		return
	}
	if !within(name, r.zone) {
		r.rep.add(t.at, "a name without a dot at its end gets the origin; move others to their own zone",
			"%s lies outside the zone", NameString(owner))
		return
	}
	r.owner, r.ownerBad = name, false
}

// head is what comes before a record's data.
type head struct {
	ttl      uint32
	rtype    uint16
	rtypeAt  pos
	typeText string
	class    token
	data     []token
}

const recordForm = "write: owner [TTL] [IN] type data; a line that repeats the last owner begins with a blank"

// head reads TTL, class and type.
func (r *reader) head(e entry, fields []token) (h head, ok bool) {
	var ttl token
	for i, t := range fields {
		upper := strings.ToUpper(t.text)
		rtype, known := typeCode(upper)
		switch {
		case known:
			h.rtype, h.rtypeAt, h.typeText, h.data = rtype, t.at, upper, fields[i+1:]
			return r.headTTL(h, ttl, e.tokens[0].at)
		case h.class.text == "" && isClass(upper):
			h.class = token{upper, t.at}
		case ttl.text == "" && isDigit(t.text[0]):
			ttl = t
			if h.ttl, ok = r.readTTL(t); !ok {
				return h, false
			}
		default:
			r.rep.add(t.at, recordForm, "%q is not a record type, class or TTL", clip(t.text))
			return h, false
		}
	}
	r.rep.add(e.tokens[0].at, recordForm, "the record has no type")
	return h, false
}

// headTTL completes a head whose TTL may have been left out.
func (r *reader) headTTL(h head, stated token, at pos) (head, bool) {
	switch {
	case stated.text != "":
		if !r.ttlFixed {
			r.ttl, r.ttlKnown = h.ttl, true
		}
	case !r.ttlKnown:
		r.rep.add(at, "put a $TTL line before it, or give the record a TTL", "the record has no TTL and there is no default")
		return h, false
	default:
		h.ttl = r.ttl
	}
	return h, true
}

func typeCode(upper string) (uint16, bool) {
	if t, ok := dns.StringToType[upper]; ok {
		return t, true
	}
	digits, ok := strings.CutPrefix(upper, "TYPE")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	return uint16(n), err == nil
}

func isClass(upper string) bool {
	if _, ok := dns.StringToClass[upper]; ok || upper == "CS" {
		return true
	}
	digits, ok := strings.CutPrefix(upper, "CLASS")
	_, err := strconv.ParseUint(digits, 10, 16)
	return ok && err == nil
}

// supported reports classes and types that no zone of ours can hold.
func (r *reader) supported(h head) bool {
	if h.class.text != "" && h.class.text != "IN" && h.class.text != "CLASS1" {
		r.rep.add(h.class.at, "write IN or leave it out", "class %s is not served", clip(h.class.text))
		return false
	}
	switch t := h.rtype; {
	case t == 0 || t == dns.TypeOPT || (t >= 128 && t <= 255) || t == 65535:
		r.rep.add(h.rtypeAt, "remove the record", "%s belongs in messages, not in zones (RFC 6895 section 3.1)", clip(h.typeText))
		return false
	case t == dns.TypeRRSIG || t == dns.TypeNSEC || t == dns.TypeNSEC3 || t == dns.TypeNSEC3PARAM || t == dns.TypeSIG || t == dns.TypeNXT:
		r.rep.add(h.rtypeAt, "remove the record and load the zone unsigned", "%s records are not loaded from text: zones are not signed yet", clip(h.typeText))
		return false
	}
	return true
}

// clip keeps messages short whatever the file holds.
func clip(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
