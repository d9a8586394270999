package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// Limits of the HTTP surface.
const (
	maxBody       = 4 << 20
	headerTimeout = 5 * time.Second
	bodyTimeout   = 30 * time.Second
	closeTimeout  = 2 * time.Second
)

// Server serves the HTTP surface of one instance. It has no authentication
// of its own: listen on loopback or on a network that only operators reach.
type Server struct {
	backend Backend
	metrics http.Handler
	log     *slog.Logger
}

// NewServer makes a server; metrics serves /metrics.
func NewServer(b Backend, metrics http.Handler, log *slog.Logger) *Server {
	return &Server{backend: b, metrics: metrics, log: log}
}

// Run serves on ln until ctx ends, then gives requests under way closeTimeout
// and returns nil; it closes ln.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	srv := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout,
		WriteTimeout: bodyTimeout, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		if srv.Shutdown(stop) != nil { // somebody holds a connection open: that is no failure of ours
			_ = srv.Close() // nothing is left to close but what is cut off
		}
		return nil
	})
	return g.Wait()
}

// Handler is the whole surface. Requests from other web origins are refused,
// so that a page in an operator's browser cannot drain a region.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", s.metrics)
	mux.HandleFunc("GET /v1/status", answer(s.status))
	mux.HandleFunc("GET /v1/explain", answer(s.explain))
	mux.HandleFunc("PUT /v1/overrides", answer(s.putOverride))
	mux.HandleFunc("DELETE /v1/overrides", answer(s.deleteOverride))
	mux.HandleFunc("POST /v1/fleet", answer(s.postFleet))
	mux.HandleFunc("POST /v1/cluster", answer(s.acceptCluster))
	mux.HandleFunc("GET /v1/fleet/history", answer(s.history))
	return http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(mux, maxBody))
}

// answer writes what fn returns as JSON, or its error as a Refusal.
func answer(fn func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := fn(r)
		code := http.StatusOK
		if err != nil {
			refusal := asRefusal(err)
			body, code = refusal, refusal.Status
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(code)
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		_ = enc.Encode(body) // the client went away: nobody is left to tell
	}
}

func asRefusal(err error) *Refusal {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r
	}
	return &Refusal{http.StatusServiceUnavailable, err.Error()}
}

func decode(r *http.Request, into any) error {
	if err := decodeOne(r.Body, into); err != nil {
		return bad("the request body is not understood: %v", err)
	}
	return nil
}

// decodeOne reads one JSON value after which nothing may come; io.EOF means
// that there is none.
func decodeOne(from io.Reader, into any) error {
	d := json.NewDecoder(from)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the JSON value")
	}
	return nil
}
