//go:build !linux

package dnsserver

import "net"

// boundSendBuffer limits what a client that does not read can make the system
// keep.
func boundSendBuffer(conn *net.TCPConn) { _ = conn.SetWriteBuffer(64 << 10) }
