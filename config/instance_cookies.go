package config

// Cookies is about DNS cookies (RFC 7873, RFC 9018).
type Cookies struct {
	SecretsFile string // `secrets_file`: the fleet's secrets, one a line; "" (the default): a random one of this process
	Require     bool   // `require`: BADCOOKIE for UDP clients that send a cookie but no valid one; default false
}

func (d *decoder) cookies(file string, v item) Cookies {
	t := v.table("secrets_file", "require")
	return Cookies{
		SecretsFile: resolved(file, t.get("secrets_file"), ""),
		Require:     t.get("require").yes(false),
	}
}

// maxIdentity is one character string of DNS (RFC 1035 3.3).
const maxIdentity = 255

// disclosed reads what the server says of itself: def when left out, "" for
// "off".
func (v item) disclosed(def string) string {
	s, ok := parsed(v, `text, or "off"`, parseDisclosed)
	switch {
	case !ok:
		return def
	case s == wordOff:
		return ""
	}
	return s
}

func parseDisclosed(s string) (string, flaw) {
	if s == "" || len(s) > maxIdentity || !isPrintable(s) {
		return "", flaw{"text " + quote(s) + " cannot be told", `write 1 to 255 printable ASCII characters, or "off"`}
	}
	return s, flaw{}
}
