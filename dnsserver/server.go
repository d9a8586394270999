package dnsserver

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Server answers queries on its listeners.
//
// A UDP worker on Linux keeps a thread to itself, and while it answers it
// keeps one of Go's processors too. When GOMAXPROCS is above
// Options.UDPWorkers it keeps it for short waits as well, which saves work.
type Server struct {
	opt       Options
	responder *Responder
	portable  bool // use the portable UDP path where there is a faster one

	addrs   [transports][]netip.AddrPort
	udp     []udpWorker
	streams []part // TCP, DoT and DoH
	doq     []part
	limits  [transports]*connLimits
	doh     *doh // nil: no listener
	buffers replyBuffers

	drain atomic.Int64  // see HandOver
	freed chan struct{} // see Freed
}

// part is what serves one or several sockets of a Server.
type part interface {
	// run serves until ctx is done, and then ends when all is answered that
	// was read, when cut is done at the latest.
	run(ctx, cut context.Context) error
	close()
	sockets() ([]Socket, error)
}

// udpWorker reads queries from one socket and writes the replies.
type udpWorker interface {
	// run serves until ctx is done, and then closes the socket. It returns
	// nil when ctx is done, or why the socket cannot be read.
	run(ctx context.Context) error
	close()
	socket() (Socket, error)
}

// NewServer returns a Server that does nothing yet and answers SERVFAIL until
// Publish.
func NewServer(opt Options) *Server {
	opt = opt.withDefaults()
	s := &Server{opt: opt, responder: NewResponder(opt), freed: make(chan struct{})}
	for t := range transports {
		s.limits[t] = newConnLimits(*opt.stream(t))
	}
	return s
}

// Publish makes v what all following queries are answered from. It may be
// called at any time.
func (s *Server) Publish(v *View) { s.responder.Publish(v) }

// Responder is what s answers with.
func (s *Server) Responder() *Responder { return s.responder }

// Addrs are the addresses of plain DNS that Listen opened, with their ports,
// in the order of Options.Listen.
func (s *Server) Addrs() []netip.AddrPort { return s.addrs[UDP] }

// AddrsOf are the addresses that Listen opened for one transport.
func (s *Server) AddrsOf(t Transport) []netip.AddrPort { return s.addrs[t] }

// Listen opens all sockets, or none and says which one failed and what to do.
// Queries wait in the sockets until Run.
func (s *Server) Listen() error {
	counters := s.responder.NewCounters(true)
	for _, open := range []func(*Counters) error{s.listenPlain, s.listenDoT, s.listenDoH, s.listenDoQ} {
		if err := open(counters); err != nil {
			s.closeAll()
			return err
		}
	}
	return nil
}

func (s *Server) closeAll() {
	for _, p := range append(s.streams, s.doq...) {
		p.close()
	}
	for _, w := range s.udp {
		w.close()
	}
	s.streams, s.doq, s.udp, s.addrs = nil, nil, nil, [transports][]netip.AddrPort{}
}

// Sockets are copies of all sockets that s listens on, for a process that
// takes over. The caller closes them.
func (s *Server) Sockets() (list []Socket, err error) {
	for _, w := range s.udp {
		one, err := w.socket()
		if err != nil {
			return list, err
		}
		list = append(list, one)
	}
	for _, p := range append(s.streams, s.doq...) {
		some, err := p.sockets()
		list = append(list, some...)
		if err != nil {
			return list, err
		}
	}
	return list, nil
}

// HandOver makes the end of Run a gentle one, since another process reads the
// same sockets by then: connections may go on until they are idle, for drain
// at most.
func (s *Server) HandOver(drain time.Duration) { s.drain.Store(int64(drain)) }

// Freed is closed when Run, after its ctx is done, has let go of what two
// processes cannot share: the sockets of QUIC, on which a packet means nothing
// to another process than the one that has the connection.
func (s *Server) Freed() <-chan struct{} { return s.freed }

// Run serves on what Listen opened until ctx is done; then it stops reading,
// finishes what it has read, and closes everything. It may be called once.
func (s *Server) Run(ctx context.Context) error {
	if len(s.udp) == 0 {
		return errors.New("the DNS server has no listener: configure one, and call Listen before Run")
	}
	group, ctx := errgroup.WithContext(ctx)
	cut, cancel := s.cutAfter(ctx)
	defer cancel()
	for _, w := range s.udp {
		group.Go(func() error { return w.run(ctx) })
	}
	for _, t := range s.responder.readers {
		group.Go(func() error { return t.run(ctx) })
	}
	group.Go(func() error { return runAll(ctx, cut, s.streams) })
	group.Go(func() error {
		defer close(s.freed)
		return s.runDoQ(ctx, cut)
	})
	return group.Wait()
}

// cutAfter is done when the time to end gently is over.
func (s *Server) cutAfter(ctx context.Context) (context.Context, context.CancelFunc) {
	cut, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		drain := time.Duration(s.drain.Load())
		if drain <= 0 {
			cancel()
			return
		}
		time.AfterFunc(drain, cancel)
	})
	return cut, cancel
}

// runDoQ serves QUIC, not before Options.After.
func (s *Server) runDoQ(ctx, cut context.Context) error {
	if s.opt.After != nil {
		select {
		case <-s.opt.After:
		case <-ctx.Done():
		}
	}
	return runAll(ctx, cut, s.doq)
}

// runAll runs all parts until they have ended, or one has failed.
func runAll[P part](ctx, cut context.Context, parts []P) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range parts {
		group.Go(func() error { return p.run(ctx, cut) })
	}
	return group.Wait()
}

// answer is Respond for transports: a panic costs one SERVFAIL, not the
// process.
func (r *Responder) answer(dst, query []byte, client netip.Addr, tr Transport, c *Counters) (reply []byte) {
	defer func() {
		if p := recover(); p != nil {
			c.panics.add(1, c.shared())
			reply = appendServFail(dst, query)
		}
	}()
	return r.Respond(dst, query, client, tr, c)
}

// appendServFail appends a reply that needs nothing but the query's header.
func appendServFail(dst, query []byte) []byte {
	const headerLen = 12
	if len(query) < headerLen {
		return nil
	}
	return append(dst, query[0], query[1], 0x80|query[2]&0x79, 2, 0, 0, 0, 0, 0, 0, 0, 0)
}
