package transfer

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steerdns/steerdns/dnsserver/zone"
	"github.com/steerdns/steerdns/regions"
)

// ledger is one zone that is given out. Owned by Server.run.
type ledger struct {
	rule    *Rule
	name    []byte     // of the zone, wire form
	zone    *zone.Zone // of content; nil: nothing is known yet
	content *content   // the latest
	served  *version   // nil: none yet
	book    book       // when the serial is counted
	binding bool       // a proposal is on its way
	again   time.Time
	errors  int
}

// bindResult is how a proposal ended.
type bindResult struct {
	zone string
	err  error
}

// retryBind is how long a proposal's echo is waited for, and the shortest pause
// after one that failed.
const retryBind = 2 * time.Second

// adopt takes the latest input: zones come and go, and contents change. That is
// done at once for new zones, otherwise once a second at most, and takes at most
// a fifth of the time.
func (s *Server) adopt() {
	s.dirty, s.adopted = false, s.input.Zones
	named := make(map[string]*zone.Zone, len(s.input.Zones.Zones()))
	for _, z := range s.input.Zones.Zones() {
		named[z.String()] = z
	}
	kept := make(map[string]*ledger, len(s.input.Rules))
	for i := range s.input.Rules {
		rule := &s.input.Rules[i]
		z := named[rule.Zone]
		if z == nil {
			continue
		}
		l := s.zones[rule.Zone]
		if l == nil {
			l = &ledger{}
		}
		l.rule, l.name = rule, z.Name
		s.refresh(l, z)
		kept[rule.Zone] = l
	}
	s.zones = kept
	s.publish()
}

// refresh makes the content of a zone anew where it may have changed.
func (s *Server) refresh(l *ledger, z *zone.Zone) {
	w := s.input.World
	if z.Counted && !w.Ready {
		return // nothing is known of its services: what was served stands
	}
	if l.zone == z && !z.Counted {
		return
	}
	c, err := newContent(z, w, z.Counted, l.content)
	if err != nil {
		s.opt.Log.Error("a zone cannot be given out", "zone", z.String(), "error", err)
		return
	}
	if l.zone == z && l.content.digest == c.digest {
		return
	}
	l.zone, l.content = z, c
	if !z.Counted {
		s.serve(l, z.SOA().Serial)
	}
}

// serve makes the latest content the version that is given out.
func (s *Server) serve(l *ledger, serial uint32) {
	before := l.served
	v, err := newVersion(l.content, serial, before)
	if err != nil {
		s.opt.Log.Error("a zone cannot be given out", "zone", l.zone.String(), "error", err)
		return
	}
	switch {
	case v.changed:
		s.opt.Log.Warn("a zone changed and its serial did not: secondaries will not fetch it (raise the serial of its SOA)",
			"zone", l.zone.String(), "serial", serial)
	case before != nil && less(serial, before.serial):
		s.opt.Log.Warn("a zone's serial went back: secondaries will not fetch it (raise the serial of its SOA)",
			"zone", l.zone.String(), "serial", serial, "before", before.serial)
	}
	l.served = v
	s.publish()
	if before == nil || before.serial != serial {
		s.opt.Log.Info("zone version", "zone", l.zone.String(), "serial", serial, "journal", len(v.steps))
		s.notify.tell(l.rule, l.zone.Name, v.soa, serial)
	}
}

// advance does what is due, and says how long nothing else will be.
func (s *Server) advance(ctx context.Context, group *errgroup.Group) time.Duration {
	now, wait := time.Now(), time.Hour
	if s.dirty {
		if pause := s.rested.Sub(now); pause > 0 && s.input.Zones == s.adopted {
			wait = pause
		} else {
			s.adopt()
			s.rested = time.Now().Add(max(settle, 4*time.Since(now)))
			now = time.Now()
		}
	}
	for name, l := range s.zones {
		if l.zone == nil || !l.zone.Counted {
			continue
		}
		if due := s.agree(ctx, group, name, l, now); !due.IsZero() {
			wait = min(wait, max(due.Sub(now), 10*time.Millisecond))
		}
	}
	return wait
}

// agree takes over the serial that the store binds to the content, or proposes
// one when it is due; it returns when to look again.
func (s *Server) agree(ctx context.Context, group *errgroup.Group, name string, l *ledger, now time.Time) time.Time {
	w := s.input.World
	said, had, floor := entryOf(w, name), entryOfVersion(l.served), l.zone.SOA().Serial
	l.book.see(l.content.digest, now)
	agreed := l.book.take(said, had, floor)
	if agreed && (l.served == nil || l.served.serial != said.serial || l.served.content != l.content) {
		l.again, l.errors = time.Time{}, 0
		s.serve(l, said.serial)
	}
	due := l.book.due(agreed, w.StoreLost || s.opt.Bind == nil, now)
	if due.IsZero() || l.binding {
		return time.Time{}
	}
	if due.Before(l.again) {
		due = l.again
	}
	if due.After(now) {
		return due
	}
	s.propose(ctx, group, l, said, l.book.proposal(said, had, floor, now), now)
	return time.Time{}
}

func entryOfVersion(v *version) entry {
	if v == nil {
		return entry{}
	}
	return entry{v.serial, v.content.digest}
}

// propose asks the store to bind the content to a serial.
func (s *Server) propose(ctx context.Context, group *errgroup.Group, l *ledger, said entry, serial uint32, now time.Time) {
	name := l.zone.String()
	z := regions.ZoneSerial{Zone: name, Serial: serial, Digest: l.content.digest, By: s.opt.Instance}
	var before *regions.ZoneSerial
	if said.digest != "" {
		before = &regions.ZoneSerial{Zone: name, Serial: said.serial, Digest: said.digest}
	}
	l.binding, l.book.proposed, l.again = true, z.Digest, now.Add(retryBind)
	group.Go(func() error {
		b := bindResult{name, s.opt.Bind(ctx, before, z)}
		select {
		case s.bound <- b:
		case <-ctx.Done():
		}
		return nil
	})
}

// bindingDone notes how a proposal ended: the next picture tells who won.
func (s *Server) bindingDone(b bindResult) {
	l := s.zones[b.zone]
	if l == nil {
		return
	}
	l.binding = false
	if b.err == nil {
		return
	}
	l.errors = min(l.errors+1, 5)
	l.again = time.Now().Add(retryBind << l.errors)
	s.opt.Log.Info("a zone's serial was not bound", "zone", b.zone, "reason", b.err)
}

// publish lets queries see the zones as they are now.
func (s *Server) publish() {
	t := &table{rules: map[string]*Rule{}, versions: map[string]*version{}, zones: map[string]bool{}}
	for _, z := range s.input.Zones.Zones() {
		t.zones[string(z.Name)] = true
	}
	for _, l := range s.zones {
		t.rules[string(l.name)] = l.rule
		if l.served != nil {
			t.versions[string(l.name)] = l.served
		}
	}
	s.table.Store(t)
}
