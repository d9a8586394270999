package config

import "strings"

// json reads what a JSON body must hold: paths and values.
func (d *fleetDecoder) json(v item) []JSONField {
	if !v.is(kindTable, "a table of paths and values", "write {status: ok, \"nodes[0].ready\": true}") {
		return nil
	}
	var out []JSONField
	for _, e := range v.node.table {
		steps, f := parseJSONPath(e.key)
		want, ok := v.sub(e).jsonScalar()
		if !v.sub(e).atKey(e).flawed(f) && ok {
			out = append(out, JSONField{Path: e.key, Steps: steps, Want: want})
		}
	}
	if len(v.node.table) == 0 {
		v.fail("the table is empty", "write at least one path and value, or remove the key")
	}
	return out
}

// jsonScalar reads a text, a number, true or false, in JSON's notation.
func (v item) jsonScalar() (string, bool) {
	switch v.kind {
	case kindText:
		return jsonText(v.text), true
	case kindBool:
		return v.text, true
	case kindNumber:
		if x, ok := parseReal(v.text); ok {
			return float(x), true
		}
		v.fail("number "+clip(v.text)+" is not a decimal one", "write it in plain digits, such as 16 or 0.5, or in quotes if it is a text")
		return "", false
	}
	v.fail("want a text, a number, true or false, got "+v.kind.String(), "a path leads to one value of those kinds")
	return "", false
}

// jsonText writes s as a JSON text (RFC 8259, section 7). s is UTF-8.
func jsonText(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ':
			b.WriteString("\\u00")
			b.WriteByte("0123456789abcdef"[r>>4])
			b.WriteByte("0123456789abcdef"[r&15])
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// maxSteps bounds how deep a path leads.
const maxSteps = 16

// parseJSONPath reads a path: names between dots, [n] for the n-th element of
// an array from 0, and ["a.b"] for a name with other characters.
func parseJSONPath(s string) ([]JSONStep, flaw) {
	bad := flaw{"bad path " + quote(s), "write names between dots and [0] for an element, such as nodes[0].state; a name with other characters as [\"a.b\"]"}
	var out []JSONStep
	for rest := s; ; {
		step, after, ok := cutStep(rest, len(out) == 0)
		if !ok || len(out) == maxSteps {
			return nil, bad
		}
		out = append(out, step)
		if rest = after; rest == "" {
			return out, flaw{}
		}
	}
}

// cutStep takes the first step off a path.
func cutStep(s string, first bool) (step JSONStep, rest string, ok bool) {
	switch {
	case strings.HasPrefix(s, `["`):
		step.Name, rest, ok = strings.Cut(s[2:], `"]`)
		return step, rest, ok && step.Name != ""
	case strings.HasPrefix(s, "["):
		var digits string
		digits, rest, ok = strings.Cut(s[1:], "]")
		n, isNumber := parseInteger(digits)
		return JSONStep{Index: int(n)}, rest, ok && isNumber && n >= 0 && n < 1e6
	case !first && !strings.HasPrefix(s, "."):
		return step, "", false
	}
	s = strings.TrimPrefix(s, map[bool]string{false: "."}[first])
	end := strings.IndexAny(s, ".[")
	if end < 0 {
		end = len(s)
	}
	step.Name = s[:end]
	return step, s[end:], plainKey(step.Name)
}
