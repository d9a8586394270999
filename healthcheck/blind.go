package healthcheck

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// blindness is a failure to look, not a failure of what is looked at: the
// instance has no descriptors, no permission, no route or no resolver, or the
// check cannot be carried out as it is configured. It says nothing of the
// target (rule 1: missing is unknown, never down).
type blindness struct{ err error }

func (b *blindness) Error() string { return b.err.Error() }
func (b *blindness) Unwrap() error { return b.err }

func isBlind(err error) bool {
	_, ok := errors.AsType[*blindness](err)
	return ok
}

// badCheck is why a check cannot be carried out as it is configured.
func badCheck(format string, args ...any) error {
	return &blindness{fmt.Errorf("check: "+format, args...)}
}

// ownFaults are what a system call says when the fault is this machine's.
var ownFaults = [...]syscall.Errno{ // constant
	syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
	syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT, syscall.EPERM, syscall.EACCES,
}

func isOwnFault(err error) bool {
	for _, fault := range ownFaults {
		if errors.Is(err, fault) {
			return true
		}
	}
	return false
}

func isNoRoute(err error) bool { return errors.Is(err, syscall.ENETUNREACH) }

// isFailedLookup tells a resolver that fails from one that knows: that there is
// no such name, or no address of it, is a word on the target.
func isFailedLookup(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && !dns.IsNotFound
}
