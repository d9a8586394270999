//go:build linux && (amd64 || arm64)

package dnsserver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// msgTrunc marks a packet that was longer than the buffer.
const msgTrunc = unix.MSG_TRUNC

// batch is how many packets one system call moves at most.
const batch = 32

// wakeEvery is how often an idle worker looks whether it has to end.
const wakeEvery = 200 * time.Millisecond

// linger is how long a worker waits for the next packet before it counts as
// idle; the system rounds it up to its own tick, a few milliseconds.
const linger = time.Millisecond

// socketBuffer is what is asked for, so that a burst waits instead of being
// lost; the system may grant less.
const socketBuffer = 4 << 20

// openUDP opens one socket for each worker at an address; the system spreads
// clients over them.
func (s *Server) openUDP(at netip.AddrPort) ([]udpWorker, error) {
	if s.portable {
		w, err := openPortableUDP(at, s.responder)
		if err != nil {
			return nil, err
		}
		return []udpWorker{w}, nil
	}
	if err := probeUDP(at); err != nil {
		return nil, err
	}
	var workers []udpWorker
	for range s.opt.Workers {
		w, err := openBatchUDP(at, s.responder, s.opt.roomy())
		if err != nil {
			for _, open := range workers {
				open.close()
			}
			return nil, err
		}
		workers = append(workers, w)
	}
	return workers, nil
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

// batchUDP serves one socket with recvmmsg and sendmmsg. The socket is never
// registered with Go's poller: at full load the poller's part of every system
// call is the larger one.
type batchUDP struct {
	fd       int
	v4       bool
	wildcard bool
	roomy    bool // see Options.roomy
	r        *Responder
	counters *Counters
}

func openBatchUDP(at netip.AddrPort, r *Responder, roomy bool) (*batchUDP, error) {
	fd, err := newSocket(at)
	if err != nil {
		return nil, err
	}
	w := &batchUDP{fd: fd, v4: at.Addr().Is4(), wildcard: at.Addr().IsUnspecified(), roomy: roomy, r: r}
	if err := w.prepare(); err != nil {
		unix.Close(fd)
		return nil, err
	}
	if err := bind(fd, at); err != nil {
		unix.Close(fd)
		return nil, err
	}
	w.counters = r.NewCounters(false)
	return w, nil
}

func (w *batchUDP) prepare() error {
	// Best effort: the system's limits apply.
	_ = unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, socketBuffer)
	_ = unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, socketBuffer)
	if err := unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return os.NewSyscallError("setsockopt SO_REUSEPORT", err)
	}
	wait := unix.NsecToTimeval(int64(wakeEvery))
	if w.roomy {
		wait = unix.NsecToTimeval(int64(linger))
	}
	if err := unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		return os.NewSyscallError("setsockopt SO_RCVTIMEO", err)
	}
	// Best effort too: a forged ICMP message must not make the system believe
	// in a narrow path and send replies in fragments, of which others can be
	// slipped in. MaxUDP is what keeps replies whole (RFC 9715).
	if w.v4 {
		_ = unix.SetsockoptInt(w.fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_OMIT)
	} else {
		_ = unix.SetsockoptInt(w.fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_OMIT)
	}
	if !w.wildcard {
		return nil
	}
	if w.v4 {
		return os.NewSyscallError("setsockopt IP_PKTINFO", unix.SetsockoptInt(w.fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1))
	}
	return os.NewSyscallError("setsockopt IPV6_RECVPKTINFO",
		unix.SetsockoptInt(w.fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1))
}

func (w *batchUDP) close() { unix.Close(w.fd) }

func (w *batchUDP) run(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer w.close()
	p := newPackets(w.wildcard, w.roomy)
	for ctx.Err() == nil {
		n, errno := p.receive(w.fd)
		switch {
		case errno == 0:
			w.serve(p, n)
		case hopeless(errno):
			return fmt.Errorf("read UDP packets: %w", errno)
		case errno == unix.ENOMEM, errno == unix.ENOBUFS:
			pause(ctx)
		default: // nothing came, a signal, or an ICMP error of an earlier reply
		}
	}
	return nil
}

// hopeless tells the errors that would only come again, at full speed; the
// last three are what filters of system calls say.
func hopeless(errno unix.Errno) bool {
	switch errno {
	case unix.EBADF, unix.ENOTSOCK, unix.EINVAL, unix.EFAULT, unix.ENOSYS, unix.EPERM, unix.EACCES:
		return true
	}
	return false
}

// serve answers the n packets that were received.
func (w *batchUDP) serve(p *packets, n int) {
	began := time.Now()
	w.counters.begin(began)
	out := 0
	for i := range n {
		if p.in[i].hdr.Flags&unix.MSG_TRUNC != 0 {
			w.counters.dropFor(dropOversize)
			continue
		}
		reply := w.r.answer(p.replyBuf(out), p.query(i), p.client(i), UDP, w.counters)
		if reply != nil {
			p.reply(out, i, reply)
			out++
		}
	}
	p.send(w.fd, out, w.counters)
	w.counters.observe(UDP, n, time.Since(began))
}

// mmsghdr is struct mmsghdr of Linux on 64-bit machines.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [4]byte
}

// controlLen is room for one IPV6_PKTINFO message; IP_PKTINFO is shorter.
const controlLen = unix.SizeofCmsghdr + 24

