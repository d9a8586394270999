package dnsserver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"
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

	addrs   []netip.AddrPort
	udp     []udpWorker
	tcp     []*tcpListener
	buffers replyBuffers
}

// udpWorker reads queries from one socket and writes the replies.
type udpWorker interface {
	// run serves until ctx is done, and then closes the socket. It returns
	// nil when ctx is done, or why the socket cannot be read.
	run(ctx context.Context) error
	close()
}

// NewServer returns a Server that does nothing yet and answers SERVFAIL until
// Publish.
func NewServer(opt Options) *Server {
	opt = opt.withDefaults()
	return &Server{opt: opt, responder: NewResponder(opt)}
}

// Publish makes v what all following queries are answered from. It may be
// called at any time.
func (s *Server) Publish(v *View) { s.responder.Publish(v) }

// Responder is what s answers with.
func (s *Server) Responder() *Responder { return s.responder }

// Collector exports what s counted.
func (s *Server) Collector() prometheus.Collector { return s.responder.Collector() }

// Addrs are the addresses that Listen opened, with their ports, in the order
// of Options.Listen.
func (s *Server) Addrs() []netip.AddrPort { return s.addrs }

// Listen opens all sockets, or none and says which one failed and what to do.
// Queries wait in the sockets until Run.
func (s *Server) Listen() error {
	conns := newConnLimits(s.opt.TCP)
	counters := s.responder.NewCounters(true)
	for _, want := range s.opt.Listen {
		got, err := s.listenOn(want, conns, counters)
		if err != nil {
			s.closeAll()
			return fmt.Errorf("listen on %v: %w", want, err)
		}
		s.addrs = append(s.addrs, got)
	}
	return nil
}

// portTries is how many free TCP ports are tried until one is free for UDP
// as well.
const portTries = 32

func (s *Server) listenOn(want netip.AddrPort, conns *connLimits, counters *Counters) (netip.AddrPort, error) {
	for try := 1; ; try++ {
		socket, err := openTCP(want)
		if err != nil {
			return netip.AddrPort{}, err
		}
		l := &tcpListener{listener: socket, server: s, transport: TCP, conns: conns, counters: counters}
		l.serve = l.serveStream
		got := netip.AddrPortFrom(want.Addr(), l.port())
		workers, err := s.openUDP(got)
		if err == nil {
			s.tcp = append(s.tcp, l)
			s.udp = append(s.udp, workers...)
			return got, nil
		}
		l.close()
		if want.Port() != 0 || !isInUse(err) || try == portTries {
			return netip.AddrPort{}, advise(err)
		}
	}
}

func (s *Server) closeAll() {
	for _, l := range s.tcp {
		l.close()
	}
	for _, w := range s.udp {
		w.close()
	}
	s.tcp, s.udp, s.addrs = nil, nil, nil
}

// Run serves on what Listen opened until ctx is done; then it stops reading,
// finishes what it has read, and closes everything. It may be called once.
func (s *Server) Run(ctx context.Context) error {
	if len(s.udp) == 0 {
		return errors.New("the DNS server has no listener: configure one, and call Listen before Run")
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, w := range s.udp {
		group.Go(func() error { return w.run(ctx) })
	}
	for _, l := range s.tcp {
		group.Go(func() error { return l.run(ctx, ctx) })
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
