package protocol

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

// Outbox holds what is to be written: the latest of each, nothing queued. All
// methods may be called from any goroutine, and none blocks.
type Outbox struct {
	instance, boot string
	beat           time.Duration
	wake           chan struct{} // has a token when something was put in

	mu      sync.Mutex
	ballot  *regions.Ballot   // guarded by mu, as are all below; frozen once here
	self    *regions.Instance // frozen once here
	changes uint64            // grows with every change
}

// NewOutbox makes the empty outbox of an instance, in the run that boot names.
func NewOutbox(instance, boot string, beat time.Duration) *Outbox {
	return &Outbox{instance: instance, boot: boot, beat: beat, wake: make(chan struct{}, 1)}
}

// Wake has a token when something was put in since the last look.
func (o *Outbox) Wake() <-chan struct{} { return o.wake }

// PublishVotes makes b the votes of this instance: the latest wins. Instance,
// Boot and Beat are stamped, Seq is at the time of writing; the votes and
// marks are copied. Those beyond MaxVotes (in order of name) are left out,
// and reasons are cut to what others accept.
func (o *Outbox) PublishVotes(b regions.Ballot) {
	b.Instance, b.Boot, b.Beat = o.instance, o.boot, o.beat
	b.Votes, b.Marks = fit(b.Votes), fitMarks(b.Marks)
	o.putBallot(&b)
}

// PublishInstance makes i what this instance says of itself, under the same
// lease as its votes. Name is stamped.
func (o *Outbox) PublishInstance(i regions.Instance) {
	i.Name = o.instance
	i.DNS = slices.Clone(i.DNS)
	o.putInstance(&i)
}

func (o *Outbox) putBallot(b *regions.Ballot) {
	o.mu.Lock()
	same := o.ballot != nil && sameBallot(o.ballot, b)
	if !same {
		o.ballot = b
		o.changes++
	}
	o.mu.Unlock()
	o.ring(!same)
}

func (o *Outbox) putInstance(i *regions.Instance) {
	o.mu.Lock()
	same := o.self != nil && sameInstance(o.self, i)
	if !same {
		o.self = i
		o.changes++
	}
	o.mu.Unlock()
	o.ring(!same)
}

func (o *Outbox) ring(changed bool) {
	if !changed {
		return
	}
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// content is what is to be written now, nil where nothing was published.
func (o *Outbox) content() (*regions.Ballot, *regions.Instance, uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ballot, o.self, o.changes
}

func sameBallot(a, b *regions.Ballot) bool {
	return a.Region == b.Region && a.Blind == b.Blind && maps.EqualFunc(a.Votes, b.Votes, sameVote) &&
		(a.Marks == nil) == (b.Marks == nil) && maps.EqualFunc(a.Marks, b.Marks, func(x, y regions.Mark) bool { return x.Equal(&y) })
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

// fitMarks copies marks likewise; nil stays nil.
func fitMarks(marks map[string]regions.Mark) map[string]regions.Mark {
	if len(marks) <= MaxVotes {
		return maps.Clone(marks)
	}
	fitting := make(map[string]regions.Mark, MaxVotes)
	for _, name := range slices.Sorted(maps.Keys(marks))[:MaxVotes] {
		fitting[name] = marks[name]
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