// cacheLine sets buffers apart, so that their first octets do not all compete
// for the same few lines of the cache.
const cacheLine = 64

// packets are one batch of queries and one of replies, with everything that
// the kernel wants to be pointed to. Only the worker that made them uses them.
type packets struct {
	in, out  [batch]mmsghdr
	inVec    [batch]unix.Iovec
	outVec   [batch]unix.Iovec
	names    [batch]unix.RawSockaddrInet6 // of the clients, either family
	controls [batch][controlLen]byte
	queries  [batch][maxPacket + cacheLine]byte
	replies  [batch][maxPacket + cacheLine]byte
	wildcard bool
	roomy    bool // see Options.roomy
	idle     bool // and the last wait was in vain
}

func newPackets(wildcard, roomy bool) *packets {
	p := &packets{wildcard: wildcard, roomy: roomy}
	for i := range batch {
		p.inVec[i].Base = &p.queries[i][0]
		p.inVec[i].SetLen(maxPacket)
		in := &p.in[i].hdr
		in.Name = (*byte)(unsafe.Pointer(&p.names[i]))
		in.Namelen = unix.SizeofSockaddrInet6
		in.Iov = &p.inVec[i]
		in.SetIovlen(1)
		if wildcard {
			in.Control = &p.controls[i][0]
			in.SetControllen(controlLen)
		}
		p.outVec[i].Base = &p.replies[i][0]
		p.out[i].hdr.Iov = &p.outVec[i]
		p.out[i].hdr.SetIovlen(1)
	}
	return p
}

// receive reads up to batch packets and waits for the first one: up to
// wakeEvery, or where there is room for linger and once that was in vain for
// wakeEvery.
//
// Go's scheduler is told of the long wait, because a thread that blocks
// unannounced keeps a processor and holds up the garbage collector. It is not
// told of the short one, which the collector's signal ends early: told of every
// wait under load, it takes the processor away from this thread and gives it
// back all the time.
func (p *packets) receive(fd int) (int, unix.Errno) {
	if !p.roomy {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&p.in[0])), batch,
			unix.MSG_WAITFORONE, 0, 0)
		return int(n), errno
	}
	if p.idle && !readable(fd, wakeEvery) {
		return 0, unix.EAGAIN
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&p.in[0])), batch,
		unix.MSG_WAITFORONE, 0, 0)
	p.idle = errno == unix.EAGAIN
	return int(n), errno
}

// readable waits until fd has something to read or an error to tell. Where it
// cannot wait it says yes: the read then does, or has the error.
func readable(fd int, wait time.Duration) bool {
	ready := unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	timeout := unix.NsecToTimespec(int64(wait))
	n, _, _ := unix.Syscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&ready)), 1, uintptr(unsafe.Pointer(&timeout)), 0, 0, 0)
	return n != 0
}

func (p *packets) query(i int) []byte { return p.queries[i][:p.in[i].len] }

func (p *packets) replyBuf(i int) []byte { return p.replies[i][:0:maxPacket] }

// client is the address of the client that sent packet i.
func (p *packets) client(i int) netip.Addr {
	if p.names[i].Family == unix.AF_INET {
		return netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&p.names[i])).Addr)
	}
	return netip.AddrFrom16(p.names[i].Addr).Unmap()
}

// reply makes message out the reply to packet i. It goes to where the query
// came from, and on a wildcard socket leaves from the address that was asked.
func (p *packets) reply(out, i int, reply []byte) {
	h := &p.out[out].hdr
	p.outVec[out].Base = unsafe.SliceData(reply)
	p.outVec[out].SetLen(len(reply))
	h.Name, h.Namelen = p.in[i].hdr.Name, p.in[i].hdr.Namelen
	p.in[i].hdr.Namelen = unix.SizeofSockaddrInet6
	if !p.wildcard {
		return
	}
	n := int(p.in[i].hdr.Controllen)
	p.in[i].hdr.SetControllen(controlLen)
	h.Control, h.Controllen = nil, 0
	if replyFrom(p.controls[i][:n]) {
		h.Control = &p.controls[i][0]
		h.SetControllen(n)
	}
}

// replyFrom turns the control message of a query into that of its reply, in
// place: the packet's destination becomes the source, and the interface is
// left to routing except for link-local addresses, which need one.
func replyFrom(control []byte) bool {
	if len(control) < unix.SizeofCmsghdr {
		return false
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	data := control[unix.SizeofCmsghdr:]
	switch {
	case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
		(*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])).Ifindex = 0
		return true
	case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
		info := (*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0]))
		if !netip.AddrFrom16(info.Addr).IsLinkLocalUnicast() {
			info.Ifindex = 0
		}
		return true
	}
	return false
}

// send writes the first n replies. A reply that the system refuses is
// skipped; when the socket's buffer is full it waits, which is brief.
func (p *packets) send(fd, n int, c *Counters) {
	for at := 0; at < n; {
		sent, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&p.out[at])),
			uintptr(n-at), unix.MSG_DONTWAIT, 0, 0)
		if errno == unix.EAGAIN {
			sent, _, errno = unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&p.out[at])),
				uintptr(n-at), 0, 0, 0)
		}
		switch errno {
		case 0:
			at += int(sent)
		case unix.EINTR:
		default:
			c.dropFor(dropUnsendable)
			at++
		}
	}
}
