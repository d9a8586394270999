//go:build linux && (amd64 || arm64)

package dnsserver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// openUDP opens one socket for each worker at got; the system spreads clients
// over them. Sockets that were given for want all get a worker, or what the
// system puts into them would wait for ever.
func (s *Server) openUDP(want, got netip.AddrPort) (workers []udpWorker, err error) {
	if s.portable {
		return s.portableWorkers(want, got)
	}
	defer func() {
		if err != nil {
			for _, open := range workers {
				open.close()
			}
		}
	}()
	fds, sharable, err := duplicate(s.opt.Sockets.packets(UDP.String(), want))
	if err != nil {
		return nil, err
	}
	if len(fds) == 0 {
		if err := probeUDP(got); err != nil {
			return nil, err
		}
	}
	for i := range max(s.opt.Workers, len(fds)) {
		fd := -1
		switch {
		case i < len(fds):
			fd = fds[i]
		case len(fds) > 0 && !sharable: // no other socket may join: they all read this one
			if fd, err = unix.FcntlInt(uintptr(fds[0]), unix.F_DUPFD_CLOEXEC, 0); err != nil {
				return workers, os.NewSyscallError("dup", err)
			}
		}
		w, err := openBatchUDP(fd, got, s.responder, s.opt.roomy())
		if err != nil {
			return workers, err
		}
		w.name = SocketName(UDP.String(), want)
		workers = append(workers, w)
	}
	return workers, nil
}

// duplicate makes blocking descriptors of files, and closes those. sharable:
// other sockets can be bound to the same address.
func duplicate(files []*os.File) (fds []int, sharable bool, err error) {
	defer closeFiles(files)
	for _, f := range files {
		raw, err := f.SyscallConn()
		if err != nil {
			return fds, false, err
		}
		var fd int
		ctlErr := raw.Control(func(own uintptr) {
			if fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0); err == nil {
				err = unix.SetNonblock(fd, false)
			}
		})
		if err := errors.Join(ctlErr, err); err != nil {
			return fds, false, fmt.Errorf("the socket that was passed in: %w", err)
		}
		fds = append(fds, fd)
	}
	if len(fds) > 0 {
		one, err := unix.GetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_REUSEPORT)
		sharable = err == nil && one != 0
	}
	return fds, sharable, nil
}

// probeUDP finds out whether the port is free. Sockets with SO_REUSEPORT
// would silently share it with another process of the same user.
func probeUDP(at netip.AddrPort) error {
	fd, err := newSocket(at)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return bind(fd, at)
}

func newSocket(at netip.AddrPort) (int, error) {
	domain := unix.AF_INET6
	if at.Addr().Is4() {
		domain = unix.AF_INET
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if domain == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			unix.Close(fd)
			return -1, os.NewSyscallError("setsockopt IPV6_V6ONLY", err)
		}
	}
	return fd, nil
}

func bind(fd int, at netip.AddrPort) error {
	var sa unix.Sockaddr
	if at.Addr().Is4() {
		sa = &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	} else {
		zone, err := zoneID(at.Addr().Zone())
		if err != nil {
			return err
		}
		sa = &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16(), ZoneId: zone}
	}
	return os.NewSyscallError("bind", unix.Bind(fd, sa))
}

// zoneID is the index of the interface that scopes a link-local address.
func zoneID(zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	iface, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, fmt.Errorf("interface %s: %w", zone, err)
	}
	return uint32(iface.Index), nil
}
