package healthcheck

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// wantJSON reads text as one JSON value and looks for each of the fields.
func wantJSON(text []byte, fields []JSONField) error {
	doc, err := readJSON(text)
	if err != nil {
		return fmt.Errorf("body is not JSON: %s", shorten(err.Error(), 100))
	}
	for _, f := range fields {
		if err := f.look(doc); err != nil {
			return err
		}
	}
	return nil
}

// readJSON reads exactly one value; numbers keep their digits.
func readJSON(text []byte) (doc any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the value")
	}
	return doc, nil
}

func (f JSONField) look(doc any) error {
	for _, s := range f.Steps {
		var ok bool
		if doc, ok = s.into(doc); !ok {
			return fmt.Errorf("body has no %s", f.Path)
		}
	}
	want, err := readJSON([]byte(f.Want))
	if err != nil {
		return badCheck("%q is not JSON", f.Want)
	}
	if !sameScalar(doc, want) {
		return fmt.Errorf("body has %s: %s, want %s", f.Path, writeJSON(doc), f.Want)
	}
	return nil
}

func (s JSONStep) into(doc any) (any, bool) {
	switch v := doc.(type) {
	case map[string]any:
		field, ok := v[s.Name]
		return field, ok && s.Name != ""
	case []any:
		if s.Name != "" || s.Index < 0 || s.Index >= len(v) {
			return nil, false
		}
		return v[s.Index], true
	default:
		return nil, false
	}
}

// sameScalar compares texts, truths and null as they are, and numbers by
// value: 1, 1.0 and 1e0 are the same.
func sameScalar(got, want any) bool {
	switch w := want.(type) {
	case json.Number:
		g, ok := got.(json.Number)
		return ok && (g == w || sameNumber(g, w))
	case string, bool, nil:
		switch got.(type) {
		case string, bool, nil:
			return got == w
		}
	}
	return false
}

func sameNumber(a, b json.Number) bool {
	x, errX := strconv.ParseFloat(a.String(), 64)
	y, errY := strconv.ParseFloat(b.String(), 64)
	return errX == nil && errY == nil && x == y
}

// writeJSON shows a value in a reason.
func writeJSON(v any) string {
	switch v.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "an array"
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "a value"
	}
	return shorten(string(text), 60)
}
