package main

import (
	"context"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/steerdns/steerdns/admin"
	"github.com/steerdns/steerdns/dnsserver"
	"github.com/steerdns/steerdns/geo"
	"github.com/steerdns/steerdns/healthcheck"
	"github.com/steerdns/steerdns/regions"
	"github.com/steerdns/steerdns/regions/steering"
)

type storyKey struct{}

// story is one fleet under simulated time: the real loader, judge, steering
// and query path, without sockets, probes and etcd. Two instances vote in
// every region.
type story struct {
	now       time.Time
	fleet     *assembled
	locator   admin.Locator
	world     *regions.World
	view      *dnsserver.View
	responder *dnsserver.Responder
	counters  *dnsserver.Counters
	ballots   map[string]regions.Ballot // by instance
	marks     map[string]regions.Mark
	overrides []regions.Override
	revision  int64
	storeLost bool
}

func newStory() *story {
	r := dnsserver.NewResponder(dnsserver.Options{Instance: "story-1"})
	return &story{
		now:       time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC),
		responder: r, counters: r.NewCounters(true), ballots: map[string]regions.Ballot{},
	}
}

func onStory(do func(*story, *testscript.TestScript, []string) (string, error)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		out, err := do(ts.Value(storyKey{}).(*story), ts, args)
		_, _ = fmt.Fprint(ts.Stdout(), out)
		switch {
		case err != nil && !neg:
			ts.Fatalf("%v", err)
		case err == nil && neg:
			ts.Fatalf("unexpected success")
		case err != nil:
			_, _ = fmt.Fprintln(ts.Stderr(), err)
		}
	}
}

// fleet FILE: the fleet file in force; all vantages vote up.
func (s *story) cmdFleet(ts *testscript.TestScript, args []string) (string, error) {
	a, err := loadFleet(ts.MkAbs(args[0]), nil)
	if err != nil {
		return "", err
	}
	s.fleet = a
	data, err := geo.Open(geo.Options{Places: a.places})
	if err != nil {
		return "", err
	}
	atlas, err := geo.Compile(context.Background(), data, steering.FencePrefixes(a.topology), steering.Classifier(a.topology), nil)
	if err != nil {
		return "", err
	}
	s.locator = admin.Locator{Data: data, Atlas: atlas}
	for _, r := range a.topology.Regions {
		if _, err := s.cmdVote(ts, []string{r.Name, "up", "*"}); err != nil {
			return "", err
		}
	}
	return "", nil
}

// vote VANTAGE up|down PATTERN [REASON]: both instances of the vantage.
// PATTERN is matched against REGION/ADDRESS.
func (s *story) cmdVote(_ *testscript.TestScript, args []string) (string, error) {
	if len(args) < 3 {
		return "", fmt.Errorf("usage: vote VANTAGE up|down PATTERN [REASON]")
	}
	state, reason := healthcheck.Up, "status 200"
	if args[1] == "down" {
		state, reason = healthcheck.Down, "timeout after 2s"
	}
	if len(args) > 3 {
		reason = args[3]
	}
	for _, n := range []string{"-1", "-2"} {
		b := s.ballots[args[0]+n]
		votes := map[string]healthcheck.Vote{}
		for id, v := range b.Votes {
			votes[id] = v
		}
		for _, t := range targetsOf(s.fleet.topology) {
			if ok, err := path.Match(args[2], strings.TrimPrefix(t.ID, t.Name+"/")); err != nil {
				return "", err
			} else if ok || args[2] == "*" {
				votes[t.ID] = healthcheck.Vote{State: state, Reason: reason, Since: s.now}
			}
		}
		s.ballots[args[0]+n] = regions.Ballot{Instance: args[0] + n, Region: args[0], Votes: votes}
	}
	return "", s.judge()
}

// silent VANTAGE...: their votes are gone.
func (s *story) cmdSilent(_ *testscript.TestScript, args []string) (string, error) {
	for _, v := range args {
		delete(s.ballots, v+"-1")
		delete(s.ballots, v+"-2")
	}
	return "", s.judge()
}

// drain KIND NAME FOR [force | keep N]
func (s *story) cmdDrain(_ *testscript.TestScript, args []string) (string, error) {
	r := admin.OverrideRequest{Kind: regions.OverrideKind(args[0]), Name: args[1], For: args[2], Force: len(args) == 4}
	if len(args) == 5 {
		r.Keep, _ = strconv.Atoi(args[4])
	}
	return "", s.override(r)
}

// pin KIND NAME FOR
func (s *story) cmdPin(_ *testscript.TestScript, args []string) (string, error) {
	return "", s.override(admin.OverrideRequest{Kind: regions.OverrideKind(args[0]), Name: args[1], For: args[2], Action: regions.ActionPin})
}

// failback NAME FOR
func (s *story) cmdFailback(_ *testscript.TestScript, args []string) (string, error) {
	return "", s.override(admin.OverrideRequest{Kind: regions.OverrideFailback, Name: args[0], For: args[1]})
}

func (s *story) override(r admin.OverrideRequest) error {
	r.Owner, r.Reason = "alice", "maintenance"
	o, err := admin.MakeOverride(s.world, r, s.now)
	if err != nil {
		return err
	}
	s.overrides = append(s.overrides, o)
	return s.judge()
}

// undrain NAME
func (s *story) cmdUndrain(_ *testscript.TestScript, args []string) (string, error) {
	s.overrides = slices.DeleteFunc(s.overrides, func(o regions.Override) bool { return o.Name == args[0] })
	return "", s.judge()
}

