package protocol

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/steerdns/steerdns/regions"
)

// class is what a key is about.
type class uint8

const (
	other class = iota // not ours to read
	fleetCurrent
	fleetHistory
	votes
	instances
	overrides
	serials
)

// The folders of the classes, under the prefix.
const (
	currentKey      = "fleet/current"
	historyFolder   = "fleet/history/"
	votesFolder     = "votes/"
	instancesFolder = "instances/"
	overridesFolder = "overrides/"
	serialsFolder   = "serials/"
)

// Keys makes and reads the keys of one fleet. Its value is the prefix, with
// the final slash.
type Keys string

func (k Keys) Current() string { return string(k) + currentKey }

// history is the key of the Nth applied fleet file.
func (k Keys) History(n int64) string {
	return fmt.Sprintf("%s%s%012d", string(k), historyFolder, n)
}

func (k Keys) Votes(instance string) string {
	return string(k) + votesFolder + escape(instance)
}

func (k Keys) Instance(name string) string {
	return string(k) + instancesFolder + escape(name)
}

func (k Keys) Override(kind regions.OverrideKind, name string) string {
	return string(k) + overridesFolder + escape(string(kind)) + "/" + escape(name)
}

// Serial is the key of the serial of a zone.
func (k Keys) Serial(zone string) string {
	return string(k) + serialsFolder + escape(zone)
}

// relative is the key as people see it: without the prefix, bounded and
// printable.
func (k Keys) Relative(key string) string {
	rel := strings.TrimPrefix(key, string(k))
	if !printable(rel, 1024) {
		rel = strconv.QuoteToASCII(rel[:min(len(rel), 256)])
	}
	return rel
}

// name is what a key stands for.
type name struct {
	class class
	kind  regions.OverrideKind // overrides
	of    string               // the instance, the zone, or what the override is about
	n     int64                // fleetHistory
}

// parse reads a key. Only keys as these methods make them are accepted:
// another spelling of the same name is an error, never a second value.
func (k Keys) parse(key string) (name, error) {
	rel, ours := strings.CutPrefix(key, string(k))
	folder, rest := split(rel)
	switch {
	case !ours:
		return name{}, nil
	case rel == currentKey:
		return name{class: fleetCurrent}, nil
	case strings.HasPrefix(rel, historyFolder):
		n, err := strconv.ParseInt(rel[len(historyFolder):], 10, 64)
		return k.checked(name{class: fleetHistory, n: n}, key, err)
	case folder == votesFolder:
		of, err := url.PathUnescape(rest)
		return k.checked(name{class: votes, of: of}, key, err)
	case folder == instancesFolder:
		of, err := url.PathUnescape(rest)
		return k.checked(name{class: instances, of: of}, key, err)
	case folder == serialsFolder:
		of, err := url.PathUnescape(rest)
		return k.checked(name{class: serials, of: of}, key, err)
	case folder == overridesFolder:
		kind, last := split(rest)
		of, err := url.PathUnescape(last)
		return k.checked(name{class: overrides, kind: regions.OverrideKind(strings.TrimSuffix(kind, "/")), of: of}, key, err)
	}
	return name{}, nil
}

// checked returns n when n's own key is exactly key.
func (k Keys) checked(n name, key string, err error) (name, error) {
	if err == nil && (k.of(n) != key || n.class != fleetHistory && !printable(n.of, MaxName)) {
		err = fmt.Errorf("a name that is not written as this program writes it")
	}
	return n, err
}

// of makes the key of a name.
func (k Keys) of(n name) string {
	switch n.class {
	case fleetCurrent:
		return k.Current()
	case fleetHistory:
		return k.History(n.n)
	case votes:
		return k.Votes(n.of)
	case instances:
		return k.Instance(n.of)
	case overrides:
		return k.Override(n.kind, n.of)
	case serials:
		return k.Serial(n.of)
	}
	return ""
}

// split cuts behind the first slash: "a/b/c" is "a/" and "b/c".
func split(s string) (folder, rest string) {
	i := strings.IndexByte(s, '/') + 1
	return s[:i], s[i:]
}

// escape keeps a name within one step of a key.
func escape(s string) string { return url.PathEscape(s) }

// HistoryFolder is the range of the history's keys: an Op's Key and End.
func (k Keys) HistoryFolder() (key, end string) { return Folder(string(k) + historyFolder) }

// OverridesFolder is the range of the overrides' keys.
func (k Keys) OverridesFolder() (key, end string) { return Folder(string(k) + overridesFolder) }
