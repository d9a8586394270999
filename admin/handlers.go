package admin

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/steerdns/steerdns/regions"
)

var errNoWorld = &Refusal{http.StatusServiceUnavailable, "no world is loaded yet (GET /readyz says why)"}

func (s *Server) status(*http.Request) (any, error) {
	return MakeStatus(s.backend.World(), s.backend.Picture(), s.backend.Facts()), nil
}

func (s *Server) explain(r *http.Request) (any, error) {
	w := s.backend.World()
	l, ok := s.backend.Locate()
	if w == nil || !ok {
		return nil, errNoWorld
	}
	return Explain(w, l, s.backend.Facts(), r.FormValue("name"), r.FormValue("from"))
}

func (s *Server) putOverride(r *http.Request) (any, error) {
	var req OverrideRequest
	if err := decode(r, &req); err != nil {
		return nil, err
	}
	w := s.backend.World()
	if w == nil {
		return nil, errNoWorld
	}
	o, err := MakeOverride(w, req, time.Now())
	if err != nil {
		return nil, err
	}
	if err := s.backend.PutOverride(r.Context(), o, w.Revision, req.Replace); err != nil {
		return nil, err
	}
	s.log.Info("override set", "kind", o.Kind, "name", o.Name, "owner", o.Owner, "reason", o.Reason, "expires", o.Expires, "forced", o.Forced)
	return o, nil
}

func (s *Server) deleteOverride(r *http.Request) (any, error) {
	kind := regions.OverrideKind(r.FormValue("kind"))
	name := canonicalName(kind, r.FormValue("name"))
	if !validKind(kind) {
		return nil, bad("%q is not a kind that can be drained (region, service or endpoint)", kind)
	}
	o, found, err := s.backend.DeleteOverride(r.Context(), kind, name)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, &Refusal{http.StatusNotFound, fmt.Sprintf("%s %s is not drained", kind, name)}
	}
	s.log.Info("override removed", "kind", o.Kind, "name", o.Name, "owner", o.Owner)
	return o, nil
}

func validKind(k regions.OverrideKind) bool {
	return k == regions.OverrideRegion || k == regions.OverrideService || k == regions.OverrideEndpoint
}

func (s *Server) postFleet(r *http.Request) (any, error) {
	var req FleetRequest
	if err := decode(r, &req); err != nil {
		return nil, err
	}
	f, err := s.backend.Apply(r.Context(), req)
	if err != nil {
		return nil, err
	}
	s.log.Info("fleet file applied", "n", f.N, "hash", f.Hash, "by", f.By)
	f.Text, f.Files = "", nil
	return f, nil
}

func (s *Server) history(r *http.Request) (any, error) {
	list, err := s.backend.History(r.Context())
	if err != nil {
		return nil, err
	}
	return list, nil
}

// healthz says whether the process does its work: restart it when not.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	verdict(w, s.backend.Facts().Alive, "the DNS listeners are not running")
}

// readyz says whether to send queries here. It never depends on the store
// once a world is loaded.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	f := s.backend.Facts()
	verdict(w, f.Ready, f.NotReady)
}

func verdict(w http.ResponseWriter, ok bool, why string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if ok {
		_, _ = io.WriteString(w, "ok\n")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, why+"\n")
}

// IsConflict tells whether an error is a lost race for the same thing.
func IsConflict(err error) bool {
	r, ok := errors.AsType[*Refusal](err)
	return ok && r.Status == http.StatusConflict
}
