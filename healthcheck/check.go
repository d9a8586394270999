package healthcheck

import (
	"net/netip"
	"time"
)

// Kind is how a check speaks to its target.
type Kind string

// The kinds of check.
const (
	HTTP  Kind = "http"
	HTTPS Kind = "https"
	TCP   Kind = "tcp"
)

// StatusRange is an inclusive range of HTTP status codes.
type StatusRange struct{ From, To int }

// Header is one request header field.
type Header struct{ Name, Value string }

// Check is how endpoints are probed. It is immutable once built; two equal
// checks (by their Name and content) probe alike.
type Check struct {
	Name     string
	Kind     Kind
	Port     uint16
	Interval time.Duration // between two probes of one target, before jitter
	Timeout  time.Duration // of one probe, at most Interval
	Fall     int           // failures in a row that turn up into down, at least 1
	Rise     int           // successes in a row that turn down into up, at least 1

	// For HTTP and HTTPS.
	Method     string        // GET, HEAD, ...
	Path       string        // begins with "/"
	Host       string        // Host header; empty: the target's Name
	Headers    []Header      // sent as given
	Status     []StatusRange // accepted; never empty
	Body       string        // must occur in the first 64 KiB of the body; empty: body not read
	TLSName    string        // server name to send and verify; empty: Host
	SkipVerify bool          // accept any certificate
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
