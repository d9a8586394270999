package regions

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// The defaults of StateOptions.
const (
	DefaultCoalesce   = 100 * time.Millisecond
	DefaultStoreGrace = 10 * time.Second
	DefaultVoteGrace  = 2 * time.Second
)

// StateOptions says how a State works.
type StateOptions struct {
	Instance string // this instance's name
	Region   string // and its region
	Log      *slog.Logger

	Coalesce   time.Duration // at most one judgement in this time; 0: DefaultCoalesce
	StoreGrace time.Duration // how long the store may be away before the last verdicts stand; 0: DefaultStoreGrace
	VoteGrace  time.Duration // a ballot is fresh for three beats and this; 0: DefaultVoteGrace

	// Publish gets every world that differs from the one before in more than
	// the revision. It is called from Run, must not block for long, and must
	// not change the world. Nil: nobody is told.
	Publish func(*World)
	// OnMarks is called from Run when Marks changed: they belong into this
	// instance's next ballot. It must not block.
	OnMarks func()
	// OnTransition gets every change of a verdict, from Run, before Publish.
	OnTransition func(Transition)
}

// State is the one owner of the current World: everything that is learnt of
// the fleet is handed to it, and it alone judges and publishes.
//
// All methods may be called from any goroutine; none waits for a judgement.
type State struct {
	opts    StateOptions
	inbox   inbox
	current atomic.Pointer[World]
	refused atomic.Pointer[Refusal]
}

// NewState makes a State that knows nothing. Nothing happens before Run.
func NewState(opts StateOptions) *State {
	setDefault(&opts.Coalesce, DefaultCoalesce)
	setDefault(&opts.StoreGrace, DefaultStoreGrace)
	setDefault(&opts.VoteGrace, DefaultVoteGrace)
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s := &State{opts: opts, inbox: newInbox()}
	s.current.Store(&World{Topology: &Topology{}})
	return s
}

func setDefault(d *time.Duration, to time.Duration) {
	if *d <= 0 {
		*d = to
	}
}

// Current is the latest world, never nil: before the first judgement it has
// an empty topology and is not Ready.
func (s *State) Current() *World { return s.current.Load() }

// Marks is what this instance remembers of what was out. Whoever writes its
// ballot puts them in (Ballot.Marks), nil as well: nil says that it has no
// memory yet. The caller owns the map.
func (s *State) Marks() map[string]Mark { return MarksOf(s.current.Load()) }

// Run judges until ctx ends, and returns nil then. It must run once only.
func (s *State) Run(ctx context.Context) error {
	judge := s.Stepper(time.Now())
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.inbox.wake:
		case <-timer.C:
		}
		wait, waiting := judge.Step(time.Now())
		timer.Stop()
		if waiting {
			timer.Reset(wait)
		}
	}
}
