package config

import (
	"net/netip"
	"strconv"
	"strings"
)

// parseUnicast reads the address of something that can be reached.
func parseUnicast(s string) (netip.Addr, flaw) {
	a, f := parseAddr(s)
	switch {
	case f != (flaw{}):
		return netip.Addr{}, f
	case a.IsUnspecified():
		return netip.Addr{}, flaw{"address " + s + " is the unspecified one", "give the address of a host"}
	case a.IsMulticast():
		return netip.Addr{}, flaw{"address " + s + " is a multicast group", "give the address of a host"}
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return netip.Addr{}, flaw{"address " + s + " is the broadcast one", "give the address of a host"}
	}
	return a, flaw{}
}

// parseAddr reads an IPv4 or IPv6 address that means the same everywhere.
func parseAddr(s string) (netip.Addr, flaw) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil && strings.Contains(s, "/"):
		return a, flaw{quote(s) + " is a prefix, not an address", "remove the length after the slash"}
	case err != nil:
		return a, flaw{"bad address " + quote(s), "write an IPv4 or IPv6 address such as 192.0.2.1 or 2001:db8::1"}
	case a.Zone() != "":
		return a, flaw{"address " + quote(s) + " has a zone", "remove what follows the %; it means nothing on other hosts"}
	case a.Is4In6():
		return a, flaw{"address " + quote(s) + " is an IPv4 address in IPv6 clothes", "write " + a.Unmap().String()}
	}
	return a, flaw{}
}

// maxPrefix6 is how far IPv6 clients are told apart: a subnet has a /64
// (RFC 4291, section 2.5.4).
const maxPrefix6 = 64

// parsePrefix reads a prefix without host bits, IPv6 up to maxPrefix6; an IPv4
// address stands for itself.
func parsePrefix(s string) (netip.Prefix, flaw) {
	host, length, slash := strings.Cut(s, "/")
	a, f := parseAddr(host)
	if a.Is4In6() {
		return netip.Prefix{}, flaw{"prefix " + quote(s) + " is of IPv4 addresses in IPv6 clothes",
			"write it as an IPv4 prefix, such as 192.0.2.0/24"}
	}
	if f != (flaw{}) {
		return netip.Prefix{}, flaw{"bad prefix " + quote(s) + ": " + f.message, f.fix}
	}
	most := a.BitLen()
	if a.Is6() {
		most = maxPrefix6
	}
	p, err := netip.PrefixFrom(a, a.BitLen()), error(nil)
	if slash {
		p, err = netip.ParsePrefix(s)
	}
	switch {
	case err != nil:
		return p, flaw{"bad prefix length " + quote(length), "write 0 to " + strconv.Itoa(most)}
	case p.Bits() > most:
		wide := netip.PrefixFrom(a, most).Masked().String()
		return p, flaw{"prefix " + s + " is longer than /64", "write " + wide + "; IPv6 clients are told apart by their /64 at most"}
	case p != p.Masked():
		return p, flaw{"prefix " + s + " has bits set after its length", "write " + p.Masked().String()}
	}
	return p, flaw{}
}

// parseListen reads where to listen. The unspecified address is fine there.
func parseListen(s string) (netip.AddrPort, flaw) {
	i := strings.LastIndexByte(s, ':')
	if i <= 0 {
		return netip.AddrPort{}, flaw{"bad listen address " + quote(s), `write address:port, such as 127.0.0.1:5300 or "[::1]:5300"`}
	}
	port, err := strconv.ParseUint(s[i+1:], 10, 16)
	if err != nil {
		return netip.AddrPort{}, flaw{"bad port " + quote(s[i+1:]), "write a number from 0 (any free port) to 65535"}
	}
	host := s[:i]
	bracketed := strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]")
	if bracketed {
		host = host[1 : len(host)-1]
	}
	a, f := parseAddr(host)
	switch {
	case !a.IsValid():
		return netip.AddrPort{}, flaw{"bad listen address " + quote(s), "write an IPv4 or IPv6 address and a port; host names are not looked up here"}
	case f != (flaw{}):
		return netip.AddrPort{}, f
	case a.Is6() != bracketed:
		return netip.AddrPort{}, flaw{"bad listen address " + quote(s), "put an IPv6 address, and only that, in brackets: [::1]:5300"}
	case a.IsMulticast():
		return netip.AddrPort{}, flaw{"address " + host + " is a multicast group", "give an address of this host"}
	}
	return netip.AddrPortFrom(a, uint16(port)), flaw{}
}
