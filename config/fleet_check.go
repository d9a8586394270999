package config

import (
	"slices"
	"time"
)

// meaning is the keys that checks of a type have beside name and type.
var meaning = map[string][]string{ // constant
	CheckHTTP:    slices.Concat(timing, web),
	CheckHTTPS:   slices.Concat(timing, web, certificate, []string{"http2"}),
	CheckTCP:     slices.Concat(timing, talk),
	CheckTLS:     slices.Concat(timing, talk, certificate),
	CheckUDP:     slices.Concat(timing, talk),
	CheckICMP:    timing[1:],
	CheckGRPC:    slices.Concat(timing, certificate, []string{"host", "service", "tls"}),
	CheckDNS:     slices.Concat(timing, []string{"query", "record", "rcode", "answer", "tcp"}),
	CheckExec:    slices.Concat(timing, []string{"command"}),
	CheckPush:    {"ttl"},
	CheckAny:     {"of"},
	CheckAll:     {"of"},
	CheckAtLeast: {"of", "count"},
}

var (
	timing      = []string{"port", "interval", "timeout", "fall", "rise"}
	web         = []string{"method", "path", "host", "headers", "status", "expect_headers", "body", "body_regexp", "json"}
	talk        = []string{"send", "send_hex", "expect", "expect_regexp"}
	certificate = []string{"tls_name", "skip_verify", "cert_warn", "cert_min"}
)

var checkTypes = []string{
	CheckHTTP, CheckHTTPS, CheckTCP, CheckTLS, CheckUDP, CheckICMP, CheckGRPC, CheckDNS, CheckExec, CheckPush,
	CheckAny, CheckAll, CheckAtLeast,
}

func (d *fleetDecoder) check(v item) Check {
	t := v.table("name", "type", "port", "interval", "timeout", "fall", "rise",
		"method", "path", "host", "headers", "status", "expect_headers", "body", "body_regexp", "json", "http2",
		"send", "send_hex", "expect", "expect_regexp", "tls", "tls_name", "skip_verify", "cert_warn", "cert_min",
		"service", "query", "record", "rcode", "answer", "tcp", "command", "ttl", "of", "count")
	name := t.need("name", "web")
	c := Check{
		Pos:  name.at,
		Name: d.label(name, d.checks),
		Type: t.need("type", "http, https, tcp or another").choice("", checkTypes...),
	}
	d.pace(&c, t)
	d.http(&c, t)
	d.certificates(&c, t)
	d.expectations(&c, t)
	d.protocols(&c, t)
	d.combination(&c, t)
	d.meaningless(c.Type, t)
	return c
}

// pace reads the port and the rhythm.
func (d *fleetDecoder) pace(c *Check, t table) {
	defaults := map[string]int64{CheckHTTP: 80, CheckHTTPS: 443, CheckTLS: 443, CheckDNS: 53}
	examples := map[string]string{CheckTCP: "5432", CheckUDP: "3478", CheckGRPC: "50051"}
	if example := examples[c.Type]; example != "" {
		t.need("port", example)
	}
	c.Port = uint16(t.get("port").integer(defaults[c.Type], 1, 65535))
	interval := t.get("interval").duration(5*time.Second, 100*time.Millisecond, time.Hour)
	timeout := t.get("timeout").duration(min(2*time.Second, interval), 10*time.Millisecond, interval)
	fall, rise := t.get("fall").integer(2, 1, 100), t.get("rise").integer(2, 1, 100)
	if c.Type == "" || slices.Contains(meaning[c.Type], "interval") {
		c.Interval, c.Timeout, c.Fall, c.Rise = interval, timeout, int(fall), int(rise)
	}
}

// meaningless reports keys that a check of this type does not use.
func (d *fleetDecoder) meaningless(kind string, t table) {
	if kind == "" || t.kind != kindTable {
		return
	}
	for _, e := range t.node.table {
		known := slices.Contains(t.known, e.key)
		if known && e.key != "name" && e.key != "type" && !slices.Contains(meaning[kind], e.key) {
			t.sub(e).atKey(e).fail("a check of type "+kind+" has no "+e.key, "remove the key, or change the type")
		}
	}
}
