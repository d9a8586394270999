package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// pack makes a query packet, changed by edit before packing.
func pack(t testing.TB, name string, qtype uint16, edit func(*dns.Msg)) []byte {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(name, qtype)
	m.Id = 0x1234
	if edit != nil {
		edit(m)
	}
	pkt, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return pkt
}

func withOPT(edit func(*dns.OPT)) func(*dns.Msg) {
	return func(m *dns.Msg) {
		m.SetEdns0(1400, true)
		if edit != nil {
			edit(m.IsEdns0())
		}
	}
}

// withOption adds one raw EDNS option written in hexadecimal.
func withOption(code uint16, body string) func(*dns.Msg) {
	return withOPT(func(o *dns.OPT) {
		b, err := hex.DecodeString(strings.ReplaceAll(body, " ", ""))
		if err != nil {
			panic(err)
		}
		o.Option = append(o.Option, &dns.EDNS0_LOCAL{Code: code, Data: b})
	})
}

func TestParseReadsEverything(t *testing.T) {
	pkt := pack(t, "WwW.ExAmPlE-09az[`{.com.", dns.TypeAAAA, withOPT(func(o *dns.OPT) {
		o.Option = append(o.Option,
			&dns.EDNS0_NSID{Code: dns.EDNS0NSID},
			&dns.EDNS0_LOCAL{Code: 65001, Data: []byte("ignored")},
			&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 20, Address: []byte{198, 51, 96, 0}})
	}))
	var q Query
	if st := Parse(pkt, &q); st != OK {
		t.Fatalf("status %d", st)
	}
	want := "\x03www\x0fexample-09az[`{\x03com\x00"
	if string(q.Name()) != want || !strings.EqualFold(string(q.QName), want) || !bytes.Contains(pkt, q.QName) {
		t.Errorf("name %q as sent %q", q.Name(), q.QName)
	}
	e := q.EDNS
	if q.ID != 0x1234 || q.QType != dns.TypeAAAA || q.QClass != ClassIN || !e.Present || !e.DO || !e.NSID || e.UDPSize != 1400 {
		t.Errorf("parsed %+v", q)
	}
	if got := e.ECS.Prefix(); got != netip.MustParsePrefix("198.51.96.0/20") {
		t.Errorf("client subnet %v", got)
	}
}

