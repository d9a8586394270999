//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// site is the network of one fleet: nodes, each a namespace with a cable to
// the hub, which routes between them. All packets from node to node are
// forwarded there, where rules may drop them. The tests ask from the hub
// itself: no rule is in their way.
type site struct {
	t     *testing.T
	dir   string
	hub   namespace
	nodes []*node
	rules []rule
}

// node is a host. Its region is known by its addresses.
type node struct {
	name, region string
	addrs        []string
	ns           namespace
}

// rule drops a share of the packets one way.
type rule struct {
	from, to string // as the script names them
	loss     int    // percent
}

const (
	hubAddr = "192.0.2.250"
	gateway = "169.254.1.1" // the hub, on every cable
)

// sitePrefix is each region's part of the documentation's addresses.
var sitePrefix = map[string]string{"us-east": "192.0.2.", "us-west": "198.51.100.", "eu-west": "203.0.113."}

var siteRegions = []string{"us-east", "us-west", "eu-west"}

// newSite lays the cables: in each region a host for an etcd member, one for
// each of two instances, and one with two addresses for the web servers.
func newSite(t *testing.T, id, dir string) *site {
	t.Helper()
	s := &site{t: t, dir: dir, hub: newNamespaces(t, id+"-hub")[0]}
	s.hub.ip(t, "addr add "+hubAddr+"/32 dev lo")
	command(t, "ip", "netns", "exec", string(s.hub), "sysctl", "-qw", "net.ipv4.ip_forward=1").must(t)
	for i, region := range siteRegions {
		p := sitePrefix[region]
		s.add(id, &node{name: fmt.Sprintf("etcd-%d", i+1), region: region, addrs: []string{p + "1"}})
		s.add(id, &node{name: region + "-1", region: region, addrs: []string{p + "11"}})
		s.add(id, &node{name: region + "-2", region: region, addrs: []string{p + "12"}})
		s.add(id, &node{name: region + "-web", region: region, addrs: []string{p + "81", p + "82"}})
	}
	return s
}

func (s *site) add(id string, n *node) {
	n.ns = newNamespaces(s.t, id+"-"+n.name)[0]
	cable := fmt.Sprintf("n%d", len(s.nodes))
	wire(s.t, s.hub, n.ns, cable)
	s.hub.ip(s.t, "addr add "+gateway+"/32 dev "+cable)
	n.ns.ip(s.t, "route add "+gateway+" dev "+cable)
	for _, a := range n.addrs {
		n.ns.ip(s.t, "addr add "+a+"/32 dev "+cable)
		s.hub.ip(s.t, "route add "+a+" dev "+cable+" src "+hubAddr)
	}
	n.ns.ip(s.t, "route add default via "+gateway+" src "+n.addrs[0])
	s.nodes = append(s.nodes, n)
}

func (s *site) node(name string) *node {
	i := slices.IndexFunc(s.nodes, func(n *node) bool { return n.name == name })
	return s.nodes[i]
}

// addresses is what a name stands for in a rule: a host, a region, or all
// hosts of the names that a pattern matches.
func (s *site) addresses(name string) (list []string, err error) {
	for _, n := range s.nodes {
		if ok, err := filepath.Match(name, n.name); err != nil {
			return nil, err
		} else if ok || n.region == name {
			list = append(list, n.addrs...)
		}
	}
	if len(list) == 0 {
		err = fmt.Errorf("nothing is called %q", name)
	}
	return list, err
}

// drop adds a rule and obeys it from now on.
func (s *site) drop(r rule) error {
	s.rules = append(s.rules, r)
	return s.enforce()
}

// heal takes back all rules between two names, in that direction; "*" is any.
func (s *site) heal(from, to string) error {
	s.rules = slices.DeleteFunc(s.rules, func(r rule) bool {
		return (from == "*" || r.from == from) && (to == "*" || r.to == to)
	})
	return s.enforce()
}

// enforce replaces all rules in one step.
func (s *site) enforce() error {
	var b strings.Builder
	b.WriteString("table inet fleet\ndelete table inet fleet\ntable inet fleet {\nchain cuts {\ntype filter hook forward priority 0; policy accept;\n")
	for _, r := range s.rules {
		from, err := s.addresses(r.from)
		if err != nil {
			return err
		}
		to, err := s.addresses(r.to)
		if err != nil {
			return err
		}
		chance := ""
		if r.loss < 100 {
			chance = fmt.Sprintf("numgen random mod 100 < %d ", r.loss)
		}
		fmt.Fprintf(&b, "ip saddr { %s } ip daddr { %s } %sdrop\n", strings.Join(from, ", "), strings.Join(to, ", "), chance)
	}
	b.WriteString("}\n}\n")
	path := filepath.Join(s.dir, "cuts.nft")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return err
	}
	if r := command(s.t, "ip", "netns", "exec", string(s.hub), "nft", "-f", path); r.status != 0 {
		return fmt.Errorf("nft: %s%s", r.out, r.errs)
	}
	return nil
}
