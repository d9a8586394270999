//go:build !unix

package dnsserver

import (
	"errors"
	"net/netip"
	"os"
)

// inspect tells where a socket is bound, and whether it is one of streams.
func inspect(*os.File) (at netip.AddrPort, stream bool, err error) {
	return at, false, errors.ErrUnsupported
}
