package config

// Dnstap tells a dnstap reader of queries and replies. Exactly one of Socket
// and File is set.
type Dnstap struct {
	Socket string  // `socket`: a Unix socket on which a reader listens
	File   string  // `file`: written anew at each start
	Sample float64 // `sample`: share of the queries, above 0, default 100%
}

func (d *decoder) dnstap(file string, v item) *Dnstap {
	if !v.given() {
		return nil
	}
	t := v.table("socket", "file", "sample")
	out := &Dnstap{
		Socket: resolved(file, t.get("socket"), ""),
		File:   resolved(file, t.get("file"), ""),
		Sample: t.get("sample").sample(1),
	}
	switch socket, path := t.get("socket").given(), t.get("file").given(); {
	case socket && path:
		t.get("file").fail("socket and file are both given", "keep one of them")
	case !socket && !path && v.kind == kindTable:
		v.fail("neither socket nor file is given", "add one of them, or remove the key")
	}
	return out
}

// QueryLog is the log of queries. The zero value means none.
type QueryLog struct {
	Sample float64 // `sample`: share of the queries, above 0
}

func (d *decoder) queryLog(v item) QueryLog {
	if !v.given() {
		return QueryLog{}
	}
	t := v.table("sample")
	return QueryLog{Sample: t.need("sample", "1%").sample(0)}
}

// sample reads a share above 0.
func (v item) sample(def float64) float64 {
	x := v.share(def)
	if v.given() && x == 0 && (v.kind == kindNumber || v.kind == kindText && v.text == "0%") {
		v.fail("a sample of nothing", "write a share above 0, or remove the table")
		return def
	}
	return x
}
