package tsig

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
)

// minSecret is the shortest secret that is taken, in octets: 128 bits.
const minSecret = 16

// Problem is one thing that is wrong with a file of keys. It never tells a
// secret.
type Problem struct {
	Line    int // from 1
	Message string
	Fix     string
}

// draft is a key while it is read.
type draft struct {
	line                    int
	name, algorithm, secret string
}

// Parse reads keys as tsig-keygen of BIND writes them
//
//	key "NAME" { algorithm hmac-sha256; secret "BASE64"; };
//
// or as keymgr of Knot DNS does
//
//	key:
//	  - id: NAME
//	    algorithm: hmac-sha256
//	    secret: BASE64
//
// and returns all problems at once. With a problem there is no Ring.
func Parse(text []byte) (*Ring, []Problem) {
	var drafts []draft
	var problems []Problem
	if knotForm.Match(text) {
		drafts, problems = parseKnot(string(text))
	} else {
		drafts, problems = parseBIND(string(text))
	}
	ring := &Ring{keys: map[string]*Key{}}
	for _, d := range drafts {
		k, bad := d.key()
		if k != nil && ring.keys[k.name] != nil {
			bad = append(bad, d.problem("keep one of them", "the key %q is given twice", d.name))
		}
		if problems = append(problems, bad...); k != nil {
			ring.keys[k.name] = k
		}
	}
	if len(drafts) == 0 && len(problems) == 0 {
		problems = append(problems, Problem{1, "there is no key in the file", "write one with: tsig-keygen NAME, or keymgr -t NAME"})
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return ring, nil
}

var knotForm = regexp.MustCompile(`(?m)^key:\s*(#.*)?$`)

func (d draft) problem(fix, format string, args ...any) Problem {
	return Problem{d.line, fmt.Sprintf(format, args...), fix}
}

func (d draft) key() (*Key, []Problem) {
	var problems []Problem
	name, ok := packName(d.name)
	if !ok {
		problems = append(problems, d.problem("use letters, digits, - and _ in labels of at most 63", "the key's name is %.80q", d.name))
	}
	a := findAlgorithm(d.algorithm)
	if a == nil {
		problems = append(problems, d.problem("use hmac-sha256, hmac-sha384 or hmac-sha512", "key %.80q has the algorithm %.40q", d.name, d.algorithm))
	}
	secret, err := base64.StdEncoding.DecodeString(d.secret)
	switch {
	case d.secret == "" || err != nil:
		problems = append(problems, d.problem("write it in base64", "key %.80q: the secret is missing or no base64", d.name))
	case len(secret) < minSecret:
		problems = append(problems, d.problem("make a new one with tsig-keygen or keymgr -t", "key %.80q: the secret has %d octets, fewer than %d", d.name, len(secret), minSecret))
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return &Key{name: name, algorithm: a, secret: secret}, nil
}

func findAlgorithm(text string) *algorithm {
	for _, a := range algorithms {
		if strings.EqualFold(strings.TrimSuffix(text, "."), a.text) {
			return a
		}
	}
	return nil
}

// packName packs the name of a key: plain labels, without escapes.
func packName(text string) (string, bool) {
	var b []byte
	for label := range strings.SplitSeq(strings.TrimSuffix(text, "."), ".") {
		if label == "" || len(label) > maxLabel || !plainLabel.MatchString(label) {
			return "", false
		}
		b = append(append(b, byte(len(label))), strings.ToLower(label)...)
	}
	return string(append(b, 0)), len(b) < maxName
}

var plainLabel = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// nameText is a name as packName reads it.
func nameText(wire string) string {
	var b strings.Builder
	for i := 0; i < len(wire) && wire[i] != 0; i += 1 + int(wire[i]) {
		b.WriteString(wire[i+1:i+1+int(wire[i])] + ".")
	}
	return b.String()
}
