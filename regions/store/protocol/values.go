package protocol

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/steerdns/steerdns/regions"
)

// Bounds of what is believed. They depend on nothing but the value, so that
// every instance believes the same.
const (
	MaxVotes = 20_000               // in one ballot
	MaxBeat  = 5 * time.Minute      // of a ballot
	MaxDrain = 366 * 24 * time.Hour // from an override's creation to its expiry

	MaxFleetText  = 1 << 20  // bytes of a fleet file
	MaxFleetFiles = 16 << 20 // bytes of all files it names, together
	maxFleetNames = 256      // files it names

	MaxName      = 512  // bytes of any name
	maxWords     = 1024 // bytes of what a person wrote
	maxAddresses = 64   // of an instance

	maxBallots   = 256
	maxInstances = 256
	maxOverrides = 4096
	maxSerials   = 4096
	maxHeld      = 2 * (maxBallots + maxInstances + maxOverrides + maxSerials)

	packFrom     = 64 << 10 // larger values are gzipped
	MaxRequest   = 3 << 19  // etcd's default limit of one request, 1.5 MiB
	maxSmall     = 64 << 10 // an instance, an override: bytes of JSON
	maxBallot    = 16 << 20 // bytes of JSON
	maxFleetJSON = 40 << 20 // bytes of JSON; escapes make text longer
)

var (
	earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

// sane says whether t is a time somebody may have meant.
func sane(t time.Time) bool { return t.After(earliest) && t.Before(latest) }

// IsName says whether s can name something: 1 to MaxName bytes of printable
// text.
func IsName(s string) bool { return printable(s, MaxName) }

// printable says whether s is 1 to limit bytes of printable text.
func printable(s string, limit int) bool {
	return s != "" && blankOrPrintable(s, limit)
}

func blankOrPrintable(s string, limit int) bool {
	if len(s) > limit || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// Pack writes a value as JSON, gzipped when large.
func Pack(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil || len(data) <= packFrom {
		return data, err
	}
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// unpack reads what Pack wrote, of at most limit bytes of JSON, and nothing
// behind it. Unknown fields pass: a newer instance may write them.
func unpack(data []byte, limit int, into any) error {
	data, err := unzip(data, limit)
	if err != nil {
		return err
	}
	if !utf8.Valid(data) {
		return errors.New("not UTF-8")
	}
	return json.Unmarshal(data, into)
}

func unzip(data []byte, limit int) ([]byte, error) {
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		if data, err = io.ReadAll(io.LimitReader(r, int64(limit)+1)); err != nil {
			return nil, err
		}
	}
	if len(data) > limit {
		return nil, fmt.Errorf("more than %d bytes", limit)
	}
	return data, nil
}

// checkInstance refuses an instance that cannot be true.
func checkInstance(i regions.Instance) error {
	switch {
	case !printable(i.Region, MaxName):
		return errors.New("region: want printable text")
	case len(i.DNS) > maxAddresses:
		return fmt.Errorf("more than %d DNS addresses", maxAddresses)
	case !sane(i.Started):
		return fmt.Errorf("started at %v", i.Started)
	}
	for _, s := range append([]string{i.Admin, i.Version, i.Epoch, i.Geo}, i.DNS...) {
		if !blankOrPrintable(s, MaxName) {
			return fmt.Errorf("DNS address, admin, version, epoch or geo: want at most %d bytes of printable text", MaxName)
		}
	}
	return nil
}

// CheckOverride refuses an override that cannot be true.
func CheckOverride(o regions.Override) error {
	switch {
	case !o.Kind.Valid():
		return fmt.Errorf("kind %q: want region, service, endpoint or failback", o.Kind)
	case !o.Action.Valid():
		return fmt.Errorf("action %q: want none (a drain) or %q", o.Action, regions.ActionPin)
	case o.Kind == regions.OverrideFailback && o.Action != "":
		return errors.New("a failback with an action: it has none")
	case o.Keep < 0:
		return fmt.Errorf("keep %d: want 0 or more", o.Keep)
	case !printable(o.Name, MaxName):
		return fmt.Errorf("name: want 1 to %d bytes of printable text", MaxName)
	case !printable(o.Owner, MaxName):
		return fmt.Errorf("owner: want 1 to %d bytes of printable text", MaxName)
	case !printable(o.Reason, maxWords):
		return fmt.Errorf("reason: want 1 to %d bytes of printable text", maxWords)
	case !sane(o.Created) || !sane(o.Expires):
		return fmt.Errorf("created at %v, expires at %v", o.Created, o.Expires)
	case !o.Expires.After(o.Created):
		return errors.New("expires before it was created")
	case o.Expires.Sub(o.Created) > MaxDrain:
		return fmt.Errorf("lasts longer than %v", MaxDrain)
	}
	return nil
}

// CheckFleet refuses a fleet file out of bounds. What it says is config's matter.
func CheckFleet(f regions.FleetFile) error {
	switch {
	case f.Text == "" || len(f.Text) > MaxFleetText || !utf8.ValidString(f.Text):
		return fmt.Errorf("text: want 1 to %d bytes of UTF-8, not %d", MaxFleetText, len(f.Text))
	case len(f.Files) > maxFleetNames:
		return fmt.Errorf("names %d files: want at most %d", len(f.Files), maxFleetNames)
	case !isDigest(f.Hash):
		return errors.New("hash: want 64 hexadecimal digits")
	case !printable(f.By, MaxName):
		return fmt.Errorf("by: want 1 to %d bytes of printable text", MaxName)
	case !sane(f.At):
		return fmt.Errorf("applied at %v", f.At)
	case f.N < 1:
		return fmt.Errorf("number %d", f.N)
	}
	return checkFiles(f.Files)
}

func checkFiles(files map[string]string) error {
	total := 0
	for name, text := range files {
		if !printable(name, maxWords) || !utf8.ValidString(text) {
			return fmt.Errorf("file %.40q: want a printable name and UTF-8", name)
		}
		total += len(text)
	}
	if total > MaxFleetFiles {
		return fmt.Errorf("files of %d bytes in all: want at most %d", total, MaxFleetFiles)
	}
	return nil
}

func isDigest(s string) bool {
	for _, c := range []byte(s) {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f') {
			return false
		}
	}
	return len(s) == 64
}