func TestParseStatus(t *testing.T) {
	opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT, Class: 1232}}
	a := &dns.A{Hdr: dns.RR_Header{Name: "x.example.com.", Rrtype: dns.TypeA, Class: 1}, A: []byte{192, 0, 2, 1}}
	good := pack(t, "example.com.", dns.TypeA, nil)
	cases := []struct {
		name string
		pkt  []byte
		want Status
	}{
		{"empty", nil, Drop},
		{"eleven octets", good[:11], Drop},
		{"a response", pack(t, "example.com.", 1, func(m *dns.Msg) { m.Response = true }), Drop},
		{"header only", good[:12], FormErr},
		{"cut question", good[:len(good)-1], FormErr},
		{"trailing octets", append(bytes.Clone(good), 1, 2, 3), OK},
		{"no question", pack(t, "example.com.", 1, func(m *dns.Msg) { m.Question = nil }), FormErr},
		{"two questions", pack(t, "example.com.", 1, func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }), FormErr},
		{"pointer in the question", append(bytes.Clone(good[:12]), 0xc0, 12, 0, 1, 0, 1), FormErr},
		{"reserved label type", append(bytes.Clone(good[:12]), 0x41, 0, 0, 1, 0, 1), FormErr},
		{"name of 255", append(append(bytes.Clone(good[:12]), longName(255)...), 0, 1, 0, 1), OK},
		{"name of 256", append(append(bytes.Clone(good[:12]), longName(256)...), 0, 1, 0, 1), FormErr},
		{"opcode status", pack(t, "example.com.", 1, func(m *dns.Msg) { m.Opcode = dns.OpcodeStatus }), NotImp},
		{"opcode and garbage", []byte{0, 1, 0x28, 0, 0, 9, 0, 0, 0, 0, 0, 0}, NotImp},
		{"class HS", pack(t, "example.com.", 1, func(m *dns.Msg) { m.Question[0].Qclass = 4 }), BadClass},
		{"class CH", pack(t, "id.server.", 16, func(m *dns.Msg) { m.Question[0].Qclass = 3 }), OK},
		{"a promised record is missing", func() []byte { p := bytes.Clone(good); p[11] = 1; return p }(), FormErr},
		{"answer in a query", pack(t, "example.com.", 1, func(m *dns.Msg) { m.Answer = []dns.RR{a} }), OK},
		{"OPT after another record", pack(t, "example.com.", 1, func(m *dns.Msg) { m.Extra = []dns.RR{a, opt} }), OK},
		{"OPT in the answer", pack(t, "example.com.", 1, func(m *dns.Msg) { m.Answer = []dns.RR{opt} }), FormErr},
		{"two OPT", pack(t, "example.com.", 1, func(m *dns.Msg) { m.Extra = []dns.RR{opt, opt} }), FormErr},
		{"OPT with an owner", pack(t, "example.com.", 1, func(m *dns.Msg) {
			m.Extra = []dns.RR{&dns.OPT{Hdr: dns.RR_Header{Name: "com.", Rrtype: dns.TypeOPT}}}
		}), FormErr},
		{"EDNS version 1", pack(t, "example.com.", 1, withOPT(func(o *dns.OPT) { o.SetVersion(1) })), BadVers},
		{"version 1 with a bad option", pack(t, "example.com.", 1, func(m *dns.Msg) {
			withOption(optionECS, "ff")(m)
			m.IsEdns0().SetVersion(1)
		}), BadVers},
		{"ECS v4", pack(t, "example.com.", 1, withOption(optionECS, "0001 18 00 cb0071")), OK},
		{"ECS v6", pack(t, "example.com.", 1, withOption(optionECS, "0002 38 00 20010db8000100")), OK},
		{"ECS source 0", pack(t, "example.com.", 1, withOption(optionECS, "0001 00 00")), OK},
		{"ECS too short", pack(t, "example.com.", 1, withOption(optionECS, "0001 00")), FormErr},
		{"ECS scope set", pack(t, "example.com.", 1, withOption(optionECS, "0001 18 18 cb0071")), FormErr},
		{"ECS family 0", pack(t, "example.com.", 1, withOption(optionECS, "0000 00 00")), FormErr},
		{"ECS family 3", pack(t, "example.com.", 1, withOption(optionECS, "0003 08 00 0a")), FormErr},
		{"ECS v4 /33", pack(t, "example.com.", 1, withOption(optionECS, "0001 21 00 cb00710000")), FormErr},
		{"ECS v6 /129", pack(t, "example.com.", 1, withOption(optionECS, "0002 81 00"+strings.Repeat("00", 17))), FormErr},
		{"ECS address too long", pack(t, "example.com.", 1, withOption(optionECS, "0001 18 00 cb007100")), FormErr},
		{"ECS address too short", pack(t, "example.com.", 1, withOption(optionECS, "0001 18 00 cb00")), FormErr},
		{"ECS bits beyond source", pack(t, "example.com.", 1, withOption(optionECS, "0001 17 00 cb0071")), FormErr},
		{"ECS twice", pack(t, "example.com.", 1, func(m *dns.Msg) {
			withOption(optionECS, "0001 00 00")(m)
			o := m.IsEdns0()
			o.Option = append(o.Option, o.Option[0])
		}), FormErr},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var q Query
			if got := Parse(c.pkt, &q); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

// longName is an uncompressed name of n octets.
func longName(n int) []byte {
	var b []byte
	for n > 1 {
		l := min(n-2, MaxLabel)
		if n-2-l == 1 {
			l-- // leave room for a label of at least one octet
		}
		b = append(append(b, byte(l)), bytes.Repeat([]byte{'a'}, l)...)
		n -= l + 1
	}
	return append(b, 0)
}

// A query without a question is refused, but its OPT record gets one back
// (RFC 6891 7).
func TestOPTWithoutQuestion(t *testing.T) {
	noQuestion := func(version uint8) []byte {
		return pack(t, "example.com.", 1, func(m *dns.Msg) {
			withOPT(func(o *dns.OPT) { o.SetVersion(version) })(m)
			m.Question = nil
		})
	}
	for version, want := range []Status{FormErr, BadVers} {
		var q Query
		if st := Parse(noQuestion(uint8(version)), &q); st != want || !q.EDNS.Present || q.QName != nil {
			t.Errorf("version %d: status %d, EDNS %+v", version, st, q.EDNS)
		}
	}
}

