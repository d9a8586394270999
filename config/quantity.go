package config

import (
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// units of a duration.
var units = []struct {
	name string
	unit time.Duration
}{
	{"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute},
	{"h", time.Hour}, {"d", day}, {"w", 7 * day},
}

// maxDuration keeps sums far from overflow; it is above any bound of ours.
const maxDuration = 36500 * day

// parseDuration reads whole numbers with units, as in 500ms, 10s or 1h30m.
func parseDuration(s string) (time.Duration, flaw) {
	bad := flaw{"bad duration " + quote(s), "write whole numbers with a unit, such as 500ms, 10s, 5m, 1h30m or 14d"}
	var sum time.Duration
	for rest := s; ; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.ParseInt(rest[:digits], 10, 64)
		if err != nil {
			return 0, bad
		}
		rest = rest[digits:]
		letters := len(rest) - len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyz"))
		unit := unitOf(rest[:letters])
		if unit == 0 {
			return 0, bad
		}
		if n > int64(maxDuration/unit) || sum > maxDuration {
			return 0, flaw{"duration " + quote(s) + " is longer than a century", "check the number and the unit"}
		}
		sum += time.Duration(n) * unit
		if rest = rest[letters:]; rest == "" {
			return sum, flaw{}
		}
	}
}

func unitOf(name string) time.Duration {
	for _, u := range units {
		if u.name == name {
			return u.unit
		}
	}
	return 0
}

// writeDuration writes d with the largest unit that fits, as parseDuration
// reads it.
func writeDuration(d time.Duration) string {
	for i := len(units) - 1; i > 0; i-- {
		if u := units[i]; u.name != "w" && d >= u.unit && d%u.unit == 0 {
			return strconv.FormatInt(int64(d/u.unit), 10) + u.name
		}
	}
	if d == 0 {
		return "0s"
	}
	return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
}

// duration reads a duration from lo to hi.
func (v item) duration(def, lo, hi time.Duration) time.Duration {
	if v.given() && v.kind == kindNumber {
		v.fail("a duration without a unit", "write "+clip(v.text)+"s if seconds are meant")
		return def
	}
	d, ok := parsed(v, "a duration such as 10s", parseDuration)
	if !ok {
		return def
	}
	if d < lo || d > hi {
		v.fail("duration "+quote(v.text)+" is out of range", "write "+writeDuration(lo)+" to "+writeDuration(hi))
		return def
	}
	return d
}

// seconds reads a duration of whole seconds from lo to hi.
func (v item) seconds(def, lo, hi time.Duration) time.Duration {
	d := v.duration(def, lo, hi)
	if d%time.Second != 0 {
		v.fail("duration "+quote(v.text)+" is not in whole seconds", "DNS counts in seconds; write one such as 5s")
		return def
	}
	return d
}

// integer reads a whole number from lo to hi.
func (v item) integer(def, lo, hi int64) int64 {
	between := strconv.FormatInt(lo, 10) + " to " + strconv.FormatInt(hi, 10)
	if !v.is(kindNumber, "a whole number", "write a number from "+between+" in plain digits, without quotes") {
		return def
	}
	n, ok := parseInteger(v.text)
	switch {
	case !ok:
		v.fail("number "+clip(v.text)+" is not a whole one", "write "+between+", in plain digits")
		return def
	case n < lo || n > hi:
		v.fail("number "+clip(v.text)+" is out of range", "write "+between)
		return def
	}
	return n
}

// parseInteger reads plain digits with a sign: no other base, no leading
// zeros, which YAML 1.1 takes for octal.
func parseInteger(s string) (int64, bool) {
	digits := strings.TrimPrefix(s, "-")
	if strings.HasPrefix(digits, "+") || len(digits) > 1 && digits[0] == '0' {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// real reads a decimal number from lo to hi.
func (v item) real(def, lo, hi float64) float64 {
	between := float(lo) + " to " + float(hi)
	if !v.is(kindNumber, "a number", "write a number from "+between+" in plain digits, without quotes") {
		return def
	}
	x, ok := parseReal(v.text)
	if !ok || x < lo || x > hi {
		v.fail("number "+clip(v.text)+" is out of range", "write a number from "+between)
		return def
	}
	return x
}

// parseReal reads a finite number in decimal notation.
func parseReal(s string) (float64, bool) {
	if strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, false
	}
	x, err := strconv.ParseFloat(s, 64)
	return x, err == nil && !math.IsInf(x, 0)
}

func float(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// share reads a part of a whole, as in 50% or 0.5.
func (v item) share(def float64) float64 {
	if v.given() && v.kind == kindText {
		x, ok := parsed(v, "a share such as 50%", parsePercentage)
		if !ok {
			return def
		}
		return x
	}
	if v.given() && v.kind == kindNumber {
		if x, ok := parseReal(v.text); ok && x >= 0 && x <= 1 {
			return x
		}
		v.fail("share "+clip(v.text)+" is out of range", "write 0 to 1, or a percentage such as 50%")
		return def
	}
	v.is(kindText, "a share such as 50%", "write a percentage such as 50%, or a number from 0 to 1")
	return def
}

func parsePercentage(s string) (float64, flaw) {
	number, percent := strings.CutSuffix(s, "%")
	x, ok := parseReal(number)
	if !percent || !ok || x < 0 || x > 100 {
		return 0, flaw{"bad share " + quote(s), "write 0% to 100%, or a number from 0 to 1"}
	}
	return x / 100, flaw{}
}

// maxBiasKm is half the Earth's circumference, about.
const maxBiasKm = 20000

func parseKm(s string) (float64, flaw) {
	number, km := strings.CutSuffix(s, "km")
	x, ok := parseReal(number)
	if !km || !ok || math.Abs(x) > maxBiasKm {
		return 0, flaw{"bad distance " + quote(s), "write kilometres such as 500km or -200km, 20000km at most"}
	}
	return x, flaw{}
}

// km reads a distance in kilometres.
func (v item) km(def float64) float64 {
	if v.given() && v.kind == kindNumber {
		v.fail("a distance without a unit", "write "+clip(v.text)+"km if kilometres are meant")
		return def
	}
	if x, ok := parsed(v, "a distance such as 500km", parseKm); ok {
		return x
	}
	return def
}
