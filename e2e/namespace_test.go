//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace of the tests.
type namespace string

// newNamespaces makes namespaces with nothing but their own loopback.
func newNamespaces(t *testing.T, names ...string) []namespace {
	t.Helper()
	list := make([]namespace, len(names))
	for i, name := range names {
		list[i] = namespace(fmt.Sprintf("sd%d-%s", os.Getpid(), name))
		command(t, "ip", "netns", "add", string(list[i])).must(t)
		t.Cleanup(func() { command(t, "ip", "netns", "del", string(list[i])).must(t) })
		list[i].ip(t, "link set lo up")
	}
	return list
}

// ip runs `ip` inside.
func (ns namespace) ip(t *testing.T, args string) {
	t.Helper()
	command(t, "ip", append([]string{"-n", string(ns)}, strings.Fields(args)...)...).must(t)
}

// wire connects two namespaces by a link of that name.
func wire(t *testing.T, a, b namespace, name string) {
	t.Helper()
	command(t, "ip", "link", "add", name, "netns", string(a), "type", "veth", "peer", "name", name, "netns", string(b)).must(t)
	a.ip(t, "link set "+name+" up")
	b.ip(t, "link set "+name+" up")
}

// start starts a program inside for the length of the test.
func (ns namespace) start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	return start(t, "ip", append([]string{"netns", "exec", string(ns), name}, args...)...)
}

// steerdns runs a verb inside.
func (ns namespace) steerdns(t *testing.T, args ...string) result {
	t.Helper()
	return command(t, "ip", append([]string{"netns", "exec", string(ns), program}, args...)...)
}

// inside runs f on a thread of the namespace. Sockets that f makes stay there.
func (ns namespace) inside(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		fd, err := unix.Open("/run/netns/"+string(ns), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(fd, unix.CLONE_NEWNET)
			_ = unix.Close(fd)
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// ask is ask from inside.
func (ns namespace) ask(server string, q question) (r reply, err error) {
	err = ns.inside(func() error {
		r, err = ask(server, q)
		return err
	})
	return r, err
}

// get reads a page of an admin surface inside.
func (ns namespace) get(address, path string) (status int, body string, err error) {
	dial := func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		err = ns.inside(func() error {
			conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
			return err
		})
		return conn, err
	}
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}}
	resp, err := c.Get("http://" + address + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}
