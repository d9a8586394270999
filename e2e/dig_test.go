//go:build e2e

package e2e

import (
	"net"
	"strings"
	"testing"
)

// What dig and kdig say of an instance. Each line of args follows the server
// and its port; want are words in this order, never is what must not occur.
var digs = []struct {
	name, tool, args string
	want             []string
	never            string
}{
	{"steered, authoritative", "dig", "www.gslb.example.com", []string{"status: NOERROR", "flags: qr aa", "IN\tA\t192.0.2.1"}, "SOA"},
	{"AAAA", "dig", "www.gslb.example.com AAAA", []string{"status: NOERROR", "IN\tAAAA\t2001:db8::10"}, ""},
	{"NSID names the instance", "dig", "+nsid www.gslb.example.com", []string{`NSID: `, `("lone")`}, ""},
	{"no NSID unasked", "dig", "+nonsid www.gslb.example.com", []string{"EDNS: version: 0", "udp: 1232"}, "NSID"},
	{"EDNS version 1", "dig", "+edns=1 +noednsneg www.gslb.example.com", []string{"status: BADVERS", "ANSWER: 0", "EDNS: version: 0"}, "192.0.2.1"},
	{"no EDNS, none back", "dig", "+noedns www.gslb.example.com", []string{"status: NOERROR", "192.0.2.1"}, "EDNS"},
	{"TCP", "dig", "+tcp www.gslb.example.com", []string{"status: NOERROR", "192.0.2.1", "(TCP)"}, ""},
	{"NXDOMAIN with SOA", "dig", "nothing.gslb.example.com", []string{"status: NXDOMAIN", "flags: qr aa", "ANSWER: 0, AUTHORITY: 1", "gslb.example.com.\t7\tIN\tSOA\tns1.gslb.example.com. hostmaster.example.com."}, ""},
	{"NODATA with SOA", "dig", "www.gslb.example.com MX", []string{"status: NOERROR", "ANSWER: 0, AUTHORITY: 1", "7\tIN\tSOA"}, ""},
	{"empty non-terminal", "dig", "wild.gslb.example.com", []string{"status: NOERROR", "ANSWER: 0, AUTHORITY: 1", "SOA"}, ""},
	{"outside all zones", "dig", "www.example.org", []string{"status: REFUSED", "ANSWER: 0, AUTHORITY: 0"}, " aa"},
	{"wildcard", "dig", "a.b.wild.gslb.example.com", []string{"status: NOERROR", "a.b.wild.gslb.example.com.", "IN\tA\t192.0.2.77"}, ""},
	{"wildcard NODATA", "dig", "a.wild.gslb.example.com AAAA", []string{"status: NOERROR", "ANSWER: 0, AUTHORITY: 1", "SOA"}, ""},
	{"delegation with glue", "dig", "www.child.gslb.example.com", []string{"status: NOERROR", "flags: qr", "ANSWER: 0, AUTHORITY: 1", "child.gslb.example.com.", "NS\tns.child.gslb.example.com.", "ns.child.gslb.example.com.", "A\t192.0.2.53"}, " aa"},
	{"CNAME to a steered name", "dig", "shop.gslb.example.com", []string{"status: NOERROR", "CNAME\twww.gslb.example.com.", "www.gslb.example.com.", "A\t192.0.2.1"}, ""},
	{"apex", "dig", "gslb.example.com NS", []string{"status: NOERROR", "NS\tns1.gslb.example.com.", "ns1.gslb.example.com.", "A\t127.0.0.1"}, ""},
	{"names keep their case", "dig", "wWw.GSLB.example.com", []string{"wWw.GSLB.example.com."}, ""},
	{"truncated over UDP", "dig", "+ignore +bufsize=512 big.gslb.example.com TXT", []string{"flags: qr aa tc"}, ""},
	{"whole over TCP", "dig", "+bufsize=512 big.gslb.example.com TXT", []string{"flags: qr aa", "0123456789", "(TCP)"}, " tc"},
	{"kdig: subnet and scope", "kdig", "+subnet=192.0.2.0/24 www.gslb.example.com", []string{"status: NOERROR", "CLIENT-SUBNET: 192.0.2.0/24/", "192.0.2.1"}, "WARNING"},
	{"kdig: NSID over TCP", "kdig", "+tcp +nsid www.gslb.example.com", []string{"NSID: ", `"lone"`, "TCP"}, "WARNING"},
	{"extended error of a name outside the zones", "dig", "www.example.org", []string{"REFUSED", "EDE: 20 (Not Authoritative)"}, "NOERROR"},
	{"kdig: BADVERS", "kdig", "+edns=1 www.gslb.example.com", []string{"BADVERS"}, "192.0.2.1"},
}

func TestDigAndKdig(t *testing.T) {
	l := loneInstance(t, write(t, t.TempDir(), "fleet.yaml", oneFleet), embedded(t), "")
	l.awaitReady(t, l.serve(t))
	host, port, _ := net.SplitHostPort(l.DNS)
	for _, c := range digs {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"@" + host, "-p", port, "+norec"}, strings.Fields(c.args)...)
			out := command(t, c.tool, args...).must(t)
			if c.tool == "kdig" {
				out = strings.Join(strings.Fields(out), " ")
			}
			rest := out
			for _, w := range c.want {
				_, after, ok := strings.Cut(rest, w)
				if !ok {
					t.Fatalf("%q is missing, or comes too early, in\n%s", w, out)
				}
				rest = after
			}
			if c.never != "" && strings.Contains(header(out), c.never) {
				t.Errorf("%q is in\n%s", c.never, out)
			}
		})
	}
}

// header drops the first line, which repeats the command.
func header(out string) string {
	_, rest, found := strings.Cut(strings.TrimPrefix(out, "\n"), "\n")
	if !found {
		return out
	}
	return rest
}
