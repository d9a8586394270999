package store

import (
	"context"
	"fmt"
	"time"

	"github.com/steerdns/steerdns/regions/store/protocol"
)

// keep carries the Writer's requests to the store, for one session. Its
// failures are reported and tried again; they never end the session.
func (s *Store) keep(ctx context.Context, to peer, endpoints []string) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for first := true; ; first = false {
		due, err := s.turn(ctx, to, endpoints, first)
		if err != nil {
			return err
		}
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.out.Wake():
		case <-timer.C:
		}
	}
}

// turn does a round of writing if one is due, under the right to write, and
// says when the next one is. An error is the end of ctx.
func (s *Store) turn(ctx context.Context, to peer, endpoints []string, first bool) (due time.Time, err error) {
	if err := s.acquire(ctx); err != nil {
		return due, err
	}
	defer s.release()
	if first {
		s.writer.Begin()
	}
	if now := time.Now(); !s.writer.Due(now).After(now) {
		err := s.round(ctx, to)
		if ctx.Err() != nil {
			return due, ctx.Err()
		}
		s.wrote(err, endpoints, time.Since(now))
	}
	return s.writer.Due(time.Now()), nil
}

// firstTimeout bounds a round after one that went well. A follower hands a
// write on to a leader that may be gone, and never asks again: a second
// attempt, after an election, is sooner done than the first one given up by
// etcd.
const firstTimeout = 2 * time.Second

// round is one attempt to write all there is.
func (s *Store) round(ctx context.Context, to peer) error {
	patience := firstTimeout
	if s.failing {
		patience = callTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for asked := false; ; asked = true {
		request, more, err := s.writer.Next(time.Now())
		if err == nil && !more && asked {
			s.count.writes.Add(1)
		}
		if err != nil || !more {
			return err
		}
		reply, failure := to.Do(ctx, request)
		twin, err := s.writer.Done(time.Now(), reply, failure)
		if err != nil {
			return err
		}
		if request.Kind == protocol.Commit && failure == nil {
			s.noteTwin(twin)
			s.count.writes.Add(1) // asking for more might begin the next round, in this one's time
			return nil
		}
	}
}

// twinStays is for how many beats another process that wrote our votes is
// told of: now and then we write twice between two writes of its.
const twinStays = 4

// noteTwin reports whether there is another process, and logs that it is new.
func (s *Store) noteTwin(wrote bool) {
	now := time.Now()
	if wrote {
		s.twinAt = now
	}
	there := !s.twinAt.IsZero() && now.Sub(s.twinAt) < twinStays*s.opt.VoteBeat
	if s.report.twin(there) && there {
		s.opt.Log.Error("another process writes the votes of this instance: give each its own name", "instance", s.opt.Instance)
	}
}

// wrote reports how a round went.
func (s *Store) wrote(err error, endpoints []string, took time.Duration) {
	s.failing = err != nil
	if err == nil {
		s.report.writes("")
		return
	}
	s.count.failures.Add(1)
	s.report.writes(fmt.Sprintf("votes cannot be written: %v", s.explain(err, endpoints, took)))
}

// acquire waits for the right to write under this instance's lease.
func (s *Store) acquire(ctx context.Context) error {
	select {
	case s.writing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) release() { <-s.writing }

// Leave says goodbye: it revokes the lease, so that this instance's votes and
// its entry are gone at once, and nothing is written afterwards. It may be
// called before or after the end of Run.
func (s *Store) Leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := s.acquire(ctx); err != nil {
		return fmt.Errorf("leaving the fleet: a write is still under way: %w", err)
	}
	defer s.release()
	lease := s.writer.Leave()
	if lease == 0 {
		return nil
	}
	err := s.call(ctx, func(ctx context.Context, to peer) error {
		_, err := to.Do(ctx, protocol.Request{Kind: protocol.Revoke, Lease: lease})
		return err
	})
	if err == nil {
		s.writer.Left()
	}
	return err
}
