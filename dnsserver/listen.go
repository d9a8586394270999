package dnsserver

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"syscall"
)

// listenPlain opens UDP and TCP.
func (s *Server) listenPlain(counters *Counters) error {
	for _, want := range s.opt.Listen {
		l, workers, err := s.openPlain(want, counters)
		if err != nil {
			return fmt.Errorf("listen on %v: %w", want, err)
		}
		got := netip.AddrPortFrom(want.Addr(), l.port())
		s.streams, s.udp = append(s.streams, l), append(s.udp, workers...)
		s.addrs[UDP], s.addrs[TCP] = append(s.addrs[UDP], got), append(s.addrs[TCP], got)
	}
	return nil
}

// portTries is how many free TCP ports are tried until one is free for UDP
// as well.
const portTries = 32

func (s *Server) openPlain(want netip.AddrPort, counters *Counters) (*tcpListener, []udpWorker, error) {
	for try := 1; ; try++ {
		l, err := s.openStream(TCP, want, nil, counters)
		if err != nil {
			return nil, nil, err
		}
		workers, err := s.openUDP(want, netip.AddrPortFrom(want.Addr(), l.port()))
		if err == nil {
			return l, workers, nil
		}
		l.close()
		if want.Port() != 0 || !isInUse(err) || try == portTries {
			return nil, nil, advise(err)
		}
	}
}

// openStream opens a listener for TCP, or over it for TLS, on a socket of its
// own or one that was given.
func (s *Server) openStream(t Transport, want netip.AddrPort, secure *tls.Config, counters *Counters) (*tcpListener, error) {
	socket, err := s.opt.Sockets.Listener(t.String(), want)
	if err == nil && socket == nil {
		socket, err = openTCP(want)
	}
	if err != nil {
		return nil, err
	}
	l := &tcpListener{
		listener: socket, name: SocketName(t.String(), want), server: s, transport: t, tls: secure, conns: s.limits[t], counters: counters,
	}
	l.serve = l.serveStream
	return l, nil
}

// listenDoT opens DNS over TLS (RFC 7858).
func (s *Server) listenDoT(counters *Counters) error {
	return s.listenTLS(DoT, []string{"dot"}, counters, func(l *tcpListener) { s.streams = append(s.streams, l) })
}

// listenDoH opens DNS over HTTPS (RFC 8484).
func (s *Server) listenDoH(counters *Counters) error {
	if len(s.opt.DoH.Listen) == 0 {
		return nil
	}
	s.doh = newDoH(s, counters)
	s.streams = append(s.streams, s.doh)
	return s.listenTLS(DoH, []string{"h2", "http/1.1"}, counters, s.doh.add)
}

// errNoCertificates is a mistake of the caller's.
var errNoCertificates = errors.New("an encrypted transport needs Options.Certificates")

func (s *Server) listenTLS(t Transport, protocols []string, counters *Counters, add func(*tcpListener)) error {
	for _, want := range s.opt.secure(t).Listen {
		if s.opt.Certificates == nil {
			return errNoCertificates
		}
		l, err := s.openStream(t, want, s.opt.Certificates.config(protocols...), counters)
		if err != nil {
			return fmt.Errorf("listen on %v (%v): %w", want, t, err)
		}
		add(l)
		s.addrs[t] = append(s.addrs[t], netip.AddrPortFrom(want.Addr(), l.port()))
	}
	return nil
}

// listenDoQ opens DNS over QUIC (RFC 9250).
func (s *Server) listenDoQ(counters *Counters) error {
	for _, want := range s.opt.DoQ.Listen {
		if s.opt.Certificates == nil {
			return errNoCertificates
		}
		l, err := s.openDoQ(want, counters)
		if err != nil {
			return fmt.Errorf("listen on %v (doq): %w", want, err)
		}
		s.doq = append(s.doq, l)
		s.addrs[DoQ] = append(s.addrs[DoQ], netip.AddrPortFrom(want.Addr(), l.conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()))
	}
	return nil
}

func isInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// advise says what to do about an address that cannot be listened on.
func advise(err error) error {
	switch {
	case isInUse(err):
		return fmt.Errorf("%w: another process serves this port (find it with \"ss -lpun\" or \"ss -lptn\"); stop it or choose another port", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: ports below 1024 need the capability CAP_NET_BIND_SERVICE, or choose a higher port", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: this machine does not have the address", err)
	}
	return err
}
