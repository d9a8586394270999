package store

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/steerdns/steerdns/regions"
)

func binding(serial uint32, content, by string) regions.ZoneSerial {
	return regions.ZoneSerial{Zone: "gslb.example.com.", Serial: serial, Digest: strings.Repeat(content, 64), By: by}
}

// serialOneWins: of several instances that bind a content to the next serial at
// once, one does, and everybody hears of the same.
func serialOneWins(t *testing.T, g ground) {
	a, b := start(t, g.quick(t, "a")), start(t, g.quick(t, "b"))
	var before *regions.ZoneSerial
	for n := range uint32(4) {
		won := race(t, 5, func(i int) error {
			return a.BindSerial(context.Background(), before, binding(100+n, fmt.Sprint(i), "a"))
		})
		if won != 1 {
			t.Errorf("serial %d: %d won", 100+n, won)
		}
		var got [2]regions.ZoneSerial
		for i, end := range []*running{a, b} {
			p := end.picture("the serial", func(p *regions.Picture) bool { return len(p.Serials) == 1 && p.Serials[0].Serial == 100+n })
			got[i] = p.Serials[0]
		}
		if got[0] != got[1] || got[0].At.IsZero() {
			t.Errorf("a sees %+v, b %+v", got[0], got[1])
		}
		before = &got[0]
	}
	if err := a.BindSerial(context.Background(), nil, binding(7, "f", "late")); err == nil {
		t.Error("who saw nothing bound wrote over what is")
	}
	for name, bad := range map[string]regions.ZoneSerial{
		"digest": {Zone: "example.com.", Serial: 1, Digest: "abc", By: "a"},
		"zone":   {Zone: "", Serial: 1, Digest: strings.Repeat("a", 64), By: "a"},
		"by":     {Zone: "example.com.", Serial: 1, Digest: strings.Repeat("a", 64)},
	} {
		if err := a.BindSerial(context.Background(), nil, bad); err == nil {
			t.Errorf("%s: a bad binding was written", name)
		}
	}
}
