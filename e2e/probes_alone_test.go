//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/steerdns/steerdns/admin"
)

const aloneFleet = `zones:
  - name: gslb.example.com
    soa: {mname: ns1.gslb.example.com}
    ns: [ns1.example.net]
regions:
  - {name: home, latitude: 51.51, longitude: -0.13}
checks:
  - {name: web, type: tcp, port: 9, interval: 300ms, timeout: 250ms}
  - {name: echo, type: icmp, interval: 300ms, timeout: 250ms}
services:
  - {name: v4.gslb.example.com, check: web, endpoints: {home: [192.0.2.10]}}
  - {name: v6.gslb.example.com, check: web, endpoints: {home: ["2001:db8::10"]}}
  - {name: here.gslb.example.com, check: web, endpoints: {home: [{address: 192.0.2.10, probe: 127.0.0.1}]}}
  - {name: echo4.gslb.example.com, check: echo, endpoints: {home: [{address: 192.0.2.10, probe: 127.0.0.1}]}}
  - {name: echo6.gslb.example.com, check: echo, endpoints: {home: [{address: "2001:db8::10", probe: "::1"}]}}
`

// TestInstanceAlone runs an instance on a machine without any route, which may
// not open raw sockets: what it cannot look at is unknown to it, not down, and
// ICMP works once the kernel allows it to everybody.
func TestInstanceAlone(t *testing.T) {
	ns := newNamespaces(t, "alone")[0]
	dir := t.TempDir()
	conf := write(t, dir, "alone.yaml", fmt.Sprintf("name: alone\nregion: home\nfleet: %s\ndata: %s\n"+
		"dns: {listen: [\"127.0.0.1:5300\"], workers: 1}\nadmin: {listen: \"127.0.0.1:8053\"}\n",
		write(t, dir, "fleet.yaml", aloneFleet), filepath.Join(dir, "data")))
	ns.start(t, "setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", program, "serve", "--config", conf)
	want := func(when string, want map[string]string) {
		t.Helper()
		await(t, patience, when, func() error { return ns.votes(want) })
	}
	want("what cannot be reached at all is unknown", map[string]string{
		"v4": "unknown connect: network is unreachable", "v6": "unknown connect: network is unreachable",
		"here":  "down connect: connection refused",
		"echo4": "unknown this instance may not send ICMP: put its group into sysctl net.ipv4.ping_group_range",
		"echo6": "unknown this instance may not send ICMP: put its group into sysctl net.ipv4.ping_group_range",
	})
	command(t, "ip", "netns", "exec", string(ns), "sysctl", "-w", "net.ipv4.ping_group_range=0 0").must(t)
	want("the kernel allows ICMP", map[string]string{
		"echo4": "up echo reply within ", "echo6": "up echo reply within ", "v4": "unknown ", "here": "down ",
	})
}

// votes is lone.votes inside a namespace.
func (ns namespace) votes(want map[string]string) error {
	_, body, err := ns.get("127.0.0.1:8053", "/v1/status")
	if err != nil {
		return err
	}
	var s admin.Status
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		return err
	}
	for service, begins := range want {
		if got := voteIn(s, service); !strings.HasPrefix(got, begins) {
			return fmt.Errorf("%s: %s, want %s", service, got, begins)
		}
	}
	return nil
}
