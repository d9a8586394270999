package healthcheck

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "status 200", "a\r\nb\x00", "\xff\xfe", strings.Repeat("é", 150), strings.Repeat("x", 199) + "é", "\u202eevil", "\ufffd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if len(got) > MaxReason || !utf8.ValidString(got) {
			t.Errorf("clean(%q) = %q: %d bytes, valid %v", s, got, len(got), utf8.ValidString(got))
		}
		if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("clean(%q) = %q is not printable", s, got)
		}
		if clean(got) != got {
			t.Errorf("clean is not idempotent for %q", s)
		}
	})
}

func TestCleanKeepsAndCuts(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"status 503, want 200-399", "status 503, want 200-399"},
		{"naïve", "naïve"},
		{"a\tb", "a?b"},
		{strings.Repeat("x", MaxReason), strings.Repeat("x", MaxReason)},
		{strings.Repeat("x", MaxReason+1), strings.Repeat("x", MaxReason-3) + "..."},
		{strings.Repeat("é", MaxReason), strings.Repeat("é", (MaxReason-3)/2) + "..."},
	} {
		if got := clean(c.in); got != c.want {
			t.Errorf("clean(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}
