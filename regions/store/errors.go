package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/store/protocol"
)

// What an operator's write may meet: protocol says what each means.
var (
	ErrConflict = protocol.ErrConflict // *FleetConflictError and *ConflictError both match it
	ErrStale    = protocol.ErrStale
	ErrInvalid  = protocol.ErrInvalid
)

// ConflictError says which override already stands.
type ConflictError = protocol.ConflictError

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