// store lost|back
func (s *story) cmdStore(_ *testscript.TestScript, args []string) (string, error) {
	s.storeLost = args[0] == "lost"
	return "", s.judge()
}

// restart: an instance without any memory of verdicts.
func (s *story) cmdRestart(*testscript.TestScript, []string) (string, error) {
	s.world, s.view = nil, nil
	return "", s.judge()
}

// later DURATION: an instance is not asleep meanwhile.
func (s *story) cmdLater(_ *testscript.TestScript, args []string) (string, error) {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return "", err
	}
	for err == nil && d > 0 {
		step := min(d, 30*time.Second)
		s.now, d = s.now.Add(step), d-step
		err = s.judge()
	}
	return "", err
}

func (s *story) judge() error {
	s.revision++
	p := &regions.Picture{Cluster: 1, Revision: s.revision, Overrides: s.overrides}
	for _, name := range sortedKeys(s.ballots) {
		b := s.ballots[name]
		b.Marks = s.marks // all instances remember what this one did
		p.Ballots = append(p.Ballots, b)
	}
	in := regions.Input{Topology: s.fleet.topology, Picture: p, Ballots: p.Ballots, StoreLost: s.storeLost, Previous: s.world, Now: s.now}
	if s.storeLost && s.world == nil {
		in.Picture = nil
	}
	s.world = regions.Judge(in)
	s.marks = regions.MarksOf(s.world)
	s.view = dnsserver.Compile(s.world, s.fleet.zones, s.locator.Atlas, s.view)
	s.responder.Publish(s.view)
	return nil
}

func sortedKeys(m map[string]regions.Ballot) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// dig NAME [TYPE] [+subnet=PREFIX] [-b ADDRESS] [+tcp]: prints status, the
// sections and the returned scope.
func (s *story) cmdDig(_ *testscript.TestScript, args []string) (string, error) {
	m, client, transport, err := question(args)
	if err != nil {
		return "", err
	}
	query, err := m.Pack()
	if err != nil {
		return "", err
	}
	reply := new(dns.Msg)
	if err := reply.Unpack(s.responder.Respond(nil, query, client, transport, s.counters)); err != nil {
		return "", err
	}
	return digText(reply), nil
}

func question(args []string) (*dns.Msg, netip.Addr, dnsserver.Transport, error) {
	m, qtype := new(dns.Msg), dns.TypeA
	client, transport := netip.MustParseAddr("127.0.0.1"), dnsserver.UDP
	for i := 1; i < len(args); i++ {
		subnet, isSubnet := strings.CutPrefix(args[i], "+subnet=")
		switch {
		case isSubnet:
			p, err := netip.ParsePrefix(subnet)
			if err != nil {
				return nil, client, transport, err
			}
			m.Extra = append(m.Extra, subnetOption(p))
		case args[i] == "-b":
			i++
			client = netip.MustParseAddr(args[i])
		case args[i] == "+tcp":
			transport = dnsserver.TCP
		default:
			qtype = dns.StringToType[args[i]]
		}
	}
	m.SetQuestion(dns.Fqdn(args[0]), qtype)
	m.RecursionDesired = false
	m.Id = 1
	return m, client, transport, nil
}

func subnetOption(p netip.Prefix) *dns.OPT {
	opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT, Class: 1232}}
	family := uint16(2)
	if p.Addr().Is4() {
		family = 1
	}
	opt.Option = append(opt.Option, &dns.EDNS0_SUBNET{
		Code: dns.EDNS0SUBNET, Family: family, SourceNetmask: uint8(p.Bits()), Address: p.Addr().AsSlice(),
	})
	return opt
}

func digText(m *dns.Msg) string {
	var b strings.Builder
	b.WriteString(dns.RcodeToString[m.Rcode])
	if m.Authoritative {
		b.WriteString(" aa")
	}
	if m.Truncated {
		b.WriteString(" tc")
	}
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if subnet, ok := o.(*dns.EDNS0_SUBNET); ok {
				fmt.Fprintf(&b, ", scope /%d", subnet.SourceScope)
			}
		}
	}
	b.WriteString("\n")
	for _, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for _, rr := range section {
			if rr.Header().Rrtype != dns.TypeOPT {
				b.WriteString(strings.ReplaceAll(rr.String(), "\t", " ") + "\n")
			}
		}
	}
	return b.String()
}

// status: the verdicts of regions, and of endpoints that are not simply up.
func (s *story) cmdStatus(*testscript.TestScript, []string) (string, error) {
	st := admin.MakeStatus(s.world, nil, admin.Facts{Ready: s.world.Ready, Store: admin.StoreStatus{Connected: !s.storeLost}})
	var b strings.Builder
	for _, r := range st.Regions {
		fmt.Fprintf(&b, "%s %s: %s\n", r.Name, verdictWord(r.Verdict), r.Why())
	}
	for _, e := range st.Endpoints {
		if word := verdictWord(e.Verdict); word != "up" {
			fmt.Fprintf(&b, "%s/%s %s: %s\n", e.Region, e.Address, word, e.Why())
		}
	}
	return b.String(), nil
}

// explain NAME ADDRESS
func (s *story) cmdExplain(_ *testscript.TestScript, args []string) (string, error) {
	x, err := admin.Explain(s.world, s.locator, admin.Facts{Instance: "story-1", Epoch: "0", DNS: []string{"127.0.0.1:5300"}}, args[0], args[1])
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = printExplanation(&b, x)
	return b.String(), err
}
