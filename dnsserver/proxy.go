package dnsserver

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
)

// proxySignature begins every header of the PROXY protocol, version 2. As a
// frame it would be a query of 3338 octets, as a packet one of opcode 1.
var proxySignature = []byte("\r\n\r\n\x00\r\nQUIT\n")

const (
	proxyFixed  = 16   // signature, version and command, family, length
	maxProxyLen = 2048 // of addresses and extensions, which are skipped
)

var (
	errNoProxy  = errors.New("no PROXY header, version 2")
	errBadProxy = errors.New("bad PROXY header")
)

// loadBalancers are the prefixes whose connections and packets begin with a
// PROXY header. Others' headers are refused.
type loadBalancers []netip.Prefix

func (l loadBalancers) contain(a netip.Addr) bool {
	for _, p := range l {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// proxyHeader is what a header says.
type proxyHeader struct {
	len    int            // octets with the fixed part
	source netip.AddrPort // invalid: the load balancer speaks for itself, or of no IP address
}

// parseProxyFixed reads the fixed part: the whole header's length, and whether
// it speaks of somebody else.
func parseProxyFixed(data []byte) (length int, proxied bool, err error) {
	if len(data) < proxyFixed || !bytes.HasPrefix(data, proxySignature) {
		return 0, false, errNoProxy
	}
	length = proxyFixed + int(binary.BigEndian.Uint16(data[14:]))
	switch {
	case length > proxyFixed+maxProxyLen:
		return 0, false, errBadProxy
	case data[12] == 0x20: // LOCAL: a check of the load balancer's own
		return length, false, nil
	case data[12] == 0x21: // PROXY
		return length, true, nil
	}
	return 0, false, errBadProxy
}

// parseProxy reads the header at the front of data, where it must be whole.
func parseProxy(data []byte) (proxyHeader, error) {
	length, proxied, err := parseProxyFixed(data)
	switch {
	case err != nil:
		return proxyHeader{}, err
	case len(data) < length:
		return proxyHeader{}, errBadProxy
	case !proxied:
		return proxyHeader{len: length}, nil
	}
	source, err := proxySource(data[13]>>4, data[proxyFixed:length])
	return proxyHeader{len: length, source: source}, err
}

// proxySource reads the source out of a header's addresses.
func proxySource(family byte, addrs []byte) (netip.AddrPort, error) {
	switch {
	case family == 0, family == 3: // unspecified, and a path: to be ignored
		return netip.AddrPort{}, nil
	case family == 1 && len(addrs) >= 12:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(addrs)), binary.BigEndian.Uint16(addrs[8:])), nil
	case family == 2 && len(addrs) >= 36:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(addrs)).Unmap(), binary.BigEndian.Uint16(addrs[32:])), nil
	}
	return netip.AddrPort{}, errBadProxy
}

// readProxy reads a header off a connection, and nothing behind it.
func readProxy(r io.Reader) (proxyHeader, error) {
	data := make([]byte, proxyFixed, proxyFixed+64)
	if _, err := io.ReadFull(r, data); err != nil {
		return proxyHeader{}, err
	}
	length, _, err := parseProxyFixed(data)
	if err != nil {
		return proxyHeader{}, err
	}
	data = append(data, make([]byte, length-proxyFixed)...)
	if _, err := io.ReadFull(r, data[proxyFixed:]); err != nil {
		return proxyHeader{}, err
	}
	return parseProxy(data)
}

// unwrap takes the header from a packet: what is left of it, and who asks.
// Not ok: a header is missing, bad, or not from a load balancer.
func (l loadBalancers) unwrap(packet []byte, peer netip.Addr) (query []byte, client netip.Addr, ok bool) {
	if !l.contain(peer) {
		return packet, peer, !bytes.HasPrefix(packet, proxySignature)
	}
	h, err := parseProxy(packet)
	if err != nil {
		return nil, peer, false
	}
	if h.source.IsValid() {
		peer = h.source.Addr()
	}
	return packet[h.len:], peer, true
}
