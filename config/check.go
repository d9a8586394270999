package config

import (
	"regexp"
	"time"
)

// The kinds of check.
const (
	CheckHTTP    = "http"
	CheckHTTPS   = "https"
	CheckTCP     = "tcp"
	CheckTLS     = "tls"
	CheckUDP     = "udp"
	CheckICMP    = "icmp"
	CheckGRPC    = "grpc"
	CheckDNS     = "dns"
	CheckExec    = "exec"
	CheckPush    = "push"
	CheckAny     = "any"
	CheckAll     = "all"
	CheckAtLeast = "at-least"
)

// Check is how endpoints are probed. Which fields hold depends on Type.
type Check struct {
	Pos      Pos
	Name     string        // `name`
	Type     string        // `type`: CheckHTTP, CheckHTTPS, ...
	Port     uint16        // `port`: 1..65535; default 80 for http, 443 for https and tls, 53 for dns; tcp, udp and grpc must say
	Interval time.Duration // `interval`: 100ms..1h, default 5s
	Timeout  time.Duration // `timeout`: 10ms..interval; default 2s, or the interval when that is shorter
	Fall     int           // `fall`: failures in a row that make up into down, 1..100, default 2
	Rise     int           // `rise`: successes in a row that make down into up, 1..100, default 2

	// For http and https.
	Method        string        // `method`: default GET
	Path          string        // `path`: default "/"
	Host          string        // `host`: the Host header, also grpc's authority; default "": the service's name
	Headers       []Header      // `headers`
	Status        []StatusRange // `status`: default 200-399
	ExpectHeaders []Header      // `expect_headers`: fields that the answer must have, value for value
	JSON          []JSONField   // `json`: what the body must hold
	HTTP2         bool          // `http2`, https only; default false

	// For http and https (`body`, `body_regexp`), tcp, tls and udp (`expect`, `expect_regexp`).
	Expect       string         // must occur in the answer; default "": not read
	ExpectRegexp *regexp.Regexp // must match somewhere in the answer; default nil

	Send string // `send`, or the bytes of `send_hex`: tcp, tls and udp, which must have one

	// For https, tls and, with TLS, grpc.
	TLS        bool          // `tls`, grpc only; default false
	TLSName    string        // `tls_name`: server name to send and verify; default "": Host
	SkipVerify bool          // `skip_verify`: accept any certificate; default false
	CertWarn   time.Duration // `cert_warn`: warn when a certificate ends sooner, 0s..400d, default 14d
	CertMin    time.Duration // `cert_min`: fail when a certificate ends sooner, 0s..400d, default 0s

	Service string // `service`, grpc: whose health; default "": the server's

	// For dns.
	Query  string   // `query`: absolute; default "": the service's name
	Record string   // `record`: the type of record to ask for, default A
	Rcode  string   // `rcode`: default NOERROR
	Answer []string // `answer`: the data of records that the answer must have, as dig writes it
	TCP    bool     // `tcp`: ask over TCP; default false

	Command []string      // `command`, exec: a program by its absolute path, and its arguments
	TTL     time.Duration // `ttl`, push: how long a report holds, 1s..1d, default 30s

	// For any, all and at-least.
	Of    []string // `of`: names of other checks, at least one, each once
	Count int      // `count`: how many of them must pass; any: 1, all: every one
}

// Header is one header field.
type Header struct{ Name, Value string }

// StatusRange is an inclusive range of HTTP status codes.
type StatusRange struct{ From, To int }

// JSONField is a value that must stand at a place of a JSON document.
type JSONField struct {
	Path  string // the key, as written
	Steps []JSONStep
	Want  string // a text, number, true, false or null in JSON's notation
}

// JSONStep is one step into a JSON value: into an object by Name, or, when
// Name is empty, into an array by Index from 0.
type JSONStep struct {
	Name  string
	Index int
}
