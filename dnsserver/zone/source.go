package zone

// Source is one zone as it is configured.
type Source struct {
	Name string // absolute, lower case
	Text string // master-file text; may be empty when SOA and NS are given
	File string // where Text stands, for messages
	Line int    // the line of File where Text's line 1 stands; 0 counts as 1
	// DefaultTTL, in seconds, is for records without a TTL before any $TTL; 0 means
	// that such a record takes the TTL last stated (RFC 1035 section 5.1).
	DefaultTTL uint32
	SOA        *SOA     // nil: must be in Text
	NS         []string // absolute names; may be empty if Text has them
	Steered    []SteeredName
	Counted    bool // see Zone.Counted
	// Partial: the values beside Text are not all known. What is missing is then
	// no problem, and there has to be one elsewhere that keeps the set from use.
	Partial bool
}

// SOA is a start of authority given as values. Times are seconds.
type SOA struct {
	MName, RName                            string
	Serial, Refresh, Retry, Expire, Minimum uint32
	TTL                                     uint32 // 0: the source's DefaultTTL, or else Minimum
}

// SteeredName is a name of the zone that a service answers.
type SteeredName struct {
	Name      string // absolute, lower case
	Service   int    // 0 or above; what Result.Service returns
	Alias     bool   // a service of alias targets (CNAME) instead of addresses
	HTTPS     bool   // the service has an HTTPS record; never with Alias
	SVCB      bool   // the same for SVCB
	File      string
	Line, Col int
}
