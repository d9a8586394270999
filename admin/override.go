package admin

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// The bounds of an override.
const (
	minOverride  = time.Second
	maxOverride  = 90 * 24 * time.Hour
	maxOwner     = 64
	maxWhy       = 200
	defaultOwner = "unknown"
)

// MakeOverride checks a request against the world and makes the override of
// it, or refuses with what to do instead.
func MakeOverride(w *regions.World, r OverrideRequest, now time.Time) (regions.Override, error) {
	o := regions.Override{
		Kind: r.Kind, Name: canonicalName(r.Kind, r.Name), Owner: strings.TrimSpace(r.Owner),
		Reason: strings.TrimSpace(r.Reason), Created: now.UTC().Truncate(time.Millisecond), Forced: r.Force,
	}
	length, err := parseLength(r.For)
	switch {
	case err != nil || length < minOverride || length > maxOverride:
		return o, bad("an override must end by itself: give --for a length from 1s to 90d, such as 30m or 2d (got %q)", r.For)
	case o.Reason == "" || len(o.Reason) > maxWhy:
		return o, bad("say why: --reason with 1 to %d bytes; everybody who looks at the status will read it", maxWhy)
	case o.Owner == "" || len(o.Owner) > maxOwner:
		return o, bad("say who: --owner with 1 to %d bytes", maxOwner)
	}
	o.Expires = o.Created.Add(length)
	if err := exists(w, o); err != nil {
		return o, err
	}
	if r.Force {
		return o, nil
	}
	return o, precondition(w, o)
}

// parseLength reads a Go duration, or a whole number of days such as "2d".
func parseLength(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(s)
}

func bad(format string, args ...any) error {
	return &Refusal{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func canonicalName(kind regions.OverrideKind, name string) string {
	if kind == regions.OverrideService {
		return strings.ToLower(strings.TrimSuffix(name, "."))
	}
	return name
}

// exists refuses a name that the fleet file does not know, and lists those it
// does.
func exists(w *regions.World, o regions.Override) error {
	known, err := namesOf(w.Topology, o.Kind)
	if err != nil {
		return err
	}
	if slices.Contains(known, o.Name) {
		return nil
	}
	const most = 20
	list := strings.Join(known[:min(len(known), most)], ", ")
	if len(known) > most {
		list += fmt.Sprintf(", and %d more", len(known)-most)
	}
	return &Refusal{http.StatusNotFound, fmt.Sprintf("the fleet has no %s %q (it has: %s)", o.Kind, o.Name, list)}
}

func namesOf(t *regions.Topology, kind regions.OverrideKind) ([]string, error) {
	var names []string
	switch kind {
	case regions.OverrideRegion:
		for _, r := range t.Regions {
			names = append(names, r.Name)
		}
	case regions.OverrideService:
		for _, s := range t.Services {
			names = append(names, strings.TrimSuffix(s.Name, "."))
		}
	case regions.OverrideEndpoint:
		for _, s := range t.Services {
			for _, e := range s.Endpoints {
				names = append(names, e.ID)
			}
		}
	default:
		return nil, bad("%q is not a kind that can be drained (region, service or endpoint)", kind)
	}
	return names, nil
}

// precondition refuses an override after which a service would have nothing
// left that is neither down nor drained (rule 8).
func precondition(w *regions.World, o regions.Override) error {
	for si, s := range w.Topology.Services {
		name := strings.TrimSuffix(s.Name, ".")
		if o.Kind == regions.OverrideService {
			if o.Name == name && len(s.Fallback) == 0 {
				return &Refusal{http.StatusPreconditionFailed, fmt.Sprintf(
					"draining service %s would leave it without any address, and it has no fallback set (use --force to do it all the same)", name)}
			}
			continue
		}
		if before, after := usable(w, si, nil), usable(w, si, &o); before > 0 && after == 0 {
			return &Refusal{http.StatusPreconditionFailed, fmt.Sprintf(
				"draining %s %s would leave %s without a region that is up (use --force to do it all the same)", o.Kind, o.Name, name)}
		}
	}
	return nil
}

// usable counts the endpoints of a service that are neither down nor drained,
// with one more override in force if extra is not nil.
func usable(w *regions.World, svc int, extra *regions.Override) int {
	n := 0
	for ei, e := range w.Topology.Services[svc].Endpoints {
		v, r := w.Endpoints[svc][ei], w.Regions[e.Region]
		down := v.State == healthcheck.Down || r.State == healthcheck.Down
		drained := v.Drained != nil || r.Drained != nil
		if down || drained || covers(extra, w.Topology, e) {
			continue
		}
		n++
	}
	return n
}

func covers(o *regions.Override, t *regions.Topology, e regions.Endpoint) bool {
	if o == nil {
		return false
	}
	return o.Kind == regions.OverrideRegion && o.Name == t.Regions[e.Region].Name ||
		o.Kind == regions.OverrideEndpoint && o.Name == e.ID
}
