package zone

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// data parses and packs the record's data, and returns its packed size.
func (r *reader) data(h head) (rr dns.RR, size int, ok bool) {
	if len(h.data) == 0 && h.rtype != dns.TypeAPL {
		r.rep.add(h.rtypeAt, recordForm, "the %s record has no data", clip(h.typeText))
		return nil, 0, false
	}
	if rr, size := address(h); rr != nil {
		return rr, size, true
	}
	rr, err := r.parseData(h)
	if err == nil {
		size, err = r.pack(rr)
	}
	if err != nil {
		at, message := locate(h, err)
		r.rep.add(at, "correct the data of the record", "%s record: %s", clip(h.typeText), message)
		return nil, 0, false
	}
	return rr, size, true
}

// address reads the data of A and AAAA, most records of large zones; nil leaves a
// record to the general path, which knows every form and every error.
func address(h head) (rr dns.RR, size int) {
	if h.rtype != dns.TypeA && h.rtype != dns.TypeAAAA || len(h.data) != 1 {
		return nil, 0
	}
	ip, err := netip.ParseAddr(h.data[0].text)
	switch {
	case err != nil || ip.Zone() != "":
		return nil, 0
	case h.rtype == dns.TypeA && ip.Is4():
		return &dns.A{A: ip.AsSlice()}, net.IPv4len
	case h.rtype == dns.TypeAAAA && ip.Is6():
		return &dns.AAAA{AAAA: ip.AsSlice()}, net.IPv6len
	}
	return nil, 0
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

// pack returns the size of the packed data; it fails for what no message can carry.
func (r *reader) pack(rr dns.RR) (size int, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("cannot be packed: %v", p)
		}
	}()
	n, err := dns.PackRR(rr, r.wire, 0, nil, false)
	if err != nil {
		return 0, errors.New(strings.TrimPrefix(err.Error(), "dns: "))
	}
	const fixed = 11 // root owner, type, class, TTL, length
	if n-fixed > 65535 {
		return 0, errors.New("data longer than 65535 octets")
	}
	return n - fixed, nil
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
