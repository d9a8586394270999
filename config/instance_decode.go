package config

import (
	"net/url"
	"path/filepath"
	"strings"
)

// The word for a fleet file that `steerdns apply` stored, and the word that
// turns a listener off.
const (
	wordEtcd = "etcd"
	wordOff  = "off"
)

func (d *decoder) instance(file string, root item) *Instance {
	t := root.table("name", "region", "fleet", "data", "store", "dns", "geo", "checks", "push", "admin", "log")
	region := t.need("region", "us-east")
	in := &Instance{File: file, Pos: root.at, RegionPos: region.at}
	in.Name, _ = parsed(t.need("name", "us-east-1"), "a name", parseLabel)
	in.Region, _ = parsed(region, "a region name", parseLabel)
	in.Fleet = fleetSource(file, t.need("fleet", `fleet.yaml, or "etcd"`))
	in.Data = resolved(file, t.get("data"), "/var/lib/steerdns")
	in.Store = d.store(file, t.get("store"), in.Data)
	in.DNS = d.dns(file, in.Name, t.get("dns"))
	in.Geo = d.geo(file, t.get("geo"))
	in.Checks = d.instanceChecks(t.get("checks"))
	in.Push = d.push(file, t.get("push"))
	in.Admin = d.admin(t.get("admin"))
	in.Log = d.log(t.get("log"))
	return in
}

// resolved reads a path that is relative to the instance file.
func resolved(file string, v item, def string) string {
	path, ok := parsed(v, "a path", parsePath)
	if !ok {
		return def
	}
	return beside(file, path)
}

func fleetSource(file string, v item) FleetSource {
	if v.given() && v.text == wordEtcd && v.kind == kindText {
		return FleetSource{Pos: v.at, Etcd: true}
	}
	return FleetSource{Pos: v.at, Path: resolved(file, v, "")}
}

func (d *decoder) store(file string, v item, data string) Store {
	def := Store{Embedded: &Embedded{Dir: filepath.Join(data, "etcd")}}
	if !v.given() {
		return def
	}
	t := v.table("embedded", "etcd")
	switch embedded, etcd := t.get("embedded"), t.get("etcd"); {
	case embedded.given() && etcd.given():
		etcd.fail("embedded and etcd are both given", "keep one of them")
	case etcd.given():
		return Store{Etcd: d.etcd(file, etcd)}
	case embedded.given():
		e := embedded.table("dir", "listen")
		def.Embedded.Dir = resolved(file, e.get("dir"), def.Embedded.Dir)
		def.Embedded.Listen, _ = parsed(e.get("listen"), "address:port", parseListen)
	case v.kind == kindTable && len(v.node.table) == 0:
		v.fail("the store is neither embedded nor etcd", "write {embedded: {}} or {etcd: {endpoints: [...]}}, or remove the key")
	}
	return def
}

func (d *decoder) etcd(file string, v item) *Etcd {
	t := v.table("endpoints", "prefix", "ca", "cert", "key", "username", "password", "password_file")
	e := &Etcd{
		Pos:          v.at,
		Endpoints:    etcdEndpoints(t.need("endpoints", "[127.0.0.1:2379]")),
		Prefix:       "/steerdns/",
		CA:           resolved(file, t.get("ca"), ""),
		Cert:         resolved(file, t.get("cert"), ""),
		Key:          resolved(file, t.get("key"), ""),
		PasswordFile: resolved(file, t.get("password_file"), ""),
	}
	if prefix, ok := parsed(t.get("prefix"), "a prefix such as /steerdns/", parseKeyPrefix); ok {
		e.Prefix = prefix
	}
	e.Username, _ = t.get("username").str("a user name")
	e.Password, _ = t.get("password").str("a password")
	d.together(t)
	d.plaintext(t, e)
	return e
}

// together reports keys that need or exclude one another.
func (d *decoder) together(t table) {
	has := func(key string) bool { return t.find(key) != nil }
	secret := has("password") || has("password_file")
	switch {
	case has("cert") && !has("key"):
		t.get("cert").fail("a certificate without a key", "add key: the file with its private key")
	case has("key") && !has("cert"):
		t.get("key").fail("a key without a certificate", "add cert: the file with the certificate")
	}
	switch {
	case has("password") && has("password_file"):
		t.get("password_file").fail("password and password_file are both given", "keep the file")
	case has("username") && !secret:
		t.get("username").fail("a user without a password", "add password_file")
	case secret && !has("username"):
		v := t.get("password")
		if !v.given() {
			v = t.get("password_file")
		}
		v.fail("a password without a user", "add username")
	}
}

// plaintext reports TLS files for endpoints that are asked for without TLS.
func (d *decoder) plaintext(t table, e *Etcd) {
	if e.CA == "" && e.Cert == "" {
		return
	}
	v := t.get("endpoints")
	if !v.given() || v.kind != kindList {
		return
	}
	for _, one := range v.items("endpoints") {
		if strings.HasPrefix(one.text, "http://") {
			one.fail("an endpoint without TLS beside TLS files", "write https://, or remove ca, cert and key")
		}
	}
}

func etcdEndpoints(v item) []string {
	var out []string
	seen := map[string]Pos{}
	list := v.items("endpoints")
	for _, e := range list {
		if s, ok := parsed(e, "an endpoint such as 127.0.0.1:2379", parseEtcdEndpoint); ok && once(seen, e, s, "endpoint "+quote(s)) {
			out = append(out, s)
		}
	}
	if v.given() && v.kind == kindList && len(list) == 0 {
		v.fail("the list is empty", "write at least one endpoint")
	}
	return out
}

func parseEtcdEndpoint(s string) (string, flaw) {
	bad := flaw{"bad endpoint " + quote(s), "write host:port, or http:// or https:// with host and port and no path"}
	full := s
	if !strings.Contains(s, "://") {
		full = "http://" + s
	}
	u, err := url.Parse(full)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Port() == "" {
		return "", bad
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || !isPrintable(s) {
		return "", bad
	}
	return strings.TrimSuffix(s, "/"), flaw{}
}

func parseKeyPrefix(s string) (string, flaw) {
	if len(s) < 2 || s[0] != '/' || !isPrintable(s) || strings.Contains(s, "//") || strings.Contains(s, " ") {
		return "", flaw{"bad prefix " + quote(s), "begin with a slash, as in /steerdns/"}
	}
	return strings.TrimSuffix(s, "/") + "/", flaw{}
}
