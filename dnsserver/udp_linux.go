//go:build linux && (amd64 || arm64)

package dnsserver

import (
	"context"
	"fmt"
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

// batchUDP serves one socket with recvmmsg and sendmmsg. The socket is never
// registered with Go's poller: at full load the poller's part of every system
// call is the larger one.
type batchUDP struct {
	fd       int
	name     string // see SocketName
	v4       bool
	wildcard bool
	roomy    bool // see Options.roomy
	r        *Responder
	counters *Counters
}

// openBatchUDP serves fd, which is bound to at, or a new socket when it is
// negative. It owns fd.
func openBatchUDP(fd int, at netip.AddrPort, r *Responder, roomy bool) (*batchUDP, error) {
	bound := fd >= 0
	if !bound {
		var err error
		if fd, err = newSocket(at); err != nil {
			return nil, err
		}
	}
	w := &batchUDP{fd: fd, v4: at.Addr().Is4(), wildcard: at.Addr().IsUnspecified(), roomy: roomy, r: r}
	if err := w.prepare(bound); err != nil {
		unix.Close(fd)
		return nil, err
	}
	if !bound {
		if err := bind(fd, at); err != nil {
			unix.Close(fd)
			return nil, err
		}
	}
	w.counters = r.NewCounters(false)
	return w, nil
}

func (w *batchUDP) prepare(bound bool) error {
	// Best effort: the system's limits apply.
	_ = unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, socketBuffer)
	_ = unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, socketBuffer)
	if err := unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil && !bound {
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

func (w *batchUDP) socket() (Socket, error) {
	fd, err := unix.FcntlInt(uintptr(w.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return Socket{}, os.NewSyscallError("dup", err)
	}
	return Socket{w.name, os.NewFile(uintptr(fd), w.name)}, nil
}

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
		query, client, ok := w.r.balancers.unwrap(p.query(i), p.client(i))
		if !ok {
			w.counters.dropFor(dropProxy)
			continue
		}
		reply := w.r.answer(p.replyBuf(out), query, client, UDP, w.counters)
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
