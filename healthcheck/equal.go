package healthcheck

import (
	"reflect"
	"regexp"
	"slices"
)

// Equal reports whether c and d probe alike: every field says the same.
func (c Check) Equal(d Check) bool {
	if !samePattern(c.Pattern, d.Pattern) || !slices.EqualFunc(c.Of, d.Of, Check.Equal) {
		return false
	}
	c.Pattern, d.Pattern, c.Of, d.Of = nil, nil, nil, nil
	return reflect.DeepEqual(c, d)
}

func samePattern(a, b *regexp.Regexp) bool {
	return a == b || a != nil && b != nil && a.String() == b.String()
}

// Equal reports whether t and u are the same endpoint probed the same way.
func (t Target) Equal(u Target) bool {
	return t.ID == u.ID && t.Name == u.Name && t.Addr == u.Addr &&
		t.Alias == u.Alias && t.Check.Equal(u.Check)
}
