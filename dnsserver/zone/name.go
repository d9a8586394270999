package zone

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// Limits of RFC 1035 section 2.3.4, in octets.
const (
	maxName  = 255
	maxLabel = 63
)

var (
	errEmptyName  = errors.New("the name is empty")
	errEmptyLabel = errors.New("the name has an empty label (two dots in a row, or one in front)")
	errLongLabel  = errors.New("a label of the name is longer than 63 octets")
	errLongName   = errors.New("the name is longer than 255 octets")
	errEscape     = errors.New(`a backslash in the name is not followed by a character or by three digits up to 255`)
	errNoOrigin   = errors.New("the name is relative and there is no origin")
)

// PackName turns a name in presentation form (RFC 1035 section 5.1 escapes) into
// uncompressed wire form with ASCII letters lower-cased. A missing final dot is
// supplied: the name is always taken as absolute.
func PackName(name string) ([]byte, error) {
	return appendName(make([]byte, 0, len(name)+2), name, []byte{0})
}

// appendName appends the wire form of name to dst. origin, in wire form,
// completes a relative name and stands for "@".
func appendName(dst []byte, name string, origin []byte) ([]byte, error) {
	start := len(dst)
	dst, err := appendExactName(dst, name, origin)
	if err == nil {
		toLower(dst[start:])
	}
	return dst, err
}

// toLower lower-cases a wire name in place. The octets of lengths are no letters.
func toLower(name []byte) {
	for i, c := range name {
		name[i] = lower(c)
	}
}

// lowerName is a wire name in lower case.
func lowerName(name []byte) string {
	name = slices.Clone(name)
	toLower(name)
	return string(name)
}

// appendExactName is appendName that leaves the case of letters.
func appendExactName(dst []byte, name string, origin []byte) ([]byte, error) {
	switch {
	case name == "":
		return nil, errEmptyName
	case name == ".":
		return append(dst, 0), nil
	case name == "@":
		return append(dst, origin...), nil
	}
	start := len(dst)
	for i := 0; i < len(name); {
		var err error
		if dst, i, err = appendLabel(dst, name, i); err != nil {
			return nil, err
		}
		if i == len(name) && name[i-1] == '.' && !endsEscaped(name) {
			return finishName(append(dst, 0), start)
		}
	}
	if len(origin) == 0 {
		return nil, errNoOrigin
	}
	return finishName(append(dst, origin...), start)
}

func finishName(dst []byte, start int) ([]byte, error) {
	if len(dst)-start > maxName {
		return nil, errLongName
	}
	return dst, nil
}

// endsEscaped reports whether the last character of name is escaped.
func endsEscaped(name string) bool {
	n := 0
	for i := len(name) - 2; i >= 0 && name[i] == '\\'; i-- {
		n++
	}
	return n%2 == 1
}

// appendLabel appends the label of name that begins at i, and returns the
// index after it and its dot.
func appendLabel(dst []byte, name string, i int) ([]byte, int, error) {
	head := len(dst)
	dst = append(dst, 0)
	for i < len(name) && name[i] != '.' {
		c, width, err := unescape(name[i:])
		if err != nil {
			return nil, 0, err
		}
		dst = append(dst, c)
		i += width
	}
	n := len(dst) - head - 1
	if n == 0 {
		return nil, 0, errEmptyLabel
	}
	if n > maxLabel {
		return nil, 0, errLongLabel
	}
	dst[head] = byte(n)
	return dst, min(i+1, len(name)), nil
}

// unescape reads one character of a label and the number of octets it took.
func unescape(s string) (c byte, width int, err error) {
	if s[0] != '\\' {
		return s[0], 1, nil
	}
	if len(s) < 2 {
		return 0, 0, errEscape
	}
	if !isDigit(s[1]) {
		return s[1], 2, nil
	}
	if len(s) < 4 || !isDigit(s[2]) || !isDigit(s[3]) {
		return 0, 0, errEscape
	}
	v := int(s[1]-'0')*100 + int(s[2]-'0')*10 + int(s[3]-'0')
	if v > 255 {
		return 0, 0, errEscape
	}
	return byte(v), 4, nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// NameString gives the presentation form of an uncompressed wire name: absolute,
// with RFC 1035 section 5.1 escapes, so that PackName reads it back. A malformed
// name gives as much as could be read.
func NameString(wire []byte) string {
	if len(wire) == 0 || wire[0] == 0 {
		return "."
	}
	out := make([]byte, 0, len(wire)+4)
	for off := 0; off < len(wire) && wire[off] != 0; {
		end := min(off+1+int(wire[off]), len(wire))
		for _, c := range wire[off+1 : end] {
			out = appendEscaped(out, c)
		}
		out = append(out, '.')
		off = end
	}
	return string(out)
}

func appendEscaped(out []byte, c byte) []byte {
	switch {
	case c == '.' || c == '\\' || c == '"' || c == '(' || c == ')' || c == ';' || c == '@' || c == '$':
		return append(out, '\\', c)
	case c <= ' ' || c >= 0x7f:
		return fmt.Appendf(out, "\\%03d", c)
	}
	return append(out, c)
}

// parentName strips the first label; the root has no parent.
func parentName(name string) (string, bool) {
	if len(name) < 2 {
		return "", false
	}
	return name[1+int(name[0]):], true
}

// within reports whether name is zone or lies below it. Both are wire names.
func within(name, zone string) bool {
	for ; len(name) > len(zone); name = name[1+int(name[0]):] {
	}
	return name == zone
}

func isWildcard(name string) bool { return len(name) > 2 && name[0] == 1 && name[1] == '*' }

// countLabels counts the labels of a wire name without its root.
func countLabels(name string) int {
	n := 0
	for ; len(name) > 1; name = name[1+int(name[0]):] {
		n++
	}
	return n
}

// parseTTL reads seconds, or a sum of units as in 1h30m (w, d, h, m, s).
// ok is false when it is not written like a TTL; the value may exceed any limit
// and saturates well above 32 bits.
func parseTTL(s string) (seconds uint64, ok bool) {
	const far = 1 << 40
	for len(s) > 0 {
		n := 0
		for n < len(s) && isDigit(s[n]) {
			n++
		}
		if n == 0 {
			return 0, false
		}
		v, err := strconv.ParseUint(s[:n], 10, 64)
		if err != nil {
			v = far
		}
		unit := uint64(1)
		if n < len(s) {
			if unit, ok = ttlUnit(s[n]); !ok {
				return 0, false
			}
			n++
		}
		seconds = min(seconds+min(v, far)*unit, far)
		s, ok = s[n:], true
	}
	return seconds, ok
}

func ttlUnit(c byte) (uint64, bool) {
	switch lower(c) {
	case 's':
		return 1, true
	case 'm':
		return 60, true
	case 'h':
		return 3600, true
	case 'd':
		return 86400, true
	case 'w':
		return 604800, true
	}
	return 0, false
}
