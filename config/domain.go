package config

import (
	"strconv"
	"strings"
)

// Bounds of RFC 1035, section 2.3.4. A name of 253 characters without the
// final dot takes 255 octets on the wire.
const (
	maxName  = 253
	maxLabel = 63
)

// parseDomain reads a domain name, with or without the final dot, into its
// absolute form in lower case.
func parseDomain(s string) (string, flaw) {
	name := strings.ToLower(strings.TrimSuffix(s, "."))
	if name == "" {
		return "", flaw{"a domain name is empty", "write one such as www.gslb.example.com"}
	}
	if f := checkOctets(s); f != (flaw{}) {
		return "", f
	}
	if len(name) > maxName {
		return "", flaw{"domain name of " + strconv.Itoa(len(name)) + " characters",
			"RFC 1035 allows " + strconv.Itoa(maxName)}
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			return "", flaw{"domain name " + quote(s) + " has an empty label", "remove the extra dot"}
		case len(label) > maxLabel:
			return "", flaw{"label " + quote(label) + " has " + strconv.Itoa(len(label)) + " characters",
				"RFC 1035 allows " + strconv.Itoa(maxLabel)}
		}
	}
	return name + ".", flaw{}
}

// checkOctets wants letters, digits, "-", "_" and "." only.
func checkOctets(s string) flaw {
	for _, r := range s {
		switch {
		case r >= 0x80:
			return flaw{"domain name " + quote(s) + " has characters outside ASCII",
				"write the labels in their xn-- form (IDNA A-labels)"}
		case r == '\\':
			return flaw{"domain name " + quote(s) + " has an escape", `names with escaped octets can only stand in "records"`}
		case r == '*':
			return flaw{"domain name " + quote(s) + " has a wildcard", `wildcards can only stand in "records"`}
		case !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", r):
			return flaw{"domain name " + quote(s) + " has the character " + strconv.QuoteRune(r),
				`use letters, digits, "-", "_" and "."`}
		}
	}
	return flaw{}
}

// parseMailbox reads a SOA's RNAME, written as a domain name or as
// user@domain (RFC 1035, section 3.3.13).
func parseMailbox(s string) (string, flaw) {
	user, domain, at := strings.Cut(s, "@")
	if !at {
		return parseDomain(s)
	}
	if user == "" || strings.Contains(user, ".") {
		return "", flaw{"the part before @ in " + quote(s) + " must be one label",
			"use a mailbox such as hostmaster@example.com; one with a dot would need an escape"}
	}
	return parseDomain(user + "." + domain)
}

// enclosing calls yield with name and every name above it, without the root.
func enclosing(name string, yield func(string) bool) {
	for name != "" && yield(name) {
		_, name, _ = strings.Cut(name, ".")
	}
}

// parseLabel reads a name of ours: of a region, a check or an instance.
func parseLabel(s string) (string, flaw) {
	const allowed = "abcdefghijklmnopqrstuvwxyz0123456789-_."
	switch {
	case s == "":
		return "", flaw{"the name is empty", "write a short one such as us-east"}
	case len(s) > maxLabel:
		return "", flaw{"the name has " + strconv.Itoa(len(s)) + " characters", "use at most " + strconv.Itoa(maxLabel)}
	case strings.Trim(s, allowed) != "" || strings.Trim(s[:1], "-_.") == "":
		return "", flaw{"the name " + quote(s) + " is not fit for keys and metrics",
			`use lower-case letters, digits, "-", "_" and ".", with a letter or digit first`}
	}
	return s, flaw{}
}
