package admin

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// precondition refuses a drain that would take usable endpoints from a
// service and leave it fewer regions with one than have to stay (rule 8).
func precondition(w *regions.World, o regions.Override) error {
	keep := max(o.Keep, 1)
	for si, s := range w.Topology.Services {
		name := strings.TrimSuffix(s.Name, ".")
		if o.Kind == regions.OverrideService {
			if o.Name == name && len(s.Fallback) == 0 {
				return &Refusal{http.StatusPreconditionFailed, fmt.Sprintf(
					"draining service %s would leave it without any address, and it has no fallback set (use --force to do it all the same)", name)}
			}
			continue
		}
		if before, after := usable(w, si, nil), usable(w, si, &o); after < before && after < keep {
			return &Refusal{http.StatusPreconditionFailed, fmt.Sprintf("draining %s %s would leave %s %s", o.Kind, o.Name, name, tooFew(after, keep))}
		}
	}
	return nil
}

func tooFew(after, keep int) string {
	if after == 0 && keep == 1 {
		return "without a region that is up (use --force to do it all the same)"
	}
	return fmt.Sprintf("%d of the %d regions that have to stay up (use a smaller --keep, or --force to do it all the same)", after, keep)
}

// usable counts the regions in which a service has an endpoint that may be
// answered, with one more override in force if extra is not nil.
func usable(w *regions.World, svc int, extra *regions.Override) int {
	there := map[int]bool{}
	for ei, e := range w.Topology.Services[svc].Endpoints {
		v, r := &w.Endpoints[svc][ei], &w.Regions[e.Region]
		if serves(v, r) && !covers(extra, w.Topology, e) {
			there[e.Region] = true
		}
	}
	return len(there)
}

// serves reports whether an endpoint is in the answers without any need: what
// the brake holds, or what waits, is not counted on.
func serves(v, r *regions.Verdict) bool {
	switch {
	case v.Drained != nil || r.Drained != nil:
		return false
	case v.Pinned != nil:
		return true
	}
	return v.State != healthcheck.Down && r.State != healthcheck.Down && v.Lacks == "" && !v.Waiting && !r.Waiting
}

func covers(o *regions.Override, t *regions.Topology, e regions.Endpoint) bool {
	if o == nil {
		return false
	}
	return o.Kind == regions.OverrideRegion && o.Name == t.Regions[e.Region].Name ||
		o.Kind == regions.OverrideEndpoint && o.Name == e.ID
}
