package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steerdns/steerdns/healthcheck"
)

// Limits of the surface for reports, which machines that are not the
// operator's own hand can reach.
const (
	maxReport      = 4 << 10 // bytes of a body
	reportsASecond = 10      // of one endpoint
	reportTimeout  = 10 * time.Second
	reportPause    = 15 * time.Second // from one report to the next on a connection
	filesEvery     = 5 * time.Second  // between two looks at tokens and certificate
)

// Reporter takes in what an endpoint says of itself; *healthcheck.Runner does.
type Reporter interface {
	Report(id string, r healthcheck.Report) (time.Duration, error)
}

// PushOptions are what a PushServer needs.
type PushOptions struct {
	Reporter Reporter
	Tokens   string // file of who may report what, see ParseTokens
	Cert     string // file with the certificate; "" for plain HTTP
	Key      string // file with its private key
	Log      *slog.Logger
}

// PushServer is where endpoints report themselves:
//
//	PUT /v1/report/SERVICE/REGION/ADDRESS
//	Authorization: Bearer TOKEN
//
//	{"up": true, "reason": "queue is short", "load": 40}
//
// All of the body may be left out. A wrong token and an endpoint that the
// token is not for look alike from outside.
type PushServer struct {
	opt     PushOptions
	tokens  watched[Tokens]
	pair    watched[tls.Certificate]
	limit   limiter
	results [len(pushResults)]atomic.Uint64
}

// How a request for a report can end.
var pushResults = [...]string{"accepted", "unauthorized", "unknown", "limited", "malformed"} // constant

// The indices into pushResults.
const (
	pushAccepted = iota
	pushUnauthorized
	pushUnknown
	pushLimited
	pushMalformed
)

// NewPushServer reads the files once; the error says what is wrong with them.
func NewPushServer(opt PushOptions) (*PushServer, error) {
	s := &PushServer{opt: opt}
	s.tokens.load = func() (*Tokens, error) { return readTokens(opt.Tokens) }
	s.tokens.files = []string{opt.Tokens}
	if opt.Cert != "" {
		s.pair.load = func() (*tls.Certificate, error) { return readPair(opt.Cert, opt.Key) }
		s.pair.files = []string{opt.Cert, opt.Key}
	}
	_, err := s.tokens.look()
	_, pairErr := s.pair.look()
	return s, errors.Join(err, pairErr)
}

// Results is how many requests ended in each way since the start.
func (s *PushServer) Results() map[string]uint64 {
	out := map[string]uint64{}
	for i, name := range pushResults {
		out[name] = s.results[i].Load()
	}
	return out
}

// Run serves on ln until ctx ends and returns nil; it closes ln. When a file
// changes it is read again; one with problems is refused, and what was read
// before holds.
func (s *PushServer) Run(ctx context.Context, ln net.Listener) error {
	srv := &http.Server{
		Handler: s.Handler(), ReadTimeout: reportTimeout, WriteTimeout: reportTimeout, IdleTimeout: reportPause,
		MaxHeaderBytes: 8 << 10, ConnState: noteRequest, ErrorLog: slog.NewLogLogger(s.opt.Log.Handler(), slog.LevelDebug),
	}
	ln = boundReporters(ln, maxReporters, maxPerReporter)
	if s.opt.Cert != "" {
		srv.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.certificate, NextProtos: []string{"h2", "http/1.1"}}
		ln = tls.NewListener(ln, srv.TLSConfig)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		s.follow(ctx)
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		if srv.Shutdown(stop) != nil { // somebody holds a connection open: that is no failure of ours
			_ = srv.Close() // nothing is left to close but what is cut off
		}
		return nil
	})
	return g.Wait()
}

func (s *PushServer) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return s.pair.current.Load(), nil
}

// follow looks at the files until ctx ends.
func (s *PushServer) follow(ctx context.Context) {
	tick := time.NewTicker(filesEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.lookAgain()
		}
	}
}

func (s *PushServer) lookAgain() {
	changed, err := s.tokens.look()
	pairChanged, pairErr := s.pair.look()
	switch err := errors.Join(err, pairErr); {
	case err != nil:
		s.opt.Log.Error("a file of the push listener is refused, the one before holds", "error", err)
	case changed || pairChanged:
		s.opt.Log.Info("read the files of the push listener again")
	}
}

// Handler is the whole surface. It ends the connection of whom it refuses.
func (s *PushServer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /v1/report/{endpoint...}", answer(s.report))
	return http.MaxBytesHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(parting{w}, r)
	}), maxReport)
}

// parting ends the connection after any answer but 200.
type parting struct{ http.ResponseWriter }

func (w parting) WriteHeader(code int) {
	if code != http.StatusOK {
		w.Header().Set("Connection", "close")
	}
	w.ResponseWriter.WriteHeader(code)
}

// reportRequest is the body of a report.
type reportRequest struct {
	Up     *bool  `json:"up"`
	Reason string `json:"reason"`
	Load   int    `json:"load"`
}

// ReportReply says how long a report holds.
type ReportReply struct {
	Endpoint string  `json:"endpoint"`
	TTL      float64 `json:"ttl_seconds"`
}

func (s *PushServer) report(r *http.Request) (any, error) {
	id := r.PathValue("endpoint")
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !s.tokens.current.Load().Allow(id, token) {
		return nil, s.refuse(pushUnauthorized, http.StatusUnauthorized, "the token is missing, wrong, or for other endpoints")
	}
	if !s.limit.take(id, time.Now()) {
		return nil, s.refuse(pushLimited, http.StatusTooManyRequests, "this endpoint reports more than 10 times a second")
	}
	rep, err := readReport(r.Body)
	if err != nil {
		return nil, s.refuse(pushMalformed, http.StatusBadRequest, err.Error())
	}
	ttl, err := s.opt.Reporter.Report(id, rep)
	if err != nil {
		return nil, s.refuse(pushUnknown, http.StatusNotFound, err.Error()+" (look at the names in steerdns status, and at the service's check)")
	}
	s.results[pushAccepted].Add(1)
	return ReportReply{id, ttl.Seconds()}, nil
}

func (s *PushServer) refuse(result, status int, message string) error {
	s.results[result].Add(1)
	return &Refusal{status, message}
}

// readReport reads a body; an empty one reports up.
func readReport(body io.Reader) (healthcheck.Report, error) {
	var req reportRequest
	if err := decodeOne(body, &req); err != nil && err != io.EOF {
		return healthcheck.Report{}, errors.New(`the body is not understood (want {"up": true, "reason": "...", "load": 0 to 100}, or nothing): ` + err.Error())
	}
	if req.Load < 0 || req.Load > 100 {
		return healthcheck.Report{}, errors.New("load: want 0 to 100, in percent of the endpoint's capacity")
	}
	return healthcheck.Report{Up: req.Up == nil || *req.Up, Reason: req.Reason, Load: uint8(req.Load)}, nil
}
