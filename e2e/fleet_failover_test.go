//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
)

// siteCheck is the check of the scenarios' fleet file.
var siteCheck = healthcheck.Check{Interval: 500 * time.Millisecond, Timeout: 500 * time.Millisecond, Fall: 2, Rise: 2}

// TestFailoverInNamespaces measures, between hosts with a network each and a
// store of three members, what TestRegionLeavesAndReturns does on loopback.
func TestFailoverInNamespaces(t *testing.T) {
	f := newFleet(t, "failover")
	f.text = strings.Replace(f.text, "hold: 3s", "hold: 0s", 1) // a hold is no matter of detection
	if err := f.serve(); err != nil {
		t.Fatal(err)
	}
	var parts []*part
	for _, in := range f.instances {
		parts = append(parts, &part{Name: in.name, DNS: in.address() + ":53"})
	}
	p := probeFrom(t, f.site.hub, parts, question{subnet: places[0].subnet})
	here := func(s sample) bool {
		return slices.ContainsFunc(s.addrs, func(a string) bool { return strings.HasPrefix(a, sitePrefix["eu-west"]) })
	}
	web := f.webs[4:]
	each := func(do func(*unit) error) func() {
		return func() {
			for _, u := range web {
				if err := do(u); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	whole := func() { await(t, patience, "the fleet is whole", f.whole) }
	killed := &timing{event: "both web servers killed", bound: siteCheck.DetectBound() + spread()}
	started := &timing{event: "both web servers started", bound: siteCheck.RecoverBound() + spread()}
	stopped := &timing{event: "both web servers stopped (SIGSTOP)", bound: siteCheck.DetectBound() + spread()}
	continued := &timing{event: "both web servers continued", bound: siteCheck.RecoverBound() + spread()}
	for range runs(t) {
		killed.measure(t, p, here, each(func(u *unit) error { u.kill(); return nil }))
		started.measure(t, p, not(here), each((*unit).start))
		whole()
		stopped.measure(t, p, here, each((*unit).pause))
		continued.measure(t, p, not(here), each((*unit).resume))
		whole()
	}
	p.stop()
	p.wantNoFailure(t)
	t.Logf("in namespaces, from the event to the last of six instances' last old answer:\n%s", table(killed, stopped, started, continued))
}
