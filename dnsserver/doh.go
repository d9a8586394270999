package dnsserver

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steerdns/steerdns/dnsserver/wire"
)

// dohType is the media type of a DNS message (RFC 8484 6).
const dohType = "application/dns-message"

// Bounds on what one HTTP connection may hold.
const (
	maxHTTPHeader   = 8 << 10                // of one request, in octets; the longest query has 5.4 KiB as text
	maxQueryText    = (maxFrame*4+2)/3 + 256 // of the part of a URL after "?"
	requestsPerConn = 4                      // under way at once, on average over all connections
)

// doh answers DNS over HTTPS (RFC 8484), by HTTP/2 and HTTP/1.1. Its
// connections come from tcpListeners, counted and with the handshake done.
type doh struct {
	server   *Server
	counters *Counters
	http     *http.Server
	tcp      []*tcpListener
	conns    chan net.Conn
	ended    chan struct{} // no more conns come
	under    atomic.Int64  // requests under way
	max      int64         // of them; more get 503
	codes    [statusCodes]count
}

func newDoH(s *Server, counters *Counters) *doh {
	opt := s.opt.DoH
	d := &doh{
		server: s, counters: counters, max: int64(opt.MaxConns) * requestsPerConn,
		conns: make(chan net.Conn), ended: make(chan struct{}),
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	d.http = &http.Server{
		Handler:           http.HandlerFunc(d.serveHTTP),
		ReadHeaderTimeout: opt.BeginTimeout, ReadTimeout: opt.BeginTimeout,
		WriteTimeout: opt.WriteTimeout, IdleTimeout: opt.IdleTimeout,
		MaxHeaderBytes: maxHTTPHeader, Protocols: protocols,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: opt.MaxStreams, MaxDecoderHeaderTableSize: 4096, MaxReadFrameSize: 16 << 10,
			MaxReceiveBufferPerConnection: 64 << 10, MaxReceiveBufferPerStream: 2 * maxFrame,
			WriteByteTimeout: opt.WriteTimeout,
		},
		ErrorLog: slog.NewLogLogger(s.opt.Log.Handler(), slog.LevelDebug),
	}
	return d
}

// serveConn hands an admitted connection over; the HTTP server closes it.
func (d *doh) serveConn(_, cut context.Context, _ *clientConn, conn net.Conn) {
	select {
	case d.conns <- conn:
	case <-cut.Done():
		conn.Close()
	}
}

// Accept implements net.Listener.
func (d *doh) Accept() (net.Conn, error) {
	select {
	case conn := <-d.conns:
		return conn, nil
	case <-d.ended:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (d *doh) Close() error { return nil }

// Addr implements net.Listener.
func (d *doh) Addr() net.Addr { return &net.TCPAddr{} }

// dohGoodbye is how long requests under way may take when the server ends.
const dohGoodbye = time.Second

// run serves until ctx is done, and then finishes what is under way.
func (d *doh) run(ctx, cut context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(d.ended)
		return runAll(ctx, cut, d.tcp)
	})
	group.Go(func() error {
		if err := d.http.Serve(d); !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("HTTP: %w", err)
		}
		return d.goodbye(cut)
	})
	return group.Wait()
}

// goodbye lets requests under way end, until shortly after cut is done.
func (d *doh) goodbye(cut context.Context) error {
	defer d.http.Close()
	ctx, cancel := context.WithCancel(context.WithoutCancel(cut))
	defer cancel()
	defer context.AfterFunc(cut, func() { time.AfterFunc(dohGoodbye, cancel) })()
	if err := d.http.Shutdown(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("HTTP: %w", err)
	}
	return nil
}

// add makes connections of l those of d.
func (d *doh) add(l *tcpListener) {
	l.serve = d.serveConn
	d.tcp = append(d.tcp, l)
}

func (d *doh) sockets() (list []Socket, err error) {
	for _, l := range d.tcp {
		one, err := l.sockets()
		list = append(list, one...)
		if err != nil {
			return list, err
		}
	}
	return list, nil
}

func (d *doh) close() {
	for _, l := range d.tcp {
		l.close()
	}
}

