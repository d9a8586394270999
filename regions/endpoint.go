package regions

import (
	"fmt"
	"strings"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
)

// judgeEndpoint applies rule 2: down when more than half of the fresh
// vantages say down, and the fresh are at least half of the configured ones.
// With three or more configured vantages that implies two down votes, hence
// one from outside the endpoint's own region. Below half, the last verdict
// stands, frozen; what the few that vote call down is then ranked last, as
// without the store.
func judgeEndpoint(configured int, vs []vantage, last Verdict, now time.Time) Verdict {
	fresh, downs := 0, make([]time.Time, 0, len(vs))
	for _, v := range vs {
		if v.counts() {
			fresh++
		}
		if v.vote.State == healthcheck.Down {
			downs = append(downs, v.since)
		}
	}
	v := Verdict{State: last.State, Since: notAfter(last.Since, now), Vantages: evidence(vs)}
	switch {
	case fresh == 0 || 2*fresh < configured:
		v.Frozen = true
		if v.Since.IsZero() {
			v.Since = now
		}
		v.Reason = frozenReason(v.State, fresh, configured)
		if v.Demoted = v.State != healthcheck.Down && 2*len(downs) > fresh; v.Demoted {
			v.Reason += "; ranked last, since " + downReason(vs, len(downs), fresh)
		}
	case 2*len(downs) > fresh:
		v.State, v.Since = healthcheck.Down, notAfter(majorityComplete(downs, fresh), now)
		v.Reason = downReason(vs, len(downs), fresh)
	default:
		v.State = healthcheck.Up
		if last.State != healthcheck.Up {
			v.Since = now
		}
		v.Reason = upReason(vs, fresh-len(downs), fresh)
	}
	v.Suspect = doubted(vs, v.State)
	return v
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
	for _, v := range vs {
		if v.counts() && (v.suspect || v.vote.State != state) {
			return true
		}
	}
	return false
}

func evidence(vs []vantage) []VantageVote {
	if len(vs) == 0 {
		return nil
	}
	votes := make([]VantageVote, len(vs))
	for i, v := range vs {
		votes[i] = v.vote
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

func upReason(vs []vantage, up, fresh int) string {
	head := fmt.Sprintf("up: %d of %d fresh vantages", up, fresh)
	if _, said, _ := voices(vs, healthcheck.Down); said != "" {
		return fmt.Sprintf("%s; against it %s", head, said)
	}
	return head
}

// maxVoices is how many vantages a reason names.
const maxVoices = 5

// voices names the vantages that voted state, bare and with their reasons,
// and their reason if they share one.
func voices(vs []vantage, state healthcheck.State) (names, said, same string) {
	var bare, full []string
	for _, v := range vs {
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
