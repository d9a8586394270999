//go:build !unix

package dnsserver

import (
	"errors"
	"net/netip"
	"os"
	"syscall"
)

// inspect tells where a socket is bound, and whether it is one of streams.
func inspect(*os.File) (at netip.AddrPort, stream bool, err error) {
	return at, false, errors.ErrUnsupported
}

// copySocket is a copy of a socket for another process.
func copySocket(string, syscall.Conn) (Socket, error) { return Socket{}, errors.ErrUnsupported }
