package protocol

// Memo remembers what values mean. That depends on nothing but the value, so
// Readers in one goroutine may share one. It grows with every value.
type Memo struct{ known map[memoKey]memoValue }

// memoKey is a value by its place in memory: values are never changed.
type memoKey struct {
	key  string
	data *byte
}

type memoValue struct {
	name   name
	parsed parsed
}

// NewMemo makes an empty one.
func NewMemo() *Memo { return &Memo{known: map[memoKey]memoValue{}} }

func (m *Memo) decode(k Keys, e Entry) (name, parsed) {
	if m == nil || len(e.Value) == 0 {
		return k.decode(e.Key, e.Value)
	}
	id := memoKey{e.Key, &e.Value[0]}
	v, known := m.known[id]
	if !known {
		v.name, v.parsed = k.decode(e.Key, e.Value)
		m.known[id] = v
	}
	return v.name, v.parsed
}
