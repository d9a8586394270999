package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/steerdns/steerdns/config"
	"github.com/steerdns/steerdns/dnsserver/transfer"
	"github.com/steerdns/steerdns/dnsserver/tsig"
	"github.com/steerdns/steerdns/dnsserver/zone"
	"github.com/steerdns/steerdns/regions"
)

// transferRules says for each zone who may fetch it, and who is told of changes.
func transferRules(f *config.Fleet) []transfer.Rule {
	var out []transfer.Rule
	for _, z := range f.Zones {
		if z.Transfer == nil {
			continue
		}
		r := transfer.Rule{Zone: z.Name}
		for _, a := range z.Transfer.Allow {
			r.Allow = append(r.Allow, transfer.Allow{Prefix: a.Prefix, Key: keyWire(a.Key)})
		}
		for _, n := range z.Transfer.Notify {
			r.Notify = append(r.Notify, transfer.Target{Addr: n.Addr, Key: keyWire(n.Key)})
		}
		out = append(out, r)
	}
	return out
}

// keyWire is a key's name as package tsig has it, "" for none.
func keyWire(name string) string {
	if name == "" {
		return ""
	}
	wire, err := zone.PackName(name)
	if err != nil {
		return "?" // config has refused it: no key has this name
	}
	return string(wire)
}

// counted tells the zones whose serial the fleet counts: those that are given out
// and change by themselves, or have no serial of their own.
func counted(f *config.Fleet, z config.Zone) bool {
	if z.Transfer == nil {
		return false
	}
	for _, s := range f.Services {
		if s.Zone == z.Name {
			return true
		}
	}
	return z.SOA != nil && !z.SOA.Written
}

// newTransfers makes the part that gives zones out.
func (in *instance) newTransfers() *transfer.Server {
	return transfer.NewServer(transfer.Options{
		Instance: in.conf.Name, Log: in.log,
		Bind:   in.link.bindSerial,
		Source: func(target netip.Addr) netip.Addr { return notifySource(in.conf.DNS.Listen, target) },
	})
}

// notifySource is the address that a secondary knows this server by: the first
// one of its family that is listened on, when that is a certain one. Loopback
// speaks to loopback only.
func notifySource(listen []netip.AddrPort, target netip.Addr) netip.Addr {
	for _, a := range listen {
		if at := a.Addr(); at.Is4() == target.Is4() && !at.IsUnspecified() && at.IsLoopback() == target.IsLoopback() {
			return at
		}
	}
	return netip.Addr{}
}

func (l *storeLink) bindSerial(ctx context.Context, before *regions.ZoneSerial, z regions.ZoneSerial) error {
	s, err := l.use()
	if err != nil {
		return err
	}
	return s.BindSerial(ctx, before, z)
}

// useKeys takes the keys of a file into use.
func (in *instance) useKeys(text []byte) error {
	ring, problems := tsig.Parse(text)
	if problems == nil {
		in.transfers.SetKeys(ring)
		return nil
	}
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = fmt.Sprintf("line %d: %s (%s)", p.Line, p.Message, p.Fix)
	}
	return fmt.Errorf("%s", strings.Join(lines, "; "))
}

// missingKeys warns of keys that the fleet file names and this instance has not.
func (in *instance) missingKeys(rules []transfer.Rule) {
	if missing := in.transfers.MissingKeys(rules); len(missing) > 0 {
		in.log.Warn("the fleet file names TSIG keys that this instance does not have: what asks for them is refused (dns.tsig_keys)",
			"keys", strings.Join(missing, ", "))
	}
}
