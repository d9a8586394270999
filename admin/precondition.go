package admin

import (
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// precondition refuses a drain that would take usable endpoints from a
// service and leave it fewer regions with one than have to stay, or none of an
// address family that it has (rule 8). Services that need a drained one count.
func precondition(w *regions.World, o regions.Override) error {
	keep := max(o.Keep, 1)
	then := regions.Suppose(w, o)
	for si, s := range w.Topology.Services {
		name := strings.TrimSuffix(s.Name, ".")
		if o.Kind == regions.OverrideService {
			if o.Name == name && len(s.Fallback) == 0 {
				return &Refusal{http.StatusPreconditionFailed, fmt.Sprintf(
					"draining service %s would leave it without any address, and it has no fallback set (use --force to do it all the same)", name)}
			}
			continue
		}
		before, after := usable(w, si), usable(then, si)
		if a := after.regions(); a < before.regions() && a < keep {
			return &Refusal{http.StatusPreconditionFailed, fmt.Sprintf("draining %s %s would leave %s %s", o.Kind, o.Name, name, tooFew(a, keep))}
		}
		for _, family := range []string{"IPv4", "IPv6"} {
			if len(before[family]) > 0 && len(after[family]) == 0 {
				return &Refusal{http.StatusPreconditionFailed, fmt.Sprintf(
					"draining %s %s would leave %s without an %s address in a region that is up (use --force to do it all the same)", o.Kind, o.Name, name, family)}
			}
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

// supply is the regions in which a service has an endpoint that may be
// answered, by address family; aliases are of the family "".
type supply map[string]map[int]bool

func (s supply) regions() int {
	all := map[int]bool{}
	for _, of := range s {
		maps.Copy(all, of)
	}
	return len(all)
}

func usable(w *regions.World, svc int) supply {
	there := supply{}
	for ei, e := range w.Topology.Services[svc].Endpoints {
		if !serves(&w.Endpoints[svc][ei], &w.Regions[e.Region]) {
			continue
		}
		family := familyOf(e)
		if there[family] == nil {
			there[family] = map[int]bool{}
		}
		there[family][e.Region] = true
	}
	return there
}

func familyOf(e regions.Endpoint) string {
	switch {
	case e.Alias != "":
		return ""
	case e.Addr.Unmap().Is4():
		return "IPv4"
	}
	return "IPv6"
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
