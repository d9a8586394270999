package healthcheck

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

const maxBody = 64 << 10 // of the answer that is looked at

// response is an answer over HTTP, whatever the version.
type response struct {
	status int
	header http.Header
	body   io.Reader
}

// judge says whether a response is what the check wants.
func (c Check) judge(r response) (string, error) {
	found := fmt.Sprintf("status %d", r.status)
	if !accepts(c.Status, r.status) {
		return "", fmt.Errorf("%s, want %s", found, statusText(c.Status))
	}
	for _, want := range c.Fields {
		if err := wantField(r.header, want); err != nil {
			return "", err
		}
	}
	if len(c.JSON) > 0 {
		return found, c.judgeWhole(r.body)
	}
	if !c.wantsAnswer() {
		return found, nil
	}
	return found, c.findIn(r.body, "body")
}

func wantField(h http.Header, want Header) error {
	values := h.Values(want.Name)
	switch {
	case slices.Contains(values, want.Value):
		return nil
	case len(values) == 0:
		return fmt.Errorf("header %s is missing", want.Name)
	default:
		return fmt.Errorf("header %s is %q, want %q", want.Name, shorten(values[0], 60), shorten(want.Value, 60))
	}
}

// wantsAnswer says whether what the target says matters at all.
func (c Check) wantsAnswer() bool { return c.Body != "" || c.Pattern != nil }

// judgeWhole reads the whole body, which must be JSON of at most maxBody bytes.
func (c Check) judgeWhole(body io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	switch {
	case err != nil:
		return &failure{reading, err}
	case len(text) > maxBody:
		return fmt.Errorf("body is longer than 64 KiB, too long to be read as JSON")
	}
	if c.wantsAnswer() {
		if err := c.findIn(bytes.NewReader(text), "body"); err != nil {
			return err
		}
	}
	return wantJSON(text, c.JSON)
}

// findIn reads until Body and Pattern have occurred, at most maxBody bytes.
// what names the text in reasons.
func (c Check) findIn(text io.Reader, what string) error {
	var (
		limited = io.LimitReader(text, maxBody)
		seen    = make([]byte, 0, 4<<10)
		chunk   = make([]byte, 4<<10)
		s       = sought{text: []byte(c.Body), pattern: c.Pattern}
	)
	for {
		n, err := limited.Read(chunk)
		seen = append(seen, chunk[:n]...)
		switch {
		case s.look(seen, n, err != nil):
			return nil
		case err == io.EOF:
			return s.missing(what, len(seen))
		case err != nil:
			return &failure{step("reading the " + what), err}
		}
	}
}

// patternBudget is how many bytes a pattern is tried on after each read. Past
// it, only when the text has doubled, and at the end: what trickles in costs no
// more than five times what comes at once.
const patternBudget = 2 * maxBody

// sought is what a text must still hold.
type sought struct {
	text    []byte
	pattern *regexp.Regexp
	tried   int // bytes on which pattern was tried, in all
	last    int // bytes on which it was tried last
}

// look takes in the n new bytes at the end of seen and says whether all has
// occurred. atEnd: nothing more comes, for whatever reason.
func (s *sought) look(seen []byte, n int, atEnd bool) bool {
	if len(s.text) > 0 && bytes.Contains(seen[max(0, len(seen)-n-len(s.text)+1):], s.text) {
		s.text = nil
	}
	if s.pattern != nil && (atEnd || s.tried < patternBudget || len(seen) >= 2*s.last) {
		s.last = len(seen)
		if s.tried += len(seen); s.pattern.Match(seen) {
			s.pattern = nil
		}
	}
	return len(s.text) == 0 && s.pattern == nil
}

func (s *sought) missing(what string, length int) error {
	want := fmt.Sprintf("lacks %q", shorten(string(s.text), 80))
	if len(s.text) == 0 {
		want = fmt.Sprintf("does not match %q", shorten(s.pattern.String(), 80))
	}
	if length >= maxBody {
		want += " in its first 64 KiB"
	}
	return fmt.Errorf("%s %s", what, want)
}

func accepts(ranges []StatusRange, status int) bool {
	for _, r := range ranges {
		if r.From <= status && status <= r.To {
			return true
		}
	}
	return false
}

// statusText writes ranges as the configuration does: "200-299,304".
func statusText(ranges []StatusRange) string {
	if len(ranges) == 0 {
		return "none"
	}
	texts := make([]string, len(ranges))
	for i, r := range ranges {
		texts[i] = fmt.Sprintf("%d-%d", r.From, r.To)
		if r.From == r.To {
			texts[i] = fmt.Sprint(r.From)
		}
	}
	return strings.Join(texts, ",")
}
