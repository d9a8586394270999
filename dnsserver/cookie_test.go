package dnsserver

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/steerdns/steerdns/dnsserver/wire"
)

// TestSipHashVectors are those of the reference implementation: key 00..0f,
// messages 00, 00 01, ... of these lengths.
func TestSipHashVectors(t *testing.T) {
	k := newSipKey([16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
	for n, want := range map[int]string{0: "310e0edd47db6f72", 1: "fd67dc93c539f874", 8: "6224939a79f5f593",
		15: "e545be4961ca29a1"} {
		var words []uint64
		msg := make([]byte, n)
		for i := range msg {
			msg[i] = byte(i)
		}
		for ; len(msg) >= 8; msg = msg[8:] {
			words = append(words, binary.LittleEndian.Uint64(msg))
		}
		var last [8]byte
		copy(last[:], msg)
		words = append(words, binary.LittleEndian.Uint64(last[:])|uint64(n)<<56)
		got := binary.LittleEndian.AppendUint64(nil, k.sum(words))
		if hex.EncodeToString(got) != want {
			t.Errorf("%d octets: %x, want %s", n, got, want)
		}
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func secretsOf(t testing.TB, lines ...string) *CookieSecrets {
	t.Helper()
	s, err := ParseCookieSecrets([]byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func cookieOf(t testing.TB, client, server string) *wire.Cookie {
	c := &wire.Cookie{Present: true, Client: [8]byte(unhex(t, client))}
	if server != "" {
		c.Server = unhex(t, server)
	}
	return c
}

// TestCookieVectors are those of RFC 9018 appendix A.
func TestCookieVectors(t *testing.T) {
	const secret, next = "e5e973e5a6b2a43f48e7dc849e37bfcf", "445536bcd2513298075a5d379663c962"
	const before = "dd3bdf9344b678b185a6f5cb60fca715"
	for _, v := range []struct {
		name, client, own, had string
		now                    uint32
		secrets                []string
		state                  cookieState
		want                   string
	}{
		{"A.1 learning a new cookie", "198.51.100.100", "2464c4abcf10c957", "", 1559731985,
			[]string{secret}, cookieNew, "010000005cf79f111f8130c3eee29480"},
		{"A.2 the same client, renewed", "198.51.100.100", "2464c4abcf10c957", "010000005cf79f111f8130c3eee29480", 1559734385,
			[]string{secret}, cookieValid, "010000005cf7a871d4a564a1442aca77"},
		{"A.3 another client, reserved octets set, out of date", "203.0.113.203", "fc93fc62807ddb86", "01abcdef5cf78f71a314227b6679ebf5", 1559734700,
			[]string{secret}, cookieBad, "010000005cf7a9acf73a7810aca2381e"},
		{"A.3 the cookie while it held", "203.0.113.203", "fc93fc62807ddb86", "01abcdef5cf78f71a314227b6679ebf5", 0x5cf78f71 + 60,
			[]string{secret}, cookieValid, "01abcdef5cf78f71a314227b6679ebf5"},
		{"A.4 IPv6, the secret was rolled over", "2001:db8:220:1:59de:d0f4:8769:82b8", "22681ab97d52c298", "010000005cf7c57926556bd0934c72f8", 1559741961,
			[]string{next, before}, cookieValid, "010000005cf7c609a6bb79d16625507a"},
		{"A.4 without the old secret", "2001:db8:220:1:59de:d0f4:8769:82b8", "22681ab97d52c298", "010000005cf7c57926556bd0934c72f8", 1559741961,
			[]string{next}, cookieBad, "010000005cf7c609a6bb79d16625507a"},
	} {
		t.Run(v.name, func(t *testing.T) {
			s := secretsOf(t, v.secrets...)
			state, got := s.answer(cookieOf(t, v.own, v.had), netip.MustParseAddr(v.client), v.now)
			if state != v.state || hex.EncodeToString(got[:]) != v.want {
				t.Errorf("%s %x, want %s %s", cookieStateNames[state], got, cookieStateNames[v.state], v.want)
			}
		})
	}
}

// TestCookiesHoldForTheirClientOnly takes a valid cookie and changes one thing.
func TestCookiesHoldForTheirClientOnly(t *testing.T) {
	s := randomCookieSecrets()
	at := netip.MustParseAddr("192.0.2.1")
	const now = 1 << 31 // serial arithmetic has no year 2038
	_, made := s.answer(cookieOf(t, "0102030405060708", ""), at, now)
	valid := hex.EncodeToString(made[:])
	for _, c := range []struct {
		name, own, server, client string
		age                       int
		want                      cookieState
	}{
		{"as it was", "0102030405060708", valid, "192.0.2.1", 0, cookieValid},
		{"after an hour", "0102030405060708", valid, "192.0.2.1", 3600, cookieValid},
		{"after more than an hour", "0102030405060708", valid, "192.0.2.1", 3601, cookieBad},
		{"from a clock that is behind", "0102030405060708", valid, "192.0.2.1", -300, cookieValid},
		{"from the future", "0102030405060708", valid, "192.0.2.1", -301, cookieBad},
		{"another address", "0102030405060708", valid, "192.0.2.2", 0, cookieBad},
		{"another client cookie", "0102030405060709", valid, "192.0.2.1", 0, cookieBad},
		{"another version", "0102030405060708", "02" + valid[2:], "192.0.2.1", 0, cookieBad},
		{"other reserved octets", "0102030405060708", valid[:2] + "01" + valid[4:], "192.0.2.1", 0, cookieBad},
		{"a shorter one", "0102030405060708", valid[:16], "192.0.2.1", 0, cookieBad},
		{"a longer one", "0102030405060708", valid + "00", "192.0.2.1", 0, cookieBad},
		{"made by another", "0102030405060708", valid[:30] + "ff", "192.0.2.1", 0, cookieBad},
	} {
		client := netip.MustParseAddr(c.client)
		got, renewed := s.answer(cookieOf(t, c.own, c.server), client, uint32(now+c.age))
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, cookieStateNames[got], cookieStateNames[c.want])
		}
		again := cookieOf(t, c.own, hex.EncodeToString(renewed[:]))
		if state, _ := s.answer(again, client, uint32(now+c.age)); state != cookieValid {
			t.Errorf("%s: the cookie of the reply is %s", c.name, cookieStateNames[state])
		}
	}
}

// TestCookieSecretsRoll walks a fleet of two instances through a roll-over:
// the new secret is made known, then signs, then the old one goes. Cookies of
// either instance hold on the other at every step.
func TestCookieSecretsRoll(t *testing.T) {
	const older, newer = "00000000000000000000000000000001", "00000000000000000000000000000002"
	steps := []*CookieSecrets{secretsOf(t, older), secretsOf(t, older, newer), secretsOf(t, newer, older), secretsOf(t, newer)}
	client := netip.MustParseAddr("2001:db8::1")
	for i := 1; i < len(steps); i++ {
		for _, pair := range [][2]*CookieSecrets{{steps[i-1], steps[i]}, {steps[i], steps[i-1]}} {
			_, made := pair[0].answer(cookieOf(t, "0102030405060708", ""), client, 1000)
			state, _ := pair[1].answer(cookieOf(t, "0102030405060708", hex.EncodeToString(made[:])), client, 1000)
			if state != cookieValid {
				t.Errorf("step %d: a cookie of %v is %s for %v", i, pair[0], cookieStateNames[state], pair[1])
			}
		}
	}
}

func TestParseCookieSecretsRefuses(t *testing.T) {
	const good = "e5e973e5a6b2a43f48e7dc849e37bfcf"
	for text, want := range map[string]string{
		"":                 "no secret in it",
		"# " + good:        "no secret in it",
		good[1:]:           "line 1: not a secret of 32 hexadecimal digits",
		good + "\nsecret":  "line 2: not a secret",
		good + "\n" + good: "the same secret twice",
		good + "\n0" + good[1:] + "\n1" + good[1:]: "3 secrets",
	} {
		if _, err := ParseCookieSecrets([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if s := secretsOf(t, "# fleet", "", good+" # since May"); len(s.keys) != 1 {
		t.Errorf("%d secrets", len(s.keys))
	}
}
