//go:build linux && (amd64 || arm64)

package dnsserver

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPathMTUIsNotLearned: a forged ICMP message about a narrow path must not
// get replies sent in fragments.
func TestPathMTUIsNotLearned(t *testing.T) {
	for _, c := range []struct {
		at                  string
		level, option, want int
	}{
		{"127.0.0.1:0", unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_OMIT},
		{"0.0.0.0:0", unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_OMIT},
		{"[::1]:0", unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_OMIT},
	} {
		w, err := openBatchUDP(-1, netip.MustParseAddrPort(c.at), NewResponder(Options{}), false)
		if err != nil {
			t.Fatal(err)
		}
		got, err := unix.GetsockoptInt(w.fd, c.level, c.option)
		w.close()
		if err != nil || got != c.want {
			t.Errorf("%s: %d, %v; want %d", c.at, got, err, c.want)
		}
	}
}

// TestHopelessErrorsEndAWorker: a worker that cannot read must say so instead
// of trying at full speed, and one that may read again must go on.
func TestHopelessErrorsEndAWorker(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EBADF, unix.ENOSYS, unix.EPERM, unix.EACCES} {
		if !hopeless(errno) {
			t.Errorf("a worker goes on after %v", errno)
		}
	}
	for _, errno := range []unix.Errno{unix.EAGAIN, unix.EINTR, unix.ECONNREFUSED, unix.ENOMEM, unix.ENOBUFS} {
		if hopeless(errno) {
			t.Errorf("a worker ends after %v", errno)
		}
	}
}
