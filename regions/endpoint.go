package regions

import (
	"fmt"
	"strings"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
)

// jury judges one target after the other. It belongs to one judgement.
type jury struct {
	configured int // vantages
	now        time.Time
	evidence   *slab[VantageVote]
	unanimous  map[[2]int]string // the usual reasons, made once
}

func newJury(t *Topology, el electorate, now time.Time) *jury {
	return &jury{
		configured: configuredVantages(t), now: now, unanimous: map[[2]int]string{},
		evidence: newSlab[VantageVote](targets(t) * el.vantages()),
	}
}

// judge applies rule 2 to an endpoint or an entrance: down when more than
// half of the fresh vantages say down, and the fresh are at least half of the
// configured ones. With three or more configured vantages that implies two
// down votes, hence one from outside the target's own region. Below half, the
// last verdict stands, frozen; what the few that vote call down is then ranked
// last, as without the store.
func (j *jury) judge(vs []vantage, last *Verdict) Verdict {
	fresh, downs := 0, 0
	for i := range vs {
		if vs[i].counts() {
			fresh++
		}
		if vs[i].vote.State == healthcheck.Down {
			downs++
		}
	}
	v := Verdict{Vantages: j.exhibit(vs)}
	if last != nil {
		v.State, v.Since, v.Past = last.State, notAfter(last.Since, j.now), last.Past
	}
	switch {
	case fresh == 0 || 2*fresh < j.configured:
		v.Frozen = true
		if v.Since.IsZero() {
			v.Since = j.now
		}
		v.Reason = frozenReason(v.State, fresh, j.configured)
		if v.Demoted = v.State != healthcheck.Down && 2*downs > fresh; v.Demoted {
			v.Reason += "; ranked last, since " + downReason(vs, downs, fresh)
		}
	case 2*downs > fresh:
		v.State, v.Since = healthcheck.Down, notAfter(downSince(vs, fresh), j.now)
		v.Reason = downReason(vs, downs, fresh)
	default:
		if v.State != healthcheck.Up {
			v.Since = j.now
		}
		v.State = healthcheck.Up
		v.Reason = j.upReason(vs, fresh-downs, fresh)
	}
	v.Suspect = doubted(vs, v.State)
	return v
}

// downSince is when more than half of the fresh vantages had said down.
func downSince(vs []vantage, fresh int) time.Time {
	downs := make([]time.Time, 0, len(vs))
	for i := range vs {
		if vs[i].vote.State == healthcheck.Down {
			downs = append(downs, vs[i].vote.Since)
		}
	}
	return majorityComplete(downs, fresh)
}

// notAfter keeps a clock that was ahead, a voter's or our own, from delaying
// what was said by it.
func notAfter(t, now time.Time) time.Time {
	if t.After(now) {
		return now
	}
	return t
}

// doubted reports whether any counting vantage disagrees with state, or
// doubts itself.
func doubted(vs []vantage, state healthcheck.State) bool {
	for i := range vs {
		if v := &vs[i]; v.counts() && (v.suspect || v.vote.State != state) {
			return true
		}
	}
	return false
}

func (j *jury) exhibit(vs []vantage) []VantageVote {
	if len(vs) == 0 {
		return nil
	}
	votes := j.evidence.take(len(vs))
	for i := range vs {
		votes[i] = vs[i].vote
	}
	return votes
}

func frozenReason(state healthcheck.State, fresh, configured int) string {
	return fmt.Sprintf("%s, frozen: only %d of %d configured vantages have a fresh vote, so the last verdict stands", state, fresh, configured)
}

func downReason(vs []vantage, down, fresh int) string {
	names, said, same := voices(vs, healthcheck.Down)
	head := fmt.Sprintf("down: %d of %d fresh vantages", down, fresh)
	if same != "" {
		return fmt.Sprintf("%s (%s) say %s", head, names, same)
	}
	return fmt.Sprintf("%s say so (%s)", head, said)
}

func (j *jury) upReason(vs []vantage, up, fresh int) string {
	head, made := j.unanimous[[2]int{up, fresh}]
	if !made {
		head = fmt.Sprintf("up: %d of %d fresh vantages", up, fresh)
		j.unanimous[[2]int{up, fresh}] = head
	}
	if up == fresh {
		return head
	}
	_, said, _ := voices(vs, healthcheck.Down)
	return fmt.Sprintf("%s; against it %s", head, said)
}

// maxVoices is how many vantages a reason names.
const maxVoices = 5

// voices names the vantages that voted state, bare and with their reasons,
// and their reason if they share one.
func voices(vs []vantage, state healthcheck.State) (names, said, same string) {
	var bare, full []string
	for i := range vs {
		v := &vs[i]
		if v.vote.State != state {
			continue
		}
		if len(bare) == 0 {
			same = v.vote.Reason
		} else if same != v.vote.Reason {
			same = ""
		}
		bare = append(bare, v.vote.Region)
		full = append(full, v.vote.Region+": "+v.vote.Reason)
	}
	return listed(bare, ", "), listed(full, "; "), same
}

// listed joins the first maxVoices and counts the rest.
func listed(names []string, by string) string {
	if more := len(names) - maxVoices; more > 0 {
		return fmt.Sprintf("%s%sand %d more", strings.Join(names[:maxVoices], by), by, more)
	}
	return strings.Join(names, by)
}
