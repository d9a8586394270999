package healthcheck

import (
	"net/netip"
	"regexp"
	"time"
)

// Kind is how a check speaks to its target.
type Kind string

// The kinds of check.
const (
	HTTP  Kind = "http"
	HTTPS Kind = "https"
	TCP   Kind = "tcp"
	TLS   Kind = "tls"
	UDP   Kind = "udp"
	ICMP  Kind = "icmp"
	GRPC  Kind = "grpc"
	DNS   Kind = "dns"
	Exec  Kind = "exec"
	Push  Kind = "push" // the endpoint reports itself: see Runner.Report

	// Combined probes nothing itself: it counts what other checks say.
	Combined Kind = "combined"
)

// StatusRange is an inclusive range of HTTP status codes.
type StatusRange struct{ From, To int }

// Header is one header field of a request or a response.
type Header struct{ Name, Value string }

// JSONStep is one step into a JSON value: into an object by Name, or, when
// Name is empty, into an array by Index from 0.
type JSONStep struct {
	Name  string
	Index int
}

// JSONField is a value that must stand at a place of a JSON document.
type JSONField struct {
	Path  string // as the operator wrote it, for reasons
	Steps []JSONStep
	Want  string // a text, number, true, false or null in JSON's notation
}

// Question is what a DNS check asks and wants to hear.
type Question struct {
	Name    string   // absolute; empty: the target's Name
	Type    string   // "A", "AAAA", ...
	Rcode   string   // "NOERROR", "NXDOMAIN", ...
	Answers []string // each must be the data of a record of the answer, as dig writes it, whatever its case
	TCP     bool     // ask over TCP; otherwise only when the answer over UDP is truncated
}

// Check is how endpoints are probed. It is immutable once built; two equal
// checks (by their Name and content) probe alike.
type Check struct {
	Name     string
	Kind     Kind
	Port     uint16        // of all kinds but ICMP, Exec, Push and Combined
	Interval time.Duration // between two probes of one target, before jitter
	Timeout  time.Duration // of one probe, at most Interval
	Fall     int           // failures in a row that turn up into down, at least 1
	Rise     int           // successes in a row that turn down into up, at least 1

	// For HTTP and HTTPS.
	Method  string        // GET, HEAD, ...
	Path    string        // begins with "/"
	Host    string        // Host header, for GRPC the authority; empty: the target's Name
	Headers []Header      // sent as given
	Status  []StatusRange // accepted; never empty
	Fields  []Header      // header fields that the response must have, value for value
	JSON    []JSONField   // what the body must hold
	HTTP2   bool          // speak HTTP/2 (HTTPS only); otherwise HTTP/1.1

	// What the answer must hold within its first 64 KiB: the body for HTTP and
	// HTTPS, what is read for TCP, TLS and UDP. Empty: nothing is read, but for
	// UDP, which wants any answer.
	Body    string
	Pattern *regexp.Regexp // nil: any

	// For all that speak TLS: HTTPS, TLS and, when Secure, GRPC.
	TLSName    string        // server name to send and verify; empty: Host
	SkipVerify bool          // accept any certificate
	CertWarn   time.Duration // warn when a certificate ends sooner
	CertMin    time.Duration // fail when a certificate ends sooner

	Send     string   // TCP, TLS and UDP: sent first
	Secure   bool     // GRPC: over TLS
	Service  string   // GRPC: whose health; empty: the server's
	Question Question // DNS
	Command  []string // Exec: the program by its absolute path, and its arguments

	TTL time.Duration // Push: how long a report holds

	// For Combined: at least Need of the checks Of must pass. Their names tell
	// them apart in reasons.
	Need int
	Of   []Check
}

// Target is one thing to probe. ID names the endpoint it speaks for and is
// opaque here.
type Target struct {
	ID    string
	Name  string     // the service's name without the final dot
	Addr  netip.Addr // where to probe, without the port; invalid for an alias
	Alias string     // host name to resolve and probe when Addr is invalid
	Check Check
}
