package dnsserver

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

func isInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// advise says what to do about an address that cannot be listened on.
func advise(err error) error {
	switch {
	case isInUse(err):
		return fmt.Errorf("%w: another process serves this port (find it with \"ss -lpun\" or \"ss -lptn\"); stop it or choose another port", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: ports below 1024 need the capability CAP_NET_BIND_SERVICE, or choose a higher port", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: this machine does not have the address", err)
	}
	return err
}
