package config

import (
	"net/netip"
	"strconv"
	"strings"
)

// Transfer says who may fetch a zone as a whole, and who is told of changes.
type Transfer struct {
	Pos    Pos
	Allow  []TransferAllow // `allow`: at least one; any of them suffices
	Notify []NotifyTarget  // `notify`
}

// TransferAllow lets those fetch a zone that meet all it asks for.
type TransferAllow struct {
	Pos    Pos
	Prefix netip.Prefix // `prefix`: invalid when any address will do; IPv6 up to /128
	Key    string       // `key`: the name of a TSIG key, absolute, lower case; "" when none is needed
}

// NotifyTarget is a secondary that is sent NOTIFY.
type NotifyTarget struct {
	Pos  Pos
	Addr netip.AddrPort // `address`: port 53 unless it says another
	Key  string         // `key`: what to sign with; "" for nothing
}

func (d *fleetDecoder) transfer(v item) *Transfer {
	if !v.given() {
		return nil
	}
	t := v.table("allow", "notify")
	out := &Transfer{Pos: v.at}
	allow := t.need("allow", "[{prefix: 192.0.2.53, key: backup}]")
	list := allow.items("who may fetch the zone")
	for _, e := range list {
		out.Allow = append(out.Allow, d.allow(e))
	}
	if allow.given() && allow.kind == kindList && len(list) == 0 {
		allow.fail("the list is empty", "write who may fetch the zone, or remove transfer")
	}
	seen := map[netip.AddrPort]Pos{}
	for _, e := range t.get("notify").items("secondaries") {
		n := d.notify(e)
		if !n.Addr.IsValid() || once(seen, e, n.Addr, "secondary "+n.Addr.String()) {
			out.Notify = append(out.Notify, n)
		}
	}
	return out
}

func (d *fleetDecoder) allow(v item) TransferAllow {
	t := v.table("prefix", "key")
	a := TransferAllow{Pos: v.at, Key: keyName(t.get("key"))}
	a.Prefix, _ = parsed(t.get("prefix"), "a prefix", parseHosts)
	if v.given() && v.kind == kindTable && t.find("prefix") == nil && t.find("key") == nil {
		v.fail("lets everybody fetch the zone", "add prefix, key or both; prefix: 0.0.0.0/0 if it is meant")
	}
	return a
}

func (d *fleetDecoder) notify(v item) NotifyTarget {
	t := v.table("address", "key")
	n := NotifyTarget{Pos: v.at, Key: keyName(t.get("key"))}
	n.Addr, _ = parsed(t.need("address", "192.0.2.53"), "an address", parseSecondary)
	return n
}

// keyName reads the name of a TSIG key. The keys themselves are each
// instance's own.
func keyName(v item) string {
	name, _ := parsed(v, "the name of a key", parseDomain)
	return name
}

// parseHosts reads a prefix of any length without host bits; an address stands
// for itself.
func parseHosts(s string) (netip.Prefix, flaw) {
	host, length, slash := strings.Cut(s, "/")
	a, f := parseAddr(host)
	if f != (flaw{}) {
		return netip.Prefix{}, flaw{"bad prefix " + quote(s) + ": " + f.message, f.fix}
	}
	if !slash {
		return netip.PrefixFrom(a, a.BitLen()), flaw{}
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return p, flaw{"bad prefix length " + quote(length), "write 0 to " + strconv.Itoa(a.BitLen())}
	case p != p.Masked():
		return p, flaw{"prefix " + s + " has bits set after its length", "write " + p.Masked().String()}
	}
	return p, flaw{}
}

// parseSecondary reads an address with or without a port.
func parseSecondary(s string) (netip.AddrPort, flaw) {
	if a, err := netip.ParseAddr(s); err == nil {
		_, f := parseUnicast(s)
		return netip.AddrPortFrom(a, 53), f
	}
	at, err := netip.ParseAddrPort(s)
	if err != nil || at.Port() == 0 {
		return netip.AddrPort{}, flaw{"bad address " + quote(s), `write an address such as 192.0.2.53, or with a port: 192.0.2.53:53, "[2001:db8::53]:53"`}
	}
	_, f := parseUnicast(at.Addr().String())
	return at, f
}