// serveHTTP answers one request.
func (d *doh) serveHTTP(w http.ResponseWriter, r *http.Request) {
	defer d.under.Add(-1)
	if d.under.Add(1) > d.max {
		w.Header().Set("Retry-After", "1")
		d.refuse(w, http.StatusServiceUnavailable, "too many requests are under way")
		return
	}
	query, status, why := d.query(w, r)
	if status != http.StatusOK {
		d.refuse(w, status, why)
		return
	}
	began := time.Now()
	reply := d.server.responder.answer(d.server.buffers.get(), query, clientOf(r), DoH, d.counters)
	if reply == nil {
		d.refuse(w, http.StatusBadRequest, "this is no DNS query")
		return
	}
	defer d.server.buffers.put(reply)
	w.Header().Set("Content-Type", dohType)
	w.Header().Set("Cache-Control", cacheControl(query, reply))
	d.count(http.StatusOK)
	if _, err := w.Write(reply); err != nil {
		d.counters.dropFor(dropUnsendable)
	}
	d.counters.observe(DoH, 1, time.Since(began))
}

// refuse says why there is no DNS message.
func (d *doh) refuse(w http.ResponseWriter, status int, why string) {
	d.count(status)
	http.Error(w, why, status)
}

// query takes the DNS query out of a request. Everything is measured before
// it is decoded.
func (d *doh) query(w http.ResponseWriter, r *http.Request) (query []byte, status int, why string) {
	switch {
	case r.URL.Path != d.server.opt.DoH.Path:
		return nil, http.StatusNotFound, "DNS is at " + d.server.opt.DoH.Path
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		return queryOfURL(r.URL.RawQuery)
	case r.Method == http.MethodPost:
		return queryOfBody(w, r)
	}
	w.Header().Set("Allow", "GET, HEAD, POST")
	return nil, http.StatusMethodNotAllowed, "use GET or POST"
}

// queryOfURL reads the parameter "dns" (RFC 8484 4.1.1).
func queryOfURL(raw string) (query []byte, status int, why string) {
	if len(raw) > maxQueryText {
		return nil, http.StatusRequestURITooLong, "the URL is too long"
	}
	for part := range strings.SplitSeq(raw, "&") {
		if text, ok := strings.CutPrefix(part, "dns="); ok {
			query, err := base64.RawURLEncoding.DecodeString(text)
			if err != nil || len(query) > maxFrame {
				return nil, http.StatusBadRequest, "dns= wants a DNS query in base64url without padding, of 4096 octets at most"
			}
			return query, http.StatusOK, ""
		}
	}
	return nil, http.StatusBadRequest, "the parameter dns is missing"
}

// queryOfBody reads the body of a POST.
func queryOfBody(w http.ResponseWriter, r *http.Request) (query []byte, status int, why string) {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch {
	case !strings.EqualFold(strings.TrimSpace(media), dohType):
		return nil, http.StatusUnsupportedMediaType, "the body has to be of type " + dohType
	case r.ContentLength > maxFrame:
		return nil, http.StatusRequestEntityTooLarge, "a query has 4096 octets at most"
	}
	query, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFrame))
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return nil, http.StatusRequestEntityTooLarge, "a query has 4096 octets at most"
	}
	if err != nil {
		return nil, http.StatusBadRequest, "the body did not come whole"
	}
	return query, http.StatusOK, ""
}

// clientOf is who asks.
func clientOf(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.IPv4Unspecified() // never: it is written by clientConn
	}
	return at.Addr()
}

// cacheControl is how long a reply may be kept, and by whom. Without ECS in the
// query, which is part of what is asked, a steered answer holds for clients
// near this one only: no cache that others share may give it to them.
func cacheControl(query, reply []byte) string {
	seconds, ok := freshness(reply)
	if !ok {
		return "no-store"
	}
	var q wire.Query
	if wire.Parse(query, &q) == wire.OK && q.EDNS.ECS.Present {
		return fmt.Sprintf("max-age=%d", seconds)
	}
	return fmt.Sprintf("private, max-age=%d", seconds)
}

// statuses are the status codes that are counted.
var statuses = [...]int{
	http.StatusOK, http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge,
	http.StatusRequestURITooLong, http.StatusUnsupportedMediaType, http.StatusServiceUnavailable,
}

const statusCodes = len(statuses)

func (d *doh) count(status int) {
	for i, s := range statuses {
		if s == status {
			d.codes[i].add(1, true)
		}
	}
}
