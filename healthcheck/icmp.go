package healthcheck

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// icmpProbe finds a target good when it answers an echo request (RFC 792, RFC
// 4443). Each probe has a socket of its own: an unprivileged one where the
// kernel allows, otherwise a raw one.
type icmpProbe struct{ network network }

// errNoICMP tells the operator what to do.
var errNoICMP = errors.New("this instance may not send ICMP: put its group into sysctl net.ipv4.ping_group_range, or give it CAP_NET_RAW")

// echo is what differs between ICMP and ICMPv6.
type echo struct {
	datagram, raw, any string // networks, and the unspecified address
	protocol           int    // for parsing
	request, reply     icmp.Type
}

var (
	echo4 = echo{"udp4", "ip4:icmp", "0.0.0.0", 1, ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply}
	echo6 = echo{"udp6", "ip6:ipv6-icmp", "::", 58, ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply}
)

func (p icmpProbe) probe(ctx context.Context, t Target) (finding, error) {
	addr, err := p.address(ctx, t)
	if err != nil {
		return finding{}, err
	}
	e := echo6
	if addr.Is4() {
		e = echo4
	}
	conn, to, err := e.open(addr)
	if err != nil {
		return finding{}, err
	}
	defer func() { _ = conn.Close() }() // nothing was left to send
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	t.Addr = addr
	return e.exchange(conn, to, p.network, t)
}

// address is where to send: the target's address, or the first of its alias.
func (p icmpProbe) address(ctx context.Context, t Target) (netip.Addr, error) {
	where, err := destination(t)
	if err != nil || t.Addr.IsValid() {
		return t.Addr.Unmap(), err
	}
	host, _, err := net.SplitHostPort(where)
	if err != nil {
		return netip.Addr{}, err
	}
	list, err := p.network.dialer.Resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, p.network.unreached(t, err)
	}
	return list[0].Unmap(), nil // a lookup without an error gives at least one
}

// open makes a socket. A raw one is bound to its target, so that the kernel
// keeps everybody else's packets from it; an unprivileged one gets nothing but
// replies to its own requests anyway.
func (e echo) open(addr netip.Addr) (net.PacketConn, net.Addr, error) {
	conn, err := icmp.ListenPacket(e.datagram, e.any)
	if err == nil {
		return conn, &net.UDPAddr{IP: addr.AsSlice(), Zone: addr.Zone()}, nil
	}
	raw, rawErr := net.Dial(e.raw, addr.String())
	switch {
	case rawErr == nil:
		return raw.(*net.IPConn), nil, nil
	case errors.Is(rawErr, fs.ErrPermission):
		return nil, nil, &blindness{errNoICMP}
	case isNoRoute(rawErr) || isOwnFault(rawErr): // nothing was sent: the fault is here
		return nil, nil, &blindness{&failure{connecting, rawErr}}
	}
	return nil, nil, &failure{connecting, rawErr}
}

func (e echo) exchange(conn net.PacketConn, to net.Addr, n network, t Target) (finding, error) {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	request := icmp.Message{Type: e.request, Body: &icmp.Echo{
		ID: os.Getpid() & 0xffff, Seq: int(binary.BigEndian.Uint16(nonce[:])), Data: nonce[:],
	}}
	packet, err := request.Marshal(nil) // for IPv6 the kernel makes the checksum
	if err != nil {
		return finding{}, err
	}
	if err := send(conn, packet, to); err != nil {
		return finding{}, n.unreached(t, err)
	}
	began := time.Now()
	if err := e.await(conn, nonce[:]); err != nil {
		return finding{}, err
	}
	return finding{text: fmt.Sprintf("echo reply within %s", roundUp(time.Since(began)))}, nil
}

// send writes to a socket that is bound to its target (to is nil), or not.
func send(conn net.PacketConn, packet []byte, to net.Addr) (err error) {
	if bound, ok := conn.(net.Conn); ok && to == nil {
		_, err = bound.Write(packet)
		return err
	}
	_, err = conn.WriteTo(packet, to)
	return err
}

// await reads until the reply with our nonce has come. Others are not ours.
func (e echo) await(conn net.PacketConn, nonce []byte) error {
	buf := make([]byte, 1500)
	for {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			return &failure{hearing, err}
		}
		if e.isReply(buf[:n], nonce) {
			return nil
		}
	}
}

func (e echo) isReply(packet, nonce []byte) bool {
	m, err := icmp.ParseMessage(e.protocol, packet)
	if err != nil || m.Type != e.reply {
		return false
	}
	body, ok := m.Body.(*icmp.Echo)
	return ok && bytes.Equal(body.Data, nonce)
}

// roundUp makes a time coarse, so that reasons rarely differ.
func roundUp(d time.Duration) time.Duration {
	for _, bound := range durationBounds {
		if d <= bound {
			return bound
		}
	}
	return d.Round(time.Second)
}
