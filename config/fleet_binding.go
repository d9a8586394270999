package config

import "strconv"

// binding reads what an HTTPS or SVCB record of a service says beside its
// addresses. nil: the service has no such record.
func (d *fleetDecoder) binding(v item, aliases bool) *Binding {
	if !v.given() {
		return nil
	}
	t := v.table("alpn", "port")
	if aliases {
		v.fail("a service of aliases has no record of its own", "remove it; clients follow the CNAME and find the target's record")
	}
	b := &Binding{Port: uint16(t.get("port").integer(0, 1, 65535))}
	seen := map[string]Pos{}
	list := t.get("alpn")
	for _, e := range list.items("protocol names") {
		if name, ok := parsed(e, "a protocol name", parseALPN); ok && once(seen, e, name, "protocol "+name) {
			b.ALPN = append(b.ALPN, name)
		}
	}
	if list.given() && list.kind == kindList && len(list.list) == 0 {
		list.fail("the list is empty", "write [h2, h3] or the like, or remove the key")
	}
	return b
}

// parseALPN reads the name of a protocol from the IANA registry of ALPN
// protocol IDs, all of which are printable.
func parseALPN(s string) (string, flaw) {
	if s == "" || len(s) > 32 {
		return "", flaw{"protocol name of " + strconv.Itoa(len(s)) + " characters", "write 1 to 32, such as h2"}
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || c == ',' || c == '\\' || c == '"' {
			return "", flaw{"protocol name " + quote(s) + " has the character " + strconv.QuoteRune(rune(c)), "use names such as h2, h3 or http/1.1"}
		}
	}
	return s, flaw{}
}
