package main

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/steerdns/steerdns/dnsserver"
)

// The sockets of what is not DNS, as dnsserver.SocketName calls them; the
// words are also the tables of the instance file that name their addresses.
const (
	adminSocket = "admin"
	pushSocket  = "push"
)

// listenOn opens a listener for what is not DNS, or takes the one that was
// passed in.
func listenOn(given *dnsserver.Sockets, what string, at netip.AddrPort) (*net.TCPListener, error) {
	ln, err := given.Listener(what, at)
	if err == nil && ln == nil {
		ln, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	}
	if err != nil {
		return nil, fmt.Errorf("%s listener: %w (another process has the address; change %s.listen)", what, err, what)
	}
	return ln, nil
}

// unused says which sockets were passed in for nothing. From systemd that is
// a mistake, since queries would wait in them for ever; after a change of the
// instance file it is not.
func (in *instance) unused(given *dnsserver.Sockets) error {
	left := given.Left()
	switch {
	case len(left) == 0:
		return nil
	case in.before == nil:
		return fmt.Errorf("systemd passed in sockets that no listener of the instance file has: %s (make the socket unit and the listeners agree)",
			strings.Join(left, ", "))
	}
	in.log.Warn("sockets are closed, since the instance file has no such listener any more", "sockets", left)
	return nil
}

// sockets are copies of all that this process listens on.
func (in *instance) sockets() ([]dnsserver.Socket, error) {
	list, err := in.dns.Sockets()
	if err == nil && in.adminLn != nil {
		list, err = appendListener(list, adminSocket, in.conf.Admin.Listen, in.adminLn)
	}
	if err == nil && in.reports != nil {
		list, err = appendListener(list, pushSocket, in.conf.Push.Listen, in.reports.ln)
	}
	return list, err
}

func appendListener(list []dnsserver.Socket, what string, at netip.AddrPort, ln *net.TCPListener) ([]dnsserver.Socket, error) {
	one, err := dnsserver.ListenerSocket(what, at, ln)
	if err != nil {
		return list, err
	}
	return append(list, one), nil
}
