package zone

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// data parses and packs the record's data; it is valid until the next call.
func (r *reader) data(h head) (data []byte, ok bool) {
	if len(h.data) == 0 && h.rtype != dns.TypeAPL {
		r.rep.add(h.rtypeAt, recordForm, "the %s record has no data", clip(h.typeText))
		return nil, false
	}
	if data := r.plain(h); data != nil {
		return data, true
	}
	rr, err := r.parseData(h)
	if err == nil {
		data, err = r.pack(rr)
	}
	if err != nil {
		at, message := locate(h, err)
		r.rep.add(at, "correct the data of the record", "%s record: %s", clip(h.typeText), message)
		return nil, false
	}
	return data, true
}

// plain packs what most records of large zones are, an address or one name; nil
// leaves a record to the general path, which knows every form and every error.
func (r *reader) plain(h head) []byte {
	if len(h.data) != 1 {
		return nil
	}
	text := h.data[0].text
	switch h.rtype {
	case dns.TypeA, dns.TypeAAAA:
		ip, err := netip.ParseAddr(text)
		if err == nil && ip.Zone() == "" && ip.Is4() == (h.rtype == dns.TypeA) {
			return append(r.wire[:0], ip.AsSlice()...)
		}
	case dns.TypeNS, dns.TypeCNAME, dns.TypePTR, dns.TypeDNAME:
		if text[0] == '"' {
			return nil
		}
		if name, err := appendExactName(r.wire[:0], text, r.origin); err == nil {
			return name
		}
	}
	return nil
}

// parseData gives the library one plain line with the root as owner: owners, TTLs,
// comments and lines are settled here, so only the fields of the type are left.
func (r *reader) parseData(h head) (rr dns.RR, err error) {
	defer func() {
		if p := recover(); p != nil {
			rr, err = nil, fmt.Errorf("cannot be read: %v", p)
		}
	}()
	r.line.Reset()
	r.line.WriteString(". 0 IN TYPE")
	r.line.Write(strconv.AppendUint(r.line.AvailableBuffer(), uint64(h.rtype), 10))
	for _, t := range h.data {
		r.line.WriteByte(' ')
		r.line.WriteString(t.text)
	}
	r.line.WriteByte('\n')
	zp := dns.NewZoneParser(&r.line, r.originText, "")
	rr, ok := zp.Next()
	if err := zp.Err(); err != nil {
		return nil, err
	}
	if !ok || rr == nil {
		return nil, errors.New("no data")
	}
	return rr, nil
}

// pack packs the data; it fails for what no message can carry or cannot be read again.
func (r *reader) pack(rr dns.RR) (data []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("cannot be packed: %v", p)
		}
	}()
	data, err = packData(rr, r.wire)
	if err != nil {
		return nil, err
	}
	h := dns.RR_Header{Name: ".", Rrtype: rr.Header().Rrtype, Class: dns.ClassINET, Rdlength: uint16(len(data))}
	if _, _, err := dns.UnpackRRWithHeader(h, data, 0); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "dns: "))
	}
	return data, nil
}

// packData packs rr's data into wire, which has to have room.
func packData(rr dns.RR, wire []byte) ([]byte, error) {
	owner := rr.Header().Name
	rr.Header().Name = "."
	n, err := dns.PackRR(rr, wire, 0, nil, false)
	rr.Header().Name = owner
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "dns: "))
	}
	const fixed = 11 // root owner, type, class, TTL, length
	if n-fixed > 65535 {
		return nil, errors.New("data longer than 65535 octets")
	}
	return wire[fixed:n], nil
}

// locate turns the library's error into a message, and finds the field it names.
func locate(h head, err error) (pos, string) {
	message := strings.TrimPrefix(err.Error(), "dns: ")
	if i := strings.LastIndex(message, " at line: "); i >= 0 {
		message = message[:i]
	}
	if rest, ok := strings.CutPrefix(message, "bad "+h.typeText+" "); ok {
		message = "bad " + rest // the type is named already
	}
	i := strings.LastIndex(message, `: "`)
	if i < 0 {
		return h.rtypeAt, clip(message)
	}
	quoted, unquoteErr := strconv.Unquote(message[i+2:])
	for _, t := range h.data {
		if unquoteErr == nil && t.text == quoted {
			return t.at, clip(message)
		}
	}
	if strings.TrimSpace(quoted) == "" {
		message = message[:i] + ": a field is missing"
	}
	return h.rtypeAt, clip(message)
}
