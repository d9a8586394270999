//go:build e2e

package store

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
)

// cluster is three members as processes of the etcd that is installed.
type cluster struct {
	t         *testing.T
	members   []*exec.Cmd
	args      [][]string
	endpoints []string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t}
	dir, ports := t.TempDir(), freePorts(t, 6)
	var initial []string
	for i := range 3 {
		initial = append(initial, fmt.Sprintf("m%d=http://127.0.0.1:%d", i, ports[i+3]))
	}
	for i := range 3 {
		client, peer := fmt.Sprintf("http://127.0.0.1:%d", ports[i]), fmt.Sprintf("http://127.0.0.1:%d", ports[i+3])
		c.endpoints = append(c.endpoints, client)
		c.args = append(c.args, []string{
			"--name", fmt.Sprintf("m%d", i), "--data-dir", filepath.Join(dir, fmt.Sprint(i)), "--logger", "zap", "--log-level", "error",
			"--listen-client-urls", client, "--advertise-client-urls", client,
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
			"--initial-cluster", strings.Join(initial, ","), "--initial-cluster-token", strings.ReplaceAll(t.Name(), "/", "-"),
		})
		c.members = append(c.members, nil)
		c.start(i)
	}
	t.Cleanup(func() {
		for i := range c.members {
			c.kill(i)
		}
	})
	c.await()
	return c
}

// freePorts are ports that nobody used a moment ago.
func freePorts(t *testing.T, n int) []int {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

func (c *cluster) start(i int) {
	cmd := exec.Command("etcd", c.args[i]...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.members[i] = cmd
}

func (c *cluster) kill(i int) {
	if cmd := c.members[i]; cmd != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		c.members[i] = nil
	}
}

func (c *cluster) signal(i int, s syscall.Signal) {
	if err := c.members[i].Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// await waits until every member answers through a leader.
func (c *cluster) await() {
	c.t.Helper()
	for _, e := range c.endpoints {
		client := raw(c.t, e)
		for limit := time.Now().Add(patience); ; {
			ctx, cancel := context.WithTimeout(c.t.Context(), time.Second)
			_, err := client.Get(ctx, "x")
			cancel()
			if err == nil {
				break
			}
			if time.Now().After(limit) {
				c.t.Fatal(err)
			}
		}
	}
}

func TestContractOnThreeMembers(t *testing.T) {
	g := ground{endpoints: newCluster(t).endpoints}
	quietIsNotLost(t, g)
	contract(t, g)
}

// TestMembersFailOneByOne kills and stops the member that is in use.
func TestMembersFailOneByOne(t *testing.T) {
	c := newCluster(t)
	opt := quick(t, "a", c.endpoints...)
	opt.LeaseTTL = 10 * time.Second
	a, b := start(t, opt), start(t, quick(t, "b", c.endpoints[1], c.endpoints[2], c.endpoints[0]))
	state := func(s healthcheck.State, reason string) {
		t.Helper()
		a.PublishVotes(vote("us-east", "e", s, reason))
		b.picture(reason, func(p *regions.Picture) bool {
			o := ballotOf(p, "a")
			return o != nil && o.Votes["e"].Reason == reason
		})
	}
	state(healthcheck.Up, "all three")
	c.kill(0)
	state(healthcheck.Down, "without the first")
	c.start(0)
	c.await()
	c.signal(1, syscall.SIGSTOP)
	state(healthcheck.Up, "the second stopped")
	c.signal(1, syscall.SIGCONT)
	c.kill(0)
	c.kill(2)
	for _, r := range []*running{a, b} {
		r.status("no majority", func(s Status) bool { return !s.Connected })
	}
	c.start(0)
	c.start(2)
	state(healthcheck.Down, "all three again")
	neverBackwards(t, b)
}
