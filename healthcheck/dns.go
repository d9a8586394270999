package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// dnsProbe asks a question and finds a target good when it gives the expected
// answer. What does not answer that question is passed over (RFC 5452,
// section 3).
type dnsProbe struct{ network network }

// ednsSize is the answer over UDP that fits through all networks.
const ednsSize = 1232

func (p dnsProbe) probe(ctx context.Context, t Target) (finding, error) {
	query, err := queryOf(t)
	if err != nil {
		return finding{}, err
	}
	over := "udp"
	if t.Check.Question.TCP {
		over = "tcp"
	}
	reply, err := p.ask(ctx, over, t, query)
	if err == nil && reply.Truncated && over == "udp" {
		reply, err = p.ask(ctx, "tcp", t, query) // RFC 7766, section 5
	}
	if err != nil {
		return finding{}, err
	}
	found, err := t.Check.Question.judge(reply)
	return finding{text: found}, err
}

func queryOf(t Target) (*dns.Msg, error) {
	q := t.Check.Question
	typ, ok := dns.StringToType[q.Type]
	if _, known := dns.StringToRcode[q.Rcode]; !ok || !known {
		return nil, badCheck("type %q or rcode %q is not known", q.Type, q.Rcode)
	}
	name := q.Name
	if name == "" {
		name = t.Name
	}
	if _, ok := dns.IsDomainName(name); !ok {
		return nil, badCheck("%q is not a domain name", name)
	}
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), typ)
	return m.SetEdns0(ednsSize, false), nil
}

func (p dnsProbe) ask(ctx context.Context, over string, t Target, query *dns.Msg) (*dns.Msg, error) {
	conn, release, err := p.network.dial(ctx, over, t)
	if err != nil {
		return nil, err
	}
	defer release()
	c := &dns.Conn{Conn: conn, UDPSize: ednsSize}
	if err := c.WriteMsg(query); err != nil {
		return nil, p.network.unsent(err)
	}
	for {
		reply, err := c.ReadMsg()
		switch {
		case errors.Is(err, dns.ErrShortRead) && over == "udp": // not even a header: whoever sent it
		case errors.Is(err, dns.ErrShortRead), reply != nil && err != nil && reply.Id == query.Id: // the rest was not read
			return nil, errors.New("answer is not valid DNS")
		case reply == nil:
			return nil, &failure{hearing, err}
		case !isReplyTo(reply, query) && over == "tcp":
			return nil, errors.New("answer is not to the question")
		case !isReplyTo(reply, query): // forged, or late
		default:
			return reply, nil
		}
	}
}

func isReplyTo(reply, query *dns.Msg) bool {
	if !reply.Response || reply.Id != query.Id || reply.Opcode != dns.OpcodeQuery {
		return false
	}
	if len(reply.Question) == 0 { // as some errors have it
		return reply.Rcode != dns.RcodeSuccess
	}
	a, b := reply.Question[0], query.Question[0]
	return len(reply.Question) == 1 && a.Qtype == b.Qtype && a.Qclass == b.Qclass && strings.EqualFold(a.Name, b.Name)
}

func (q Question) judge(reply *dns.Msg) (string, error) {
	rcode, ok := dns.RcodeToString[reply.Rcode]
	if !ok {
		rcode = fmt.Sprintf("rcode %d", reply.Rcode)
	}
	if rcode != q.Rcode {
		return "", fmt.Errorf("answer is %s, want %s", rcode, q.Rcode)
	}
	for _, want := range q.Answers {
		if !hasData(reply.Answer, want) {
			return "", fmt.Errorf("answer lacks %s", shorten(want, 100))
		}
	}
	return fmt.Sprintf("%s with %d records", rcode, len(reply.Answer)), nil
}

func hasData(records []dns.RR, want string) bool {
	for _, rr := range records {
		data := strings.TrimPrefix(rr.String(), rr.Header().String())
		if strings.EqualFold(data, want) || strings.EqualFold(strings.TrimSuffix(data, "."), want) {
			return true
		}
	}
	return false
}
