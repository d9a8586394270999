package zone

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPackName(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, tc := range []struct {
		name, wire string
		err        error
	}{
		{".", "\x00", nil},
		{"Example.COM.", "\x07example\x03com\x00", nil},
		{"example.com", "\x07example\x03com\x00", nil},
		{`a\.b.c.`, "\x03a.b\x01c\x00", nil},
		{`a\\.b.`, "\x02a\\\x01b\x00", nil},
		{`a\\\..`, "\x03a\\.\x00", nil},
		{`end\.`, "\x04end.\x00", nil},
		{`\065\200\000.`, "\x03a\xc8\x00\x00", nil},
		{"Ä.", "\x02\xc3\x84\x00", nil},
		{long + ".", "?" + long + "\x00", nil},
		{"", "", errEmptyName},
		{"..", "", errEmptyLabel},
		{".a.", "", errEmptyLabel},
		{"a..b.", "", errEmptyLabel},
		{long + "a.", "", errLongLabel},
		{strings.Repeat(long+".", 4), "", errLongName},
		{strings.Repeat(long+".", 3) + long[:61] + ".", "?" + strings.Repeat(long+"?", 2) + long + "=" + long[:61] + "\x00", nil},
		{`a\25.`, "", errEscape},
		{`a\256.`, "", errEscape},
		{`a\`, "", errEscape},
	} {
		got, err := PackName(tc.name)
		if err != tc.err || string(got) != tc.wire {
			t.Errorf("PackName(%q) = %q, %v; want %q, %v", tc.name, got, err, tc.wire, tc.err)
		}
	}
}

func TestRelativeNames(t *testing.T) {
	origin := []byte("\x01z\x00")
	for name, want := range map[string]string{"@": "\x01z\x00", "a": "\x01a\x01z\x00", `a\.`: "\x02a.\x01z\x00", "a.": "\x01a\x00"} {
		if got, err := appendName(nil, name, origin); err != nil || string(got) != want {
			t.Errorf("%q: %q, %v; want %q", name, got, err, want)
		}
	}
	if _, err := appendName(nil, "a", nil); err != errNoOrigin {
		t.Errorf("without origin: %v", err)
	}
}

func TestNamesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var wire []byte
		for _, label := range rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 30), 0, 7).Draw(t, "labels") {
			wire = append(wire, byte(len(label)))
			for _, c := range label {
				wire = append(wire, lower(c))
			}
		}
		wire = append(wire, 0)
		got, err := PackName(NameString(wire))
		if err != nil || !bytes.Equal(got, wire) {
			t.Fatalf("%q became %q, then %q, %v", wire, NameString(wire), got, err)
		}
	})
}

func TestNameStringOfMalformedNames(t *testing.T) {
	for _, wire := range []string{"", "\x05ab", "\x01a", "\xff", "\x00junk"} {
		if s := NameString([]byte(wire)); !strings.HasSuffix(s, ".") {
			t.Errorf("%q: %q", wire, s)
		}
	}
}

func TestParseTTL(t *testing.T) {
	for text, want := range map[string]uint64{"0": 0, "300": 300, "1h30m": 5400, "1W2d3H4M5s": 788645, "1h30": 3630, "18446744073709551616w": 1 << 40} {
		if got, ok := parseTTL(text); !ok || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "h", "1y", "-1", "1h m", "1hm"} {
		if got, ok := parseTTL(text); ok {
			t.Errorf("%q gave %d", text, got)
		}
	}
}
