package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/steerdns/steerdns/regions"
)

// ErrConflict is what every lost compare-and-swap is: *FleetConflictError and
// *ConflictError both match it.
var ErrConflict = errors.New("somebody else was faster")

// ErrStale says that overrides were written after the revision that the
// caller's picture shows. Read again, check the precondition again, retry.
var ErrStale = errors.New("overrides have changed since this picture was taken")

// ErrInvalid says that what was to be written can never be stored: etcd was
// not asked, and asking again does not help.
var ErrInvalid = errors.New("not fit for the store")

// FleetConflictError says which fleet file is applied instead of the expected.
type FleetConflictError struct {
	Expected int64             // the N the caller built on
	Current  regions.FleetFile // the one that is applied; N 0: none
}

func (e *FleetConflictError) Error() string {
	if e.Current.N == 0 {
		return fmt.Sprintf("the fleet file was meant to follow number %d, but none is applied", e.Expected)
	}
	return fmt.Sprintf("the fleet file was meant to follow number %d, but number %d is applied, by %s at %s: look at it and apply again",
		e.Expected, e.Current.N, e.Current.By, e.Current.At.UTC().Format(time.RFC3339))
}

// Is makes it an ErrConflict.
func (e *FleetConflictError) Is(target error) bool { return target == ErrConflict }

// ConflictError says which override already stands.
type ConflictError struct {
	Existing regions.Override
}

func (e *ConflictError) Error() string {
	o := e.Existing
	return fmt.Sprintf("%s %s is already drained by %s (%s) until %s: replace it or leave it",
		o.Kind, o.Name, o.Owner, o.Reason, o.Expires.UTC().Format(time.RFC3339))
}

// Is makes it an ErrConflict.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// invalidError is the caller's own mistake, in its own words.
type invalidError struct{ error }

func (e invalidError) Unwrap() error { return e.error }

// Is makes it an ErrInvalid.
func (e invalidError) Is(target error) bool { return target == ErrInvalid }

// refusedError is a value in the store that cannot be believed.
type refusedError struct{ regions.Rejected }

func (e refusedError) Error() string {
	return fmt.Sprintf("%s in the store is refused: %s", e.Key, e.Reason)
}

// ours says whether an error needs no explanation of etcd's part in it.
func ours(err error) bool {
	var refused refusedError
	return errors.Is(err, ErrConflict) || errors.Is(err, ErrStale) || errors.Is(err, ErrInvalid) || errors.As(err, &refused)
}
