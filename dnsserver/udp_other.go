//go:build !linux || !(amd64 || arm64)

package dnsserver

import "net/netip"

// msgTrunc marks a packet that was longer than the buffer.
const msgTrunc = 0

// openUDP opens the socket at an address: one, since other systems do not
// spread packets over several.
func (s *Server) openUDP(want, got netip.AddrPort) ([]udpWorker, error) {
	return s.portableWorkers(want, got)
}
