package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
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
	o, err := s.drain(r.Context(), req)
	if err != nil {
		return nil, err
	}
	s.log.Info("override set", "kind", o.Kind, "name", o.Name, "does", o.Verb(), "owner", o.Owner, "reason", o.Reason, "expires", o.Expires, "forced", o.Forced)
	return o, nil
}

// How often, and how long each time, a drain waits for the world that holds
// what somebody else wrote at the same time.
const (
	staleTries = 3
	staleWait  = 2 * time.Second
)

// drain checks the request against the latest world and writes the override;
// when the overrides changed in between, it checks again with them.
func (s *Server) drain(ctx context.Context, req OverrideRequest) (o regions.Override, err error) {
	for range staleTries {
		w := s.backend.World()
		if w == nil {
			return o, errNoWorld
		}
		if o, err = MakeOverride(w, req, time.Now()); err != nil {
			return o, err
		}
		if err = s.backend.PutOverride(ctx, o, w.Revision, req.Replace); !errors.Is(err, ErrStale) {
			return o, err
		}
		s.awaitNewer(ctx, w.Revision)
	}
	return o, &Refusal{http.StatusConflict, err.Error() + " (look at the status and try again)"}
}

func (s *Server) awaitNewer(ctx context.Context, revision int64) {
	ctx, cancel := context.WithTimeout(ctx, staleWait)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for s.backend.World().Revision <= revision {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Server) deleteOverride(r *http.Request) (any, error) {
	kind := regions.OverrideKind(r.FormValue("kind"))
	name := canonicalName(kind, r.FormValue("name"))
	if !kind.Valid() {
		return nil, bad("%q is not a kind of override (region, service, endpoint or failback)", kind)
	}
	if err := s.isAction(kind, name, r.Form["action"]); err != nil {
		return nil, err
	}
	o, found, err := s.backend.DeleteOverride(r.Context(), kind, name)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, &Refusal{http.StatusNotFound, fmt.Sprintf("there is no override on %s %s", kind, name)}
	}
	s.log.Info("override removed", "kind", o.Kind, "name", o.Name, "owner", o.Owner)
	return o, nil
}

// isAction refuses to end another override than the one that was meant, as
// far as the latest world knows: a drain for a pin, or a pin for a drain.
func (s *Server) isAction(kind regions.OverrideKind, name string, want []string) error {
	w := s.backend.World()
	if len(want) == 0 || w == nil {
		return nil
	}
	for _, o := range w.Overrides {
		if o.Kind == kind && o.Name == name && string(o.Action) != want[0] {
			return &Refusal{http.StatusConflict, fmt.Sprintf("%s %s is %s: that is another override than you want to end", kind, name, o.Word())}
		}
	}
	return nil
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

// acceptCluster takes the operator's word that a store which was refused (a
// new cluster, or one restored from a backup) is to be believed.
func (s *Server) acceptCluster(r *http.Request) (any, error) {
	var req ClusterRequest
	if err := decode(r, &req); err != nil {
		return nil, err
	}
	id, err := strconv.ParseUint(req.ID, 16, 64)
	if err != nil || id == 0 {
		return nil, bad("%q is not a cluster id (16 hex digits, as the status shows it)", req.ID)
	}
	if err := s.backend.AcceptCluster(id); err != nil {
		return nil, err
	}
	s.log.Warn("an operator accepts the store's cluster", "cluster", req.ID)
	return req, nil
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
