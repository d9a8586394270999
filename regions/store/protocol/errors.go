package protocol

import (
	"errors"
	"fmt"
	"time"

	"github.com/steerdns/steerdns/regions"
)

// ErrConflict is what every lost compare-and-swap is.
var ErrConflict = errors.New("somebody else was faster")

// ErrStale says that overrides were written after the revision that the
// caller's picture shows. Read again, check the precondition again, retry.
var ErrStale = errors.New("overrides have changed since this picture was taken")

// ErrInvalid says that what was to be written can never be stored: etcd was
// not asked, and asking again does not help.
var ErrInvalid = errors.New("not fit for the store")

// ConflictError says which override already stands. It is an ErrConflict.
type ConflictError struct {
	Existing regions.Override
}

func (e *ConflictError) Error() string {
	o := e.Existing
	return fmt.Sprintf("%s %s is already %s by %s (%s) until %s: replace it or leave it",
		o.Kind, o.Name, o.Verb(), o.Owner, o.Reason, o.Expires.UTC().Format(time.RFC3339))
}

// Is makes it an ErrConflict.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// InvalidError is the caller's own mistake, in its own words. It is an
// ErrInvalid.
type InvalidError struct{ Err error }

func (e InvalidError) Error() string { return e.Err.Error() }
func (e InvalidError) Unwrap() error { return e.Err }

// Is makes it an ErrInvalid.
func (e InvalidError) Is(target error) bool { return target == ErrInvalid }
