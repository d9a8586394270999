package regions

import (
	"fmt"

	"github.com/steerdns/steerdns/healthcheck"
)

// minBlindTargets is the fewest targets from which a voter can be found
// blind, and minBlindWitnesses the fewest others that contradict it.
const (
	minBlindTargets   = 3
	minBlindWitnesses = 2
)

// abstainBlind takes the votes from those who see more than half of their
// targets down which most others see up (rule 3): it is they who cannot see.
// First single instances, so that one broken network does not make its
// vantage waver, then vantages as a whole. All are examined before any
// abstains. It returns the polls without the blind.
func abstainBlind(t *Topology, el electorate, ps *polls) *polls {
	if blindfold(t, el, ps) {
		ps = poll(t, el)
	}
	targets, contradicted := make([]int, len(t.Regions)), make([]int, len(t.Regions))
	ps.each(t, func(_ string, vs []vantage) {
		for i := range vs {
			if v := &vs[i]; v.counts() {
				targets[v.region]++
				if v.vote.State == healthcheck.Down && othersSeeUp(vs, v.region, healthcheck.Unknown) {
					contradicted[v.region]++
				}
			}
		}
	})
	ps.each(t, func(_ string, vs []vantage) {
		for i := range vs {
			v := &vs[i]
			if n, m := contradicted[v.region], targets[v.region]; v.counts() && isBlind(n, m) {
				v.vote.State, v.suspect, v.vote.Reason = healthcheck.Unknown, false, blindReason(n, m)
			}
		}
	})
	return ps
}

func isBlind(contradicted, targets int) bool {
	return targets >= minBlindTargets && 2*contradicted > targets
}

func blindReason(contradicted, targets int) string {
	return fmt.Sprintf("abstains as blind: sees %d of %d targets down that others see up", contradicted, targets)
}

// blindfold finds the instances that are blind, and reports whether any is.
// Their witnesses are the other vantages, and the rest of their own as one.
func blindfold(t *Topology, el electorate, ps *polls) bool {
	var blind []*voter
	var reasons []string
	for _, voters := range el {
		for i := range voters {
			if n, m := contradictions(t, voters, i, ps); isBlind(n, m) {
				blind, reasons = append(blind, &voters[i]), append(reasons, blindReason(n, m))
			}
		}
	}
	for i, v := range blind {
		v.blind = reasons[i]
	}
	return len(blind) > 0
}

// contradictions counts the targets that a voter votes on, and those of them
// that it alone sees down.
func contradictions(t *Topology, voters []voter, i int, ps *polls) (contradicted, targets int) {
	v := &voters[i]
	if len(voters) == 1 || !mostlyDown(v.Votes) { // alone in its vantage: it is the vantage
		return 0, 0
	}
	mates := append(append([]voter(nil), voters[:i]...), voters[i+1:]...)
	ps.each(t, func(id string, vs []vantage) {
		state := v.Votes[id].State
		if state == healthcheck.Unknown {
			return
		}
		targets++
		if state == healthcheck.Down && othersSeeUp(vs, v.region, combine("", mates, id).vote.State) {
			contradicted++
		}
	})
	return contradicted, targets
}

// mostlyDown is a cheap look at what most voters are not.
func mostlyDown(votes map[string]healthcheck.Vote) bool {
	down := 0
	for _, v := range votes {
		if v.State == healthcheck.Down {
			down++
		}
	}
	return 2*down > len(votes)/2 // votes on what is no longer configured may be among them
}

// othersSeeUp reports whether most vantages other than but, and mates unless
// unknown, see a target up.
func othersSeeUp(vs []vantage, but int, mates healthcheck.State) bool {
	up, voting := 0, 0
	count := func(s healthcheck.State) {
		if s != healthcheck.Unknown {
			voting++
		}
		if s == healthcheck.Up {
			up++
		}
	}
	count(mates)
	for i := range vs {
		if vs[i].region != but {
			count(vs[i].vote.State)
		}
	}
	return voting >= minBlindWitnesses && 2*up > voting
}
