//go:build !unix

package healthcheck

import "net"

// awaitDatagram leaves the waiting to the read.
func awaitDatagram(net.Conn) error { return nil }
