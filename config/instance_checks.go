package config

func (d *decoder) instanceChecks(v item) Checks {
	t := v.table("max_in_flight", "max_per_address", "allow_exec")
	most := t.get("max_in_flight").integer(4096, 1, 100000)
	return Checks{
		MaxInFlight:   int(most),
		MaxPerAddress: int(t.get("max_per_address").integer(min(64, most), 1, most)),
		AllowExec:     d.programs(t.get("allow_exec")),
	}
}

func (d *decoder) programs(v item) []string {
	var out []string
	seen := map[string]Pos{}
	for _, e := range v.items("programs") {
		s, ok := e.str("the absolute path of a program")
		switch {
		case ok && !isProgram(s):
			e.fail("bad program "+quote(s), "write its absolute path, as checks have it in command")
		case ok && once(seen, e, s, "program "+quote(s)):
			out = append(out, s)
		}
	}
	return out
}

func (d *decoder) push(file string, v item) Push {
	if !v.given() {
		return Push{}
	}
	t := v.table("listen", "tokens", "cert", "key")
	p := Push{
		Tokens: resolved(file, t.need("tokens", "push-tokens"), ""),
		Cert:   resolved(file, t.get("cert"), ""),
		Key:    resolved(file, t.get("key"), ""),
	}
	listen := t.need("listen", "192.0.2.53:8054")
	p.Listen, _ = parsed(listen, "address:port", parseListen)
	cert, key := t.get("cert"), t.get("key")
	switch {
	case cert.given() && !key.given():
		cert.fail("a certificate without a key", "add key: the file with its private key")
	case key.given() && !cert.given():
		key.fail("a key without a certificate", "add cert: the file with the certificate")
	case !cert.given() && p.Listen.IsValid() && !p.Listen.Addr().IsLoopback():
		listen.fail("reports without TLS beyond this machine would show their tokens", "add cert and key, or listen on 127.0.0.1 behind a proxy that speaks TLS")
	}
	return p
}
