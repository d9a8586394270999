package healthcheck

import (
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestBlindProbes: what this machine cannot do says nothing of the target.
func TestBlindProbes(t *testing.T) {
	p := NewProber(ProberOptions{})
	unknown := patient("pigeon", 1, nil)
	if o := observe(t, p, unknown); !o.Blind {
		t.Errorf("a kind of a newer version: %+v", o)
	}
	if o := observe(t, p, patient(TCP, closedPort(t), nil)); o.OK || o.Blind {
		t.Errorf("a refused connection: %+v", o)
	}
}

// TestBadChecksAreBlind: what cannot be asked as it is configured says nothing
// of the target, which is there and well.
func TestBadChecksAreBlind(t *testing.T) {
	port := listen(t, says("HTTP/1.1 200 OK\r\n\r\n{}"))
	for want, change := range map[string]func(*Target){
		`check: host "a b" is not valid`:                                           func(t *Target) { t.Check.Host = "a b" },
		`check: method "G T" is not a token`:                                       func(t *Target) { t.Check.Method = "G T" },
		`check: header "X: y" is not valid`:                                        func(t *Target) { t.Check.Headers = []Header{{"X: y", "a"}} },
		`check: "{" is not JSON`:                                                   func(t *Target) { t.Check.JSON = []JSONField{{Path: ".", Want: "{"}} },
		"target has neither an address nor an alias":                               func(t *Target) { t.Addr = netip.Addr{} },
		`check: host "a c" is not valid`:                                           func(t *Target) { t.Check.Kind, t.Check.Host = GRPC, "a c" },
		`check: "a..b" is not a domain name`:                                       func(t *Target) { t.Check.Kind, t.Check.Question = DNS, Question{"a..b", "A", "NOERROR", nil, false} },
		`check: type "B" or rcode "OK" is not known`:                               func(t *Target) { t.Check.Kind, t.Check.Question.Type, t.Check.Question.Rcode = DNS, "B", "OK" },
		`check: path "x" must begin with / and hold no space or control character`: func(t *Target) { t.Check.Path = "x" },
	} {
		target := patient(HTTP, port, nil)
		change(&target)
		if o := observe(t, NewProber(ProberOptions{}), target); o.OK || !o.Blind || o.Reason != want {
			t.Errorf("%+v, want blind with %q", o, want)
		}
	}
}

// TestWhoseFaultItIs: what the kernel says of a connection that could not be
// made is either the target's fault or this machine's.
func TestWhoseFaultItIs(t *testing.T) {
	n := network{dialer: net.Dialer{Timeout: time.Second}}
	target := Target{Addr: loopback, Check: Check{Port: 9}}
	for errno, blind := range map[syscall.Errno]bool{
		syscall.EMFILE: true, syscall.ENFILE: true, syscall.EADDRNOTAVAIL: true, syscall.EPERM: true, syscall.EAFNOSUPPORT: true,
		syscall.ECONNREFUSED: false, syscall.ETIMEDOUT: false, syscall.EHOSTUNREACH: false, syscall.ECONNRESET: false,
		syscall.ENETUNREACH: false, // there is a route to loopback: somebody on the way said so
	} {
		err := n.unreached(target, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", errno)})
		if isBlind(err) != blind || err.Error() != "connect: "+errno.Error() {
			t.Errorf("%s: blind=%v, %q", errno, isBlind(err), err)
		}
	}
}
