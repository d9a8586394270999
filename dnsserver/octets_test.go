package dnsserver

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// rawQuery asks for TXT at label.example.com, whatever the label's octets.
func rawQuery(label []byte) []byte {
	q := []byte{0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	q = append(append(q, byte(len(label))), label...)
	q = append(q, "\x07eXample\x03CoM\x00"...)
	q = binary.BigEndian.AppendUint16(q, dns.TypeTXT)
	return binary.BigEndian.AppendUint16(q, dns.ClassINET)
}

// TestNamesOfEveryOctet: labels are octets (RFC 2181 11), of which only ASCII
// letters have a case that does not count (RFC 4343); the question comes back as
// it was sent.
func TestNamesOfEveryOctet(t *testing.T) {
	var text strings.Builder
	text.WriteString(zoneText)
	for c := range 256 {
		if c < 'A' || c > 'Z' {
			fmt.Fprintf(&text, "\\%03dx\\%03d 300 IN TXT \"octet %d.\"\n", c, c, c)
		}
	}
	r := NewResponder(Options{})
	r.Publish(compileView(testWorld(nil), testZones(t, text.String(), steered), fakeAtlas{}, nil))
	c := r.NewCounters(false)
	for octet := range 256 {
		want := octet
		if 'A' <= octet && octet <= 'Z' {
			want += 'a' - 'A'
		}
		query := rawQuery([]byte{byte(octet), 'X', byte(octet)})
		reply := r.Respond(nil, query, london, UDP, c)
		if len(reply) < len(query) || !bytes.Equal(reply[12:len(query)], query[12:]) {
			t.Fatalf("octet %d: the question %x came back in %x", octet, query[12:], reply)
		}
		if !bytes.Contains(reply[len(query):], fmt.Appendf(nil, "octet %d.", want)) || reply[3]&0xf != 0 {
			t.Errorf("octet %d: reply %x", octet, reply)
		}
	}
}
