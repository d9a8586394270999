package config

import (
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
	"time"
)

// certificates reads the keys of checks that speak TLS.
func (d *fleetDecoder) certificates(c *Check, t table) {
	if name, ok := parsed(t.get("tls_name"), "a domain name", parseDomain); ok {
		c.TLSName = strings.TrimSuffix(name, ".")
	}
	c.TLS = t.get("tls").yes(false)
	c.SkipVerify = t.get("skip_verify").yes(false)
	warn := t.get("cert_warn").duration(14*day, 0, 400*day)
	c.CertMin = t.get("cert_min").duration(0, 0, 400*day)
	if c.Type == CheckHTTPS || c.Type == CheckTLS || c.Type == CheckGRPC && c.TLS {
		c.CertWarn = warn
	}
	if c.Type == CheckGRPC && !c.TLS {
		for _, key := range certificate {
			if e := t.find(key); e != nil {
				t.sub(*e).atKey(*e).fail("a check without TLS has no "+key, "add tls: true, or remove the key")
			}
		}
	}
}

// expectations reads what to send and what the answer must hold.
func (d *fleetDecoder) expectations(c *Check, t table) {
	text, pattern := t.get("expect"), t.get("expect_regexp")
	if c.Type == CheckHTTP || c.Type == CheckHTTPS {
		text, pattern = t.get("body"), t.get("body_regexp")
	}
	c.Expect, _ = parsed(text, "text that the answer must hold", parseExpected)
	c.ExpectRegexp, _ = parsed(pattern, "a regular expression", parseRegexp)
	c.Send, _ = t.get("send").str("text to send")
	raw := t.get("send_hex")
	if bytes, ok := parsed(raw, "bytes in hexadecimal digits", parseHex); ok {
		c.Send = bytes
	}
	sent := t.get("send")
	switch {
	case sent.given() && raw.given():
		raw.fail("send and send_hex are both given", "keep one of them")
	case c.Type == CheckUDP && !sent.given() && !raw.given():
		t.need("send", "what makes the endpoint answer, or send_hex")
	case len(c.Send) > maxSend && raw.given():
		raw.fail("more than 1024 bytes to send", "send less")
	case len(c.Send) > maxSend:
		sent.fail("more than 1024 bytes to send", "send less")
	}
}

// maxSend is a datagram that fits through all networks.
const maxSend = 1024

// maxPattern bounds the work of a regular expression.
const maxPattern = 200

// parseExpected refuses what every answer holds.
func parseExpected(s string) (string, flaw) {
	if s == "" {
		return "", flaw{"the text is empty", "write what the answer must hold, or remove the key"}
	}
	return s, flaw{}
}

func parseRegexp(s string) (*regexp.Regexp, flaw) {
	if s == "" {
		return nil, flaw{"the regular expression is empty", "write what the answer must match, or remove the key"}
	}
	re, err := regexp.Compile(s)
	if err != nil || len(s) > maxPattern {
		return nil, flaw{"bad regular expression " + quote(s), "write one of RE2, of at most 200 bytes, such as \"^ok\\\\b\" (https://github.com/google/re2/wiki/Syntax)"}
	}
	return re, flaw{}
}

func parseHex(s string) (string, flaw) {
	out, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil || len(out) == 0 {
		return "", flaw{"bad bytes " + quote(s), "write pairs of hexadecimal digits, such as \"00 01 ff\""}
	}
	return string(out), flaw{}
}

// protocols reads the keys of grpc, dns, exec and push checks.
func (d *fleetDecoder) protocols(c *Check, t table) {
	c.Service, _ = parsed(t.get("service"), "a gRPC service such as shop.v1.Cart", parseGRPCService)
	d.question(c, t)
	if c.Type == CheckExec {
		t.need("command", "[/usr/local/bin/check-it, --quick]")
	}
	c.Command = d.command(t.get("command"))
	ttl := t.get("ttl").duration(30*time.Second, time.Second, day)
	if c.Type == CheckPush {
		c.TTL = ttl
	}
}

func (d *fleetDecoder) question(c *Check, t table) {
	c.Query, _ = parsed(t.get("query"), "a domain name", parseDomain)
	record := t.get("record").choice("A", records...)
	rcode := t.get("rcode").choice("NOERROR", rcodes...)
	c.TCP = t.get("tcp").yes(false)
	answer := t.get("answer")
	list := answer.items("record data")
	for _, e := range list {
		if s, ok := e.str("the data of a record"); ok {
			c.Answer = append(c.Answer, s)
		}
	}
	if answer.given() && answer.kind == kindList && len(list) == 0 {
		answer.fail("the list is empty", "write the data of at least one record, or remove the key")
	}
	if c.Type == CheckDNS {
		c.Record, c.Rcode = record, rcode
	}
}

var (
	records = []string{"A", "AAAA", "CAA", "CNAME", "DNSKEY", "DS", "HTTPS", "MX", "NS", "PTR", "SOA", "SRV", "SVCB", "TXT"}
	rcodes  = []string{"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"}
)

func parseGRPCService(s string) (string, flaw) {
	if s == "" || !isPrintable(s) || strings.ContainsAny(s, " /") {
		return "", flaw{"bad gRPC service " + quote(s), "write its full name, such as shop.v1.Cart"}
	}
	return s, flaw{}
}

func (d *fleetDecoder) command(v item) []string {
	var out []string
	list := v.items("a program and its arguments")
	for i, e := range list {
		s, ok := e.str("a program or an argument")
		switch {
		case ok && i == 0 && !isProgram(s):
			e.fail("bad program "+quote(s), "write its absolute path; there is no shell and no search path")
		case strings.Contains(s, "\x00"):
			e.fail("the argument "+quote(s)+" has a NUL character", "remove it; no program can be given one")
		case ok:
			out = append(out, s)
		}
	}
	if v.given() && v.kind == kindList && len(list) == 0 {
		v.fail("the list is empty", "write the program's absolute path and its arguments")
	}
	return out
}

// isProgram reports whether s is the absolute path of a file, without detours.
func isProgram(s string) bool {
	return strings.HasPrefix(s, "/") && !strings.HasSuffix(s, "/") && isPrintable(s) &&
		!slices.ContainsFunc(strings.Split(s[1:], "/"), func(part string) bool { return part == "" || part == "." || part == ".." })
}
