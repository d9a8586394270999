package dnsserver

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
)

// Socket is a listening socket that is handed from process to process.
type Socket struct {
	Name string // see SocketName; "": by systemd, who knows only its address
	File *os.File
}

// ListenerSocket is a copy of a listener for a process that takes over. The
// caller closes it.
func ListenerSocket(what string, at netip.AddrPort, l *net.TCPListener) (Socket, error) {
	return copySocket(SocketName(what, at), l)
}

// SocketName names the sockets of a listener: the transport, or another word
// for what is not DNS, and the address as it is configured.
func SocketName(what string, at netip.AddrPort) string { return what + " " + at.String() }

// Sockets are those that this process was given: by systemd, or by the
// process that it takes over from. A nil *Sockets holds none.
type Sockets struct{ left []Socket }

// NewSockets takes the sockets over.
func NewSockets(list []Socket) *Sockets { return &Sockets{left: list} }

// Listener returns the stream socket that was given for a listener, or nil
// when there is none.
func (s *Sockets) Listener(what string, at netip.AddrPort) (*net.TCPListener, error) {
	files := s.take(what, at, true)
	if len(files) == 0 {
		return nil, nil
	}
	for _, more := range files[1:] {
		more.Close()
	}
	defer files[0].Close()
	l, err := net.FileListener(files[0])
	if err != nil {
		return nil, fmt.Errorf("the socket that was passed in for %v: %w", at, err)
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		l.Close()
		return nil, fmt.Errorf("the socket that was passed in for %v is not of TCP", at)
	}
	return tcp, nil
}

// packets returns the packet sockets that were given for a listener.
func (s *Sockets) packets(what string, at netip.AddrPort) []*os.File { return s.take(what, at, false) }

// take removes the sockets of a listener from those that are left.
func (s *Sockets) take(what string, at netip.AddrPort, stream bool) (files []*os.File) {
	if s == nil {
		return nil
	}
	s.left = slices.DeleteFunc(s.left, func(have Socket) bool {
		fits := have.Name == SocketName(what, at)
		if have.Name == "" {
			bound, isStream, err := inspect(have.File)
			fits = err == nil && bound == at && isStream == stream
		}
		if fits {
			files = append(files, have.File)
		}
		return fits
	})
	return files
}

// Left closes the sockets that no listener took, and names them.
func (s *Sockets) Left() (names []string) {
	if s == nil {
		return nil
	}
	for _, have := range s.left {
		name := have.Name
		if at, stream, err := inspect(have.File); name == "" && err == nil {
			name = SocketName(map[bool]string{true: "stream", false: "datagram"}[stream], at)
		}
		names = append(names, name)
		have.File.Close()
	}
	s.left = nil
	return names
}
