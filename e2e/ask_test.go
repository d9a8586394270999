//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// question is one query. The zero value of a field is the usual thing.
type question struct {
	name    string // default: the demo's service
	qtype   uint16 // default: A
	subnet  string // ECS prefix
	source  string // local address to ask from
	tcp     bool
	plain   bool // without EDNS
	recurse bool // recursion desired: for a resolver
}

func (q question) String() string {
	words := fmt.Sprintf("%s %s", dns.TypeToString[q.kind()], q.target())
	if q.subnet != "" {
		words += " +subnet=" + q.subnet
	}
	if q.source != "" {
		words += " -b " + q.source
	}
	if q.tcp {
		words += " +tcp"
	}
	return words
}

func (q question) kind() uint16 {
	if q.qtype == 0 {
		return dns.TypeA
	}
	return q.qtype
}

func (q question) target() string {
	if q.name == "" {
		return service
	}
	return q.name
}

func (q question) message() *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(q.target(), q.kind())
	m.RecursionDesired = q.recurse
	if q.plain {
		return m
	}
	m.SetEdns0(1232, false)
	if q.subnet == "" {
		return m
	}
	p := netip.MustParsePrefix(q.subnet)
	family := uint16(1)
	if p.Addr().Is6() {
		family = 2
	}
	opt := m.IsEdns0()
	opt.Option = append(opt.Option, &dns.EDNS0_SUBNET{
		Code: dns.EDNS0SUBNET, Family: family, SourceNetmask: uint8(p.Bits()), Address: p.Masked().Addr().AsSlice(),
	})
	return m
}

// reply is an answer as it came and as it reads.
type reply struct {
	*dns.Msg
	body string // all bytes but the id
}

// ask asks a server and waits for its reply.
func ask(server string, q question) (reply, error) {
	conn, err := q.dial(server)
	if err != nil {
		return reply{}, err
	}
	defer conn.Close()
	return exchange(conn, q.message(), 5*time.Second)
}

func (q question) dial(server string) (*dns.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	network := "udp"
	if q.tcp {
		network = "tcp"
	}
	if q.source != "" {
		ip := net.ParseIP(q.source)
		d.LocalAddr = &net.UDPAddr{IP: ip}
		if q.tcp {
			d.LocalAddr = &net.TCPAddr{IP: ip}
		}
	}
	c, err := d.Dial(network, server)
	if err != nil {
		return nil, err
	}
	return &dns.Conn{Conn: c, UDPSize: 4096}, nil
}

// exchange sends a message and reads until the reply with its id comes.
func exchange(conn *dns.Conn, m *dns.Msg, limit time.Duration) (reply, error) {
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return reply{}, err
	}
	if err := conn.WriteMsg(m); err != nil {
		return reply{}, err
	}
	for {
		raw, err := conn.ReadMsgHeader(nil)
		if err != nil {
			return reply{}, err
		}
		r := reply{new(dns.Msg), string(raw[2:])}
		if err := r.Unpack(raw); err != nil {
			return r, err
		}
		if r.Id == m.Id {
			return r, nil
		}
	}
}

// mustAsk wants an answer with addresses in it.
func mustAsk(t testing.TB, server string, q question) reply {
	t.Helper()
	r, err := ask(server, q)
	if err != nil {
		t.Fatalf("%v @%s: %v", q, server, err)
	}
	if r.Rcode != dns.RcodeSuccess || len(r.addresses()) == 0 {
		t.Fatalf("%v @%s: no address in\n%v", q, server, r.Msg)
	}
	return r
}

// addresses lists the A and AAAA records of the answer in order.
func (r reply) addresses() (list []string) {
	for _, rr := range r.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			list = append(list, rr.A.String())
		case *dns.AAAA:
			list = append(list, rr.AAAA.String())
		}
	}
	return list
}

// rrset is the answer section as text, which ids and options do not touch.
func (r reply) rrset() (text string) {
	for _, rr := range r.Answer {
		text += rr.String() + "\n"
	}
	return text
}

// scope is the prefix for which the reply holds; false without ECS.
func (r reply) scope() (netip.Prefix, bool) {
	opt := r.IsEdns0()
	if opt == nil {
		return netip.Prefix{}, false
	}
	for _, o := range opt.Option {
		if e, ok := o.(*dns.EDNS0_SUBNET); ok {
			a, _ := netip.AddrFromSlice(e.Address)
			if e.Family == 1 {
				a = a.Unmap()
			}
			p, err := a.Prefix(int(e.SourceScope))
			return p, err == nil
		}
	}
	return netip.Prefix{}, false
}

// regions is which regions an answer has, in its order, without repeats.
func (d *demo) regions(r reply) (list []string) {
	seen := map[string]bool{}
	for _, a := range r.addresses() {
		if region := d.regionOf(a); !seen[region] {
			seen[region] = true
			list = append(list, region)
		}
	}
	return list
}
