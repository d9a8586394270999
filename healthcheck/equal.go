package healthcheck

import "slices"

// Equal reports whether c and d probe alike: every field is the same.
func (c Check) Equal(d Check) bool {
	return c.Name == d.Name && c.Kind == d.Kind && c.Port == d.Port &&
		c.Interval == d.Interval && c.Timeout == d.Timeout &&
		c.Fall == d.Fall && c.Rise == d.Rise &&
		c.Method == d.Method && c.Path == d.Path && c.Host == d.Host &&
		slices.Equal(c.Headers, d.Headers) && slices.Equal(c.Status, d.Status) &&
		c.Body == d.Body && c.TLSName == d.TLSName && c.SkipVerify == d.SkipVerify
}

// Equal reports whether t and u are the same endpoint probed the same way.
func (t Target) Equal(u Target) bool {
	return t.ID == u.ID && t.Name == u.Name && t.Addr == u.Addr &&
		t.Alias == u.Alias && t.Check.Equal(u.Check)
}
