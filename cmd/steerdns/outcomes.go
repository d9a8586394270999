package main

import (
	"log/slog"
	"strings"

	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/steering"
)

// outcomes tells the log when a service begins or ends to answer otherwise
// than with what is up: that has to be loud.
type outcomes struct {
	log  *slog.Logger
	last map[string]steering.Outcome // by service and type; owned by the publisher
}

func newOutcomes(log *slog.Logger) *outcomes {
	return &outcomes{log: log, last: map[string]steering.Outcome{}}
}

// look decides once for every service, as for a client in an unknown place.
func (o *outcomes) look(w *regions.World) {
	for i, svc := range w.Topology.Services {
		for fam, qtype := range map[steering.Family]string{
			steering.FamilyV4: "A", steering.FamilyV6: "AAAA", steering.FamilyAlias: "CNAME",
		} {
			d := steering.Decide(w, i, fam, &geo.Place{}, 0)
			if d.Reason.Code != steering.CodeNoFamily {
				o.note(strings.TrimSuffix(svc.Name, "."), qtype, d)
			}
		}
	}
}

func (o *outcomes) note(service, qtype string, d steering.Decision) {
	key := service + " " + qtype
	before := o.last[key]
	o.last[key] = d.Outcome
	switch {
	case before == d.Outcome:
	case d.Outcome == steering.Answer:
		o.log.Info("service answers with what is up again", "service", service, "type", qtype)
	default:
		o.log.Warn("service is not answered with what is up", "service", service, "type", qtype,
			"outcome", d.Outcome.String(), "reason", d.Reason.Text)
	}
}
