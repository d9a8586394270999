package dnsserver

import "math/bits"

// sipKey is a key of SipHash in two little-endian words.
type sipKey struct{ k0, k1 uint64 }

// sip is the state of SipHash-2-4 (Aumasson and Bernstein, 2012), which
// RFC 9018 4.4 prescribes for cookies.
type sip struct{ v0, v1, v2, v3 uint64 }

// sum is SipHash-2-4 of a message in little-endian words. The last word has
// the octets that are left over, and the message's length modulo 256 in its
// highest octet.
func (k sipKey) sum(words []uint64) uint64 {
	s := sip{k.k0 ^ 0x736f6d6570736575, k.k1 ^ 0x646f72616e646f6d, k.k0 ^ 0x6c7967656e657261, k.k1 ^ 0x7465646279746573}
	for _, w := range words {
		s.v3 ^= w
		s.round()
		s.round()
		s.v0 ^= w
	}
	s.v2 ^= 0xff
	for range 4 {
		s.round()
	}
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3
}

func (s *sip) round() {
	s.v0 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 13) ^ s.v0
	s.v0 = bits.RotateLeft64(s.v0, 32)
	s.v2 += s.v3
	s.v3 = bits.RotateLeft64(s.v3, 16) ^ s.v2
	s.v0 += s.v3
	s.v3 = bits.RotateLeft64(s.v3, 21) ^ s.v0
	s.v2 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 17) ^ s.v2
	s.v2 = bits.RotateLeft64(s.v2, 32)
}
