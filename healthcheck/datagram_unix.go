//go:build unix

package healthcheck

import (
	"net"
	"os"
	"syscall"
)

// awaitDatagram waits until there is something to read, so that nobody holds
// room for the largest datagram while a target is silent.
func awaitDatagram(conn net.Conn) error {
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		return nil
	}
	raw, err := udp.SyscallConn()
	if err != nil {
		return err
	}
	var heard error // an ICMP error counts as heard, and is told only once
	err = raw.Read(func(fd uintptr) bool {
		heard = peek(int(fd))
		return heard != syscall.EAGAIN
	})
	if err != nil {
		return err
	}
	return os.NewSyscallError("read", heard)
}

func peek(fd int) error {
	for {
		var one [1]byte
		if _, _, err := syscall.Recvfrom(fd, one[:], syscall.MSG_PEEK); err != syscall.EINTR {
			return err
		}
	}
}
