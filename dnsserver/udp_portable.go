package dnsserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// portableUDP serves one UDP socket with what every system has. On a
// wildcard socket the address asked comes with each packet, and the reply is
// told to leave from it.
type portableUDP struct {
	conn     *net.UDPConn
	name     string // see SocketName
	wildcard bool
	r        *Responder
	counters *Counters
}

func openPortableUDP(at netip.AddrPort, r *Responder) (*portableUDP, error) {
	conn, err := openUDPConn(at)
	if err != nil {
		return nil, err
	}
	return adoptPortableUDP(conn, at, r)
}

// adoptPortableUDP serves a socket that is bound to at. It owns conn.
func adoptPortableUDP(conn *net.UDPConn, at netip.AddrPort, r *Responder) (*portableUDP, error) {
	w := &portableUDP{conn: conn, wildcard: at.Addr().IsUnspecified(), r: r, counters: r.NewCounters(false)}
	if w.wildcard {
		if err := askDestination(conn, at.Addr().Is4()); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return w, nil
}

// askDestination has the system tell which address each packet was sent to.
func askDestination(conn *net.UDPConn, v4 bool) error {
	if v4 {
		return ipv4.NewPacketConn(conn).SetControlMessage(ipv4.FlagDst, true)
	}
	return ipv6.NewPacketConn(conn).SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
}

func (w *portableUDP) close() { w.conn.Close() }

func (w *portableUDP) socket() (Socket, error) {
	return copySocket(w.name, w.conn)
}

// portableWorkers opens the socket at got, or takes those that were given for
// want; each gets one worker.
func (s *Server) portableWorkers(want, got netip.AddrPort) ([]udpWorker, error) {
	name := SocketName(UDP.String(), want)
	given := s.opt.Sockets.packets(UDP.String(), want)
	if len(given) == 0 {
		w, err := openPortableUDP(got, s.responder)
		if err != nil {
			return nil, err
		}
		w.name = name
		return []udpWorker{w}, nil
	}
	defer closeFiles(given)
	var workers []udpWorker
	for _, f := range given {
		conn, err := net.FilePacketConn(f)
		if err != nil {
			return workers, fmt.Errorf("the socket that was passed in: %w", err)
		}
		w, err := adoptPortableUDP(conn.(*net.UDPConn), got, s.responder)
		if err != nil {
			return workers, err
		}
		w.name = name
		workers = append(workers, w)
	}
	return workers, nil
}

func (w *portableUDP) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { w.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	defer w.conn.Close()
	in, out, control := make([]byte, maxPacket), make([]byte, 0, maxPacket), make([]byte, 128)
	for {
		n, c, flags, from, err := w.conn.ReadMsgUDPAddrPort(in, control)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			continue // an ICMP error of an earlier reply
		case flags&msgTrunc != 0:
			w.counters.dropFor(dropOversize)
			continue
		}
		w.serve(out, in[:n], control[:c], from)
	}
}

func (w *portableUDP) serve(out, query, control []byte, from netip.AddrPort) {
	began := time.Now()
	w.counters.begin(began)
	query, client, ok := w.r.balancers.unwrap(query, from.Addr().Unmap())
	if !ok {
		w.counters.dropFor(dropProxy)
		return
	}
	reply := w.r.answer(out, query, client, UDP, w.counters)
	if reply == nil {
		return
	}
	var source []byte
	if w.wildcard {
		source = replySource(control, from.Addr().Is4())
	}
	if _, _, err := w.conn.WriteMsgUDPAddrPort(reply, source, from); err != nil {
		w.counters.dropFor(dropUnsendable)
	}
	w.counters.observe(UDP, 1, time.Since(began))
}

// replySource turns the control message of a query into that of its reply.
func replySource(control []byte, v4 bool) []byte {
	if v4 {
		var cm ipv4.ControlMessage
		if cm.Parse(control) != nil {
			return nil
		}
		return (&ipv4.ControlMessage{Src: cm.Dst}).Marshal()
	}
	var cm ipv6.ControlMessage
	if cm.Parse(control) != nil {
		return nil
	}
	reply := ipv6.ControlMessage{Src: cm.Dst}
	if cm.Dst.IsLinkLocalUnicast() {
		reply.IfIndex = cm.IfIndex
	}
	return reply.Marshal()
}
