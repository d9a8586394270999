package dnsserver

import (
	"net"

	"golang.org/x/sys/unix"
)

// unsentMax is how much the system keeps of what a client has made no room
// for, in octets.
const unsentMax = 64 << 10

// boundSendBuffer limits what a client that does not read can make the system
// keep. Best effort: the write deadline ends such a client anyway.
func boundSendBuffer(conn *net.TCPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentMax)
	})
}
