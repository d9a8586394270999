//go:build unix

package dnsserver

import (
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// inspect tells where a socket is bound, and whether it is one of streams. It
// changes nothing about it.
func inspect(f *os.File) (at netip.AddrPort, stream bool, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return at, false, err
	}
	var kind int
	var sa unix.Sockaddr
	ctlErr := raw.Control(func(fd uintptr) {
		if kind, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TYPE); err == nil {
			sa, err = unix.Getsockname(int(fd))
		}
	})
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		at = netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		at = netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	default:
		err = fmt.Errorf("%s is no socket of IP: %w", f.Name(), os.ErrInvalid)
	}
	if ctlErr != nil {
		err = ctlErr
	}
	return at, kind == unix.SOCK_STREAM, err
}
