package admin

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

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
		Kind: r.Kind, Name: canonicalName(r.Kind, r.Name), Action: r.Action, Owner: strings.TrimSpace(r.Owner),
		Reason: strings.TrimSpace(r.Reason), Created: now.UTC().Truncate(time.Millisecond), Keep: r.Keep, Forced: r.Force,
	}
	length, err := parseLength(r.For)
	switch {
	case err != nil || length < minOverride || length > maxOverride:
		return o, bad("an override must end by itself: give --for a length from 1s to 90d, such as 30m or 2d (got %q)", r.For)
	case !readable(o.Reason, maxWhy):
		return o, bad("say why: --reason with 1 to %d bytes of printable text; everybody who looks at the status will read it", maxWhy)
	case !readable(o.Owner, maxOwner):
		return o, bad("say who: --owner with 1 to %d bytes of printable text", maxOwner)
	}
	o.Expires = o.Created.Add(length)
	if err := fits(o); err != nil {
		return o, err
	}
	if err := exists(w, o); err != nil {
		return o, err
	}
	switch {
	case o.Kind == regions.OverrideFailback:
		return o, waits(w, o.Name)
	case r.Force || o.Action != regions.ActionDrain:
		return o, nil
	}
	return o, precondition(w, o)
}

// readable says whether a text is there, and fits on a line.
func readable(s string, most int) bool {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	return s != "" && len(s) <= most && utf8.ValidString(s) && !strings.ContainsFunc(s, unprintable)
}

// maxKeep is as many regions as a fleet may have.
const maxKeep = 256

// fits refuses what makes no sense together.
func fits(o regions.Override) error {
	drain := o.Action == regions.ActionDrain && o.Kind != regions.OverrideFailback
	switch {
	case !o.Action.Valid():
		return bad("%q is not an action of an override (none: drain; %q: pin)", o.Action, regions.ActionPin)
	case o.Kind == regions.OverrideFailback && o.Action != regions.ActionDrain:
		return bad("a failback has no action")
	case o.Keep < 0 || o.Keep > maxKeep:
		return bad("--keep wants a number of regions from 1 to %d", maxKeep)
	case o.Keep > 0 && !drain:
		return bad("only a drain takes something away: --keep has no meaning here")
	case o.Keep > 0 && o.Forced:
		return bad("--force waives what --keep asks for: give one of them")
	}
	return nil
}

// waits refuses to let a region back that waits for nobody.
func waits(w *regions.World, region string) error {
	for _, r := range w.Topology.Regions {
		if r.Name == region && r.Recovery.Failback != regions.FailbackManual {
			return &Refusal{http.StatusConflict, fmt.Sprintf(
				"region %s does not wait for a word: it comes back by itself (only failback: manual waits; to have it up whatever the votes, use steerdns pin)", region)}
		}
	}
	return nil
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
	what := o.Kind
	if what == regions.OverrideFailback {
		what = regions.OverrideRegion
	}
	return &Refusal{http.StatusNotFound, fmt.Sprintf("the fleet has no %s %q (it has: %s)", what, o.Name, list)}
}

func namesOf(t *regions.Topology, kind regions.OverrideKind) ([]string, error) {
	var names []string
	switch kind {
	case regions.OverrideRegion, regions.OverrideFailback:
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
		return nil, bad("%q is not a kind of override (region, service, endpoint or failback)", kind)
	}
	return names, nil
}
