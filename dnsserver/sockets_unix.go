//go:build unix

package dnsserver

import (
	"fmt"
	"net/netip"
	"os"
	"syscall"

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

// copySocket is a copy of a socket for another process. The File methods of
// package net would do, were it not that handing theirs on makes the socket a
// blocking one for both processes.
func copySocket(name string, conn syscall.Conn) (Socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return Socket{}, err
	}
	var fd int
	ctlErr := raw.Control(func(own uintptr) { fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) })
	if err == nil {
		err = ctlErr
	}
	if err != nil {
		return Socket{}, os.NewSyscallError("dup", err)
	}
	return Socket{name, os.NewFile(uintptr(fd), name)}, nil
}
