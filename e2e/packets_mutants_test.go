//go:build e2e

package e2e

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// goodPackets are queries of every kind, to be broken.
func goodPackets(t testing.TB) (all [][]byte) {
	t.Helper()
	names := []string{service, "shop.gslb.example.com.", "a.b.wild.gslb.example.com.", "x.child.gslb.example.com.",
		"big.gslb.example.com.", "gslb.example.com.", "nothing.gslb.example.com.", "example.org.", ".", strings.Repeat("a.", 110) + "gslb.example.com."}
	types := []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeTXT, dns.TypeHTTPS, dns.TypeANY, dns.TypeAXFR, dns.TypeIXFR, dns.TypeDS, dns.TypeNS, dns.TypeSOA, 4711}
	options := [][]dns.EDNS0{nil,
		{&dns.EDNS0_NSID{Code: dns.EDNS0NSID}, &dns.EDNS0_PADDING{Padding: make([]byte, 40)}},
		{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"}},
		{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708" + strings.Repeat("0f", 16)}, &dns.EDNS0_LOCAL{Code: 65001, Data: []byte("x")}},
		{&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: []byte{192, 0, 2, 0}}},
		{&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 2, SourceNetmask: 56, Address: make([]byte, 16)}, &dns.EDNS0_LOCAL{Code: dns.EDNS0TCPKEEPALIVE}},
	}
	pack := func(m *dns.Msg) {
		pkt, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, pkt)
	}
	for _, name := range names {
		for i, qtype := range types {
			m := new(dns.Msg)
			m.SetQuestion(name, qtype)
			pack(m)
			m.SetEdns0(1232, i%2 == 0)
			m.IsEdns0().Option = options[i%len(options)]
			pack(m)
		}
	}
	chaos := new(dns.Msg)
	chaos.SetQuestion("id.server.", dns.TypeTXT)
	chaos.Question[0].Qclass = dns.ClassCHAOS
	pack(chaos)
	notify := new(dns.Msg)
	pack(notify.SetNotify("gslb.example.com."))
	update := new(dns.Msg)
	pack(update.SetUpdate("gslb.example.com."))
	signed := new(dns.Msg)
	signed.SetQuestion(service, dns.TypeA)
	signed.SetTsig("key.example.com.", dns.HmacSHA256, 300, 1700000000)
	mac := signed.Extra[0].(*dns.TSIG)
	mac.MACSize, mac.MAC = 32, strings.Repeat("00", 32)
	pack(signed)
	return all
}

// breaker makes broken packets of good ones, the same for the same seed.
type breaker struct {
	*rand.Rand
	good [][]byte
	buf  []byte
}

func newBreaker(good [][]byte, seed uint64) *breaker {
	return &breaker{Rand: rand.New(rand.NewPCG(3, seed)), good: good}
}

// next is the next packet; it is overwritten by the one after it.
func (b *breaker) next() []byte {
	b.buf = append(b.buf[:0], b.good[b.IntN(len(b.good))]...)
	for range 1 + b.IntN(4) {
		b.mutate()
	}
	return b.buf
}

func (b *breaker) mutate() {
	if len(b.buf) == 0 {
		return
	}
	at := b.IntN(len(b.buf))
	switch b.IntN(9) {
	case 0: // one bit
		b.buf[at] ^= 1 << b.IntN(8)
	case 1: // one octet, of those that mean something
		b.buf[at] = []byte{0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff}[b.IntN(8)]
	case 2: // cut
		b.buf = b.buf[:at]
	case 3: // a piece twice
		n := min(b.IntN(20), len(b.buf)-at)
		b.buf = append(b.buf[:at+n], b.buf[at:]...)
	case 4: // a piece lost
		b.buf = append(b.buf[:at], b.buf[min(at+b.IntN(8), len(b.buf)):]...)
	case 5: // a count or the flags
		if len(b.buf) >= 12 {
			binary.BigEndian.PutUint16(b.buf[2+2*b.IntN(5):], uint16(b.IntN(4))<<(b.IntN(3)*5))
		}
	case 6: // the tail of another
		other := b.good[b.IntN(len(b.good))]
		b.buf = append(b.buf[:at], other[min(at, len(other)):]...)
	case 7: // noise
		for range b.IntN(64) {
			b.buf = append(b.buf, byte(b.Uint32()))
		}
	case 8: // a length
		if at+1 < len(b.buf) {
			binary.BigEndian.PutUint16(b.buf[at:], uint16(b.IntN(70)))
		}
	}
	b.buf = b.buf[:min(len(b.buf), 1400)]
}
