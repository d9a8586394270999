package config

import (
	"encoding/json"
	"fmt"
	"testing"
)

func TestJSONPath(t *testing.T) {
	for path, want := range map[string]string{
		"status":            `[{status 0}]`,
		"a.b-c_1":           `[{a 0} {b-c_1 0}]`,
		"[2]":               `[{ 2}]`,
		"nodes[0].x[10][1]": `[{nodes 0} { 0} {x 0} { 10} { 1}]`,
		`["a.b"].c`:         `[{a.b 0} {c 0}]`,
		`a["b\"]"]`:         `[{a 0} {b\ 0}]`, // the name ends at the first "]
		`x["ü [0]"][3]`:     `[{x 0} {ü [0] 0} { 3}]`,
		"":                  "", ".a": "", "a.": "", "a..b": "", "a b": "", "a[": "", "a[]": "", "a[-1]": "", "a[01]": "",
		"a[1000000]": "", `[""]`: "", `["a`: "", "a]": "", "a[0]b": "", "a.[0]": "",
	} {
		steps, f := parseJSONPath(path)
		got := ""
		if f == (flaw{}) {
			got = fmt.Sprint(steps)
		}
		if path == `a["b\"]"]` {
			want = "" // `"]` follows, which is no step
		}
		if got != want {
			t.Errorf("%q: %s, want %s", path, got, want)
		}
	}
}

func FuzzJSONPath(f *testing.F) {
	f.Add(`a[0]["x.y"].z`)
	f.Fuzz(func(t *testing.T, path string) {
		steps, fl := parseJSONPath(path)
		if (len(steps) == 0) != (fl != flaw{}) || len(steps) > maxSteps {
			t.Errorf("%q: %v, %v", path, steps, fl)
		}
		for _, s := range steps {
			if s.Name == "" && s.Index < 0 || s.Name != "" && s.Index != 0 {
				t.Errorf("%q: step %+v", path, s)
			}
		}
	})
}

func FuzzJSONText(f *testing.F) {
	f.Add("a\"\\\n\x00ü")
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		if err := json.Unmarshal([]byte(jsonText(s)), &back); err != nil || back != string([]rune(s)) {
			t.Errorf("%q: %q, %v", s, back, err)
		}
	})
}
