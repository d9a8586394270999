package store

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// outbox holds what is to be written: the latest of each, nothing queued.
type outbox struct {
	wake chan struct{} // has a token when something was put in

	mu       sync.Mutex
	ballot   *regions.Ballot   // guarded by mu, as are all below; frozen once here
	instance *regions.Instance // frozen once here
	changes  uint64            // grows with every change
}

func newOutbox() *outbox { return &outbox{wake: make(chan struct{}, 1)} }

// PublishVotes makes b the votes of this instance: the latest wins. It never
// blocks on the network. Instance, Boot, Seq and Beat are stamped by the
// store; the votes are copied. Votes beyond MaxVotes (in order of endpoint)
// are left out, and reasons are cut to what others accept.
func (s *Store) PublishVotes(b regions.Ballot) {
	b.Instance, b.Boot, b.Beat = s.opt.Instance, s.boot, s.opt.VoteBeat
	b.Votes = fit(b.Votes)
	s.out.putBallot(&b)
}

// PublishInstance makes i what this instance says of itself, under the same
// lease as its votes. Name is stamped by the store.
func (s *Store) PublishInstance(i regions.Instance) {
	i.Name = s.opt.Instance
	i.DNS = slices.Clone(i.DNS)
	s.out.putInstance(&i)
}

func (o *outbox) putBallot(b *regions.Ballot) {
	o.mu.Lock()
	same := o.ballot != nil && sameBallot(o.ballot, b)
	if !same {
		o.ballot = b
		o.changes++
	}
	o.mu.Unlock()
	o.ring(!same)
}

func (o *outbox) putInstance(i *regions.Instance) {
	o.mu.Lock()
	same := o.instance != nil && sameInstance(o.instance, i)
	if !same {
		o.instance = i
		o.changes++
	}
	o.mu.Unlock()
	o.ring(!same)
}

func (o *outbox) ring(changed bool) {
	if !changed {
		return
	}
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// content is what is to be written now, nil where nothing was published.
func (o *outbox) content() (*regions.Ballot, *regions.Instance, uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ballot, o.instance, o.changes
}

func sameBallot(a, b *regions.Ballot) bool {
	return a.Region == b.Region && maps.EqualFunc(a.Votes, b.Votes, sameVote)
}

func sameVote(a, b healthcheck.Vote) bool {
	return a.State == b.State && a.Suspect == b.Suspect && a.Reason == b.Reason && a.Since.Equal(b.Since)
}

func sameInstance(a, b *regions.Instance) bool {
	return a.Region == b.Region && slices.Equal(a.DNS, b.DNS) && a.Admin == b.Admin && a.Version == b.Version &&
		a.Epoch == b.Epoch && a.Geo == b.Geo && a.Started.Equal(b.Started)
}

// fit copies votes and makes them such that every instance accepts them.
func fit(votes map[string]healthcheck.Vote) map[string]healthcheck.Vote {
	ids := slices.Sorted(maps.Keys(votes))
	fitting := make(map[string]healthcheck.Vote, len(ids))
	for _, id := range ids[:min(len(ids), MaxVotes)] {
		v := votes[id]
		v.Reason = cleaned(v.Reason, healthcheck.MaxReason)
		v.Since = v.Since.Round(0).UTC()
		fitting[id] = v
	}
	return fitting
}

// cleaned is s with blanks for what cannot be printed, cut to limit bytes at
// the border of a character.
func cleaned(s string, limit int) string {
	if blankOrPrintable(s, limit) {
		return s
	}
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	for len(s) > limit {
		s = s[:limit]
		s = strings.ToValidUTF8(s, "")
	}
	return s
}

// pace says when the next write may go out. Writes keep a gap; the first few
// of a rush go at that gap, those of a lasting rush at a fifth of its rate.
// It is pure: the clock is an argument.
type pace struct {
	gap  time.Duration
	last time.Time // of the last write
	debt time.Time // when all writes so far will have been paid for
}

const (
	paceBurst  = 10
	paceFactor = 5
)

func (p *pace) earliest() time.Time {
	next := p.last.Add(p.gap)
	if steady := p.debt.Add(-(paceBurst - 1) * paceFactor * p.gap); steady.After(next) {
		next = steady
	}
	return next
}

func (p *pace) wrote(now time.Time) {
	if p.debt.Before(now) {
		p.debt = now
	}
	p.last, p.debt = now, p.debt.Add(paceFactor*p.gap)
}
