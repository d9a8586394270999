package config

import (
	"strconv"
	"strings"
)

// http reads the keys of http and https checks, with defaults for those.
func (d *fleetDecoder) http(c *Check, t table) {
	web := c.Type == CheckHTTP || c.Type == CheckHTTPS
	if m, ok := parsed(t.get("method"), "a method such as GET", parseMethod); ok {
		c.Method = m
	} else if web {
		c.Method = "GET"
	}
	if p, ok := parsed(t.get("path"), "a path such as /healthz", parseURLPath); ok {
		c.Path = p
	} else if web {
		c.Path = "/"
	}
	c.Host, _ = parsed(t.get("host"), "a host name", parseHost)
	c.Headers = d.headers(t.get("headers"))
	c.Status = d.statuses(t.get("status"))
	if c.Status == nil && web {
		c.Status = []StatusRange{{200, 399}}
	}
	c.ExpectHeaders = d.fields(t.get("expect_headers"))
	c.JSON = d.json(t.get("json"))
	c.HTTP2 = t.get("http2").yes(false)
	if c.HTTP2 && c.Type == CheckHTTPS {
		connectionHeaders(t.get("headers"))
	}
	if c.Method == "HEAD" && web {
		bodyless(t)
	}
}

// connectionHeaders reports fields that HTTP/2 does not have (RFC 9113, section
// 8.2.2).
func connectionHeaders(v item) {
	if !v.given() || v.kind != kindTable {
		return
	}
	for _, e := range v.node.table {
		switch strings.ToLower(e.key) {
		case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
			v.sub(e).atKey(e).fail("HTTP/2 has no header "+quote(e.key), "remove it, or http2: true")
		}
	}
}

// bodyless reports what is expected of a body that never comes (RFC 9110,
// section 9.3.2).
func bodyless(t table) {
	for _, key := range []string{"body", "body_regexp", "json"} {
		if e := t.find(key); e != nil {
			t.sub(*e).atKey(*e).fail("the answer to HEAD has no body", "remove the key, or use method: GET")
		}
	}
}

// headers reads header fields to send.
func (d *fleetDecoder) headers(v item) []Header {
	if v.given() && v.kind == kindTable {
		for _, e := range v.node.table {
			if strings.EqualFold(e.key, "host") {
				v.sub(e).atKey(e).fail("the Host header has a key of its own", "move the value to the check's host key")
			}
		}
	}
	return d.fields(v)
}

// fields reads header fields.
func (d *fleetDecoder) fields(v item) []Header {
	if !v.is(kindTable, "a table of headers", "write {Name: value}") {
		return nil
	}
	var out []Header
	seen := map[string]Pos{}
	for _, e := range v.node.table {
		h := v.sub(e)
		value, ok := h.str("the header's value")
		switch {
		case !isToken(e.key):
			h.atKey(e).fail("bad header name "+quote(e.key), "use letters, digits and dashes, such as X-Probe")
		case !once(seen, h.atKey(e), strings.ToLower(e.key), "header "+quote(e.key)):
		case ok && !isPrintable(value):
			h.fail("bad header value "+quote(value), "use printable ASCII characters")
		case ok:
			out = append(out, Header{e.key, value})
		}
	}
	if len(v.node.table) == 0 {
		v.fail("the table is empty", "write at least one header, or remove the key")
	}
	return out
}

// statuses reads 200, "200-299,304" or a list of those.
func (d *fleetDecoder) statuses(v item) []StatusRange {
	if !v.given() || v.kind != kindList {
		return d.status(v)
	}
	var out []StatusRange
	for _, e := range v.items("status codes") {
		out = append(out, d.status(e)...)
	}
	if len(v.list) == 0 {
		v.fail("the list is empty", "write at least one, such as 200-299")
	}
	return out
}

func (d *fleetDecoder) status(v item) []StatusRange {
	if v.given() && v.kind == kindNumber {
		out, f := parseStatus(v.text)
		v.flawed(f)
		return out
	}
	out, _ := parsed(v, "status codes such as 200-299", parseStatus)
	return out
}

func parseStatus(s string) ([]StatusRange, flaw) {
	var out []StatusRange
	for part := range strings.SplitSeq(s, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			to = from
		}
		lo, ok1 := statusCode(from)
		hi, ok2 := statusCode(to)
		if !ok1 || !ok2 || lo > hi {
			return nil, flaw{"bad status codes " + quote(s), "write codes from 100 to 599, such as 200, 200-299 or 200-299,304"}
		}
		if hi < 200 && (lo > 101 || hi < 101) {
			return nil, flaw{"no answer ends with status " + quote(strings.TrimSpace(part)), "write codes from 200 to 599; of those below, only 101 is not followed by another"}
		}
		out = append(out, StatusRange{lo, hi})
	}
	return out, flaw{}
}

func statusCode(s string) (int, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	return n, err == nil && n >= 100 && n <= 599
}

func parseMethod(s string) (string, flaw) {
	if s == "" || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return "", flaw{"bad method " + quote(s), "write one in capital letters, such as GET or HEAD"}
	}
	return s, flaw{}
}

func parseURLPath(s string) (string, flaw) {
	if !strings.HasPrefix(s, "/") || !isPrintable(s) || strings.ContainsAny(s, " #") {
		return "", flaw{"bad path " + quote(s), "begin with a slash, and write other characters as %XX: /healthz?full=1"}
	}
	return s, flaw{}
}

func parseHost(s string) (string, flaw) {
	if s == "" || !isPrintable(s) || strings.ContainsAny(s, " /@?#\"<>\\^`{|}") {
		return "", flaw{"bad host " + quote(s), "write a host name as it stands in a URL, such as www.example.com"}
	}
	return s, flaw{}
}

// isPrintable reports whether s has only printable ASCII characters.
func isPrintable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	return s != "" && isPrintable(s) && !strings.ContainsAny(s, " \"(),/:;<=>?@[\\]{}")
}
