package regions

import "time"

// Stepper judges for a State when it is told to, without goroutines and
// timers: Run is a loop around it, the simulation another. One goroutine owns
// it.
type Stepper struct {
	state *State
	court *court
}

// Stepper makes the judge of s, at the moment now. It takes the place of Run,
// and like Run there is one of it only.
func (s *State) Stepper(now time.Time) *Stepper {
	return &Stepper{state: s, court: newCourt(s, now)}
}

// Step takes in what was given to the State since the last step, and judges
// if a judgement is due. It returns how long to wait for the next one, if any
// is in sight; whatever is given meanwhile asks for a step at once.
func (j *Stepper) Step(now time.Time) (wait time.Duration, waiting bool) {
	if n := j.state.inbox.empty(); n != (news{}) {
		j.court.take(n, now)
	}
	return j.court.sit(now)
}