func TestLowerTouchesOnlyCapitals(t *testing.T) {
	in := make([]byte, 255)
	for i := range in {
		in[i] = byte(i)
	}
	for shift := range 9 { // every position within a word
		var out [MaxName + 1]byte
		lower(&out, in[shift:])
		for i, c := range in[shift:] {
			want := c
			if 'A' <= c && c <= 'Z' {
				want = c + 'a' - 'A'
			}
			if out[i] != want {
				t.Fatalf("octet %#x became %#x", c, out[i])
			}
		}
	}
}

func TestComposeEchoes(t *testing.T) {
	pkt := pack(t, "wWw.example.com.", dns.TypeA, func(m *dns.Msg) {
		m.CheckingDisabled = true
		withOption(optionECS, "0002 39 00 20010db800010080")(m)
		m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID})
	})
	var q Query
	if st := Parse(pkt, &q); st != OK {
		t.Fatalf("status %d", st)
	}
	o := OPT{UDPSize: 1232, Rcode: RcodeBadVers, NSID: "lon-1", Scope: 48, EDE: 1 + 15}
	msg := AppendHead(nil, pkt, &q, FlagAA, RcodeBadVers)
	before := len(msg)
	msg = AppendOPT(msg, &q.EDNS, &o)
	SetCounts(msg, &q, Counts{Additional: 1})
	if got := len(msg) - before; got != OPTLen(&q.EDNS, &o) {
		t.Errorf("OPT has %d octets, OPTLen says %d", got, OPTLen(&q.EDNS, &o))
	}
	m := new(dns.Msg)
	if err := m.Unpack(msg); err != nil {
		t.Fatal(err)
	}
	if m.Id != 0x1234 || !m.Response || !m.Authoritative || !m.RecursionDesired || !m.CheckingDisabled || m.Truncated ||
		m.Question[0].Name != "wWw.example.com." || m.Rcode != dns.RcodeBadVers {
		t.Errorf("reply:\n%v", m)
	}
	text := m.IsEdns0().String()
	for _, want := range []string{"udp: 1232", "flags: do", "SUBNET: [2001:db8:1:80::]/57/48", "6c6f6e2d31", "EDE: 15"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	pkt := pack(t, "www.gslb.example.com.", dns.TypeA, withOption(optionECS, "0001 18 00 cb0071"))
	buf := make([]byte, 0, 512)
	if n := testing.AllocsPerRun(100, func() {
		var q Query
		Parse(pkt, &q)
		buf = AppendOPT(AppendHead(buf[:0], pkt, &q, FlagAA, 0), &q.EDNS, &OPT{UDPSize: 1232})
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{})
	f.Add(pack(f, "www.example.com.", dns.TypeA, nil))
	f.Add(pack(f, "www.example.com.", dns.TypeA, withOption(optionECS, "0001 18 00 cb0071")))
	f.Add(pack(f, "WWW.example.com.", dns.TypeHTTPS, withOption(optionNSID, "")))
	f.Fuzz(func(t *testing.T, pkt []byte) {
		var q Query
		st := Parse(pkt, &q)
		if st == Drop {
			return
		}
		checkParsed(t, pkt, &q, st)
		msg := AppendHead(nil, pkt, &q, 0, st.Rcode())
		var counts Counts
		if q.EDNS.Present {
			msg = AppendOPT(msg, &q.EDNS, &OPT{UDPSize: 1232, Rcode: st.Rcode(), NSID: "n"})
			counts.Additional = 1
		}
		SetCounts(msg, &q, counts)
		m := new(dns.Msg)
		if err := m.Unpack(msg); err != nil {
			t.Fatalf("reply %x: %v", msg, err)
		}
		if m.Id != binary.BigEndian.Uint16(pkt) || m.Rcode != int(st.Rcode()) {
			t.Fatalf("reply %v", m)
		}
	})
}

// checkParsed holds what every parsed query promises.
func checkParsed(t *testing.T, pkt []byte, q *Query, st Status) {
	if q.QName != nil {
		if !bytes.Equal(bytes.ToLower(q.QName), q.Name()) && isASCII(q.QName) {
			t.Fatalf("%q in lower case is %q", q.QName, q.Name())
		}
		if !bytes.HasPrefix(pkt[HeaderLen:], q.QName) {
			t.Fatal("QName is not the packet's")
		}
	}
	if st == OK && q.QName == nil {
		t.Fatal("accepted without a question")
	}
	if e := q.EDNS.ECS; e.Present && (e.Scope != 0 || e.Prefix().Masked() != e.Prefix()) {
		t.Fatalf("client subnet %+v", e)
	}
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
