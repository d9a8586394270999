package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strings"
	"time"
)

// maxTTL is the largest TTL of RFC 2181, section 8, in whole days.
const maxTTL = 24855 * day

func (d *fleetDecoder) zone(v item) Zone {
	before := len(d.problems)
	t := v.table("name", "ttl", "soa", "ns", "records", "file", "sha256", "transfer")
	z := d.zoneText(t)
	z.TTL = t.get("ttl").seconds(time.Hour, 0, maxTTL)
	z.NS = d.nameServers(t.get("ns"))
	if soa := t.get("soa"); soa.given() {
		z.SOA = d.soa(soa, &z)
	}
	if z.Records.Pos.Line == 0 && !t.get("records").given() && !t.get("file").given() {
		t.need("soa", `{mname: ns1.gslb.example.com, rname: hostmaster.example.com}, or "records" or "file" that hold it`)
		t.need("ns", `[ns1.gslb.example.com], or "records" or "file" that hold them`)
	}
	z.Partial = len(d.problems) > before
	z.Transfer = d.transfer(t.get("transfer"))
	return z
}

// zoneText reads the name of a zone and its records.
func (d *fleetDecoder) zoneText(t table) Zone {
	before := len(d.problems)
	name := t.need("name", "gslb.example.com")
	z := Zone{Pos: name.at}
	z.Name, _ = parsed(name, "a domain name", parseDomain)
	d.zones.define(name, z.Name)
	d.text(&z, t)
	z.unread = z.Name == "" || len(d.problems) > before
	return z
}

func (d *fleetDecoder) nameServers(v item) []NameServer {
	var out []NameServer
	seen := map[string]Pos{}
	list := v.items("domain names")
	for _, e := range list {
		if name, ok := parsed(e, "a domain name", parseDomain); ok && once(seen, e, name, "name server "+name) {
			out = append(out, NameServer{e.at, name})
		}
	}
	if v.given() && v.kind == kindList && len(list) == 0 {
		v.fail("the list is empty", "write at least one, or remove the key when the records hold them")
	}
	return out
}

func (d *fleetDecoder) soa(v item, z *Zone) *SOA {
	t := v.table("mname", "rname", "serial", "refresh", "retry", "expire", "negative_ttl", "ttl")
	s := &SOA{
		Pos:         v.at,
		MName:       d.primary(t.get("mname"), z),
		RName:       "hostmaster." + z.Name,
		Serial:      uint32(t.get("serial").integer(1, 0, 1<<32-1)),
		Written:     t.find("serial") != nil,
		Refresh:     t.get("refresh").seconds(time.Hour, time.Second, maxTTL),
		Retry:       t.get("retry").seconds(15*time.Minute, time.Second, maxTTL),
		Expire:      t.get("expire").seconds(14*day, time.Second, maxTTL),
		NegativeTTL: t.get("negative_ttl").seconds(time.Minute, 0, maxTTL),
		TTL:         t.get("ttl").seconds(time.Hour, 0, maxTTL),
	}
	if rname, ok := parsed(t.get("rname"), "a domain name", parseMailbox); ok {
		s.RName = rname
	}
	if s.Expire < s.Refresh {
		t.get("expire").fail("expire is shorter than refresh", "write more than "+writeDuration(s.Refresh))
	}
	return s
}

// primary is the SOA's MNAME, by default the first name server.
func (d *fleetDecoder) primary(v item, z *Zone) string {
	if !v.given() && len(z.NS) > 0 {
		return z.NS[0].Name
	}
	if !v.given() {
		v.fail("is missing, and there is no ns to take it from", "add mname: ns1.gslb.example.com, or list ns")
	}
	name, _ := parsed(v, "a domain name", parseDomain)
	return name
}

// text fills in the zone's records, inline or from a file.
func (d *fleetDecoder) text(z *Zone, t table) {
	records, file := t.get("records"), t.get("file")
	if records.given() && file.given() {
		file.fail("records and file are both given", "keep one of them; $INCLUDE is not needed")
	}
	if s, ok := records.str("master-file text"); ok {
		if !records.block {
			records.fail("the records are not a literal block",
				`write "records: |" and the lines below it, indented, so that problems in them can be found by line`)
		}
		z.Records = Text{s, records.lines}
	}
	pin, pinned := parsed(t.get("sha256"), "a SHA-256 sum", parseSum)
	if t.get("sha256").given() && !file.given() {
		t.get("sha256").fail("there is no file that it could be of", "add file: /absolute/path, or remove it")
	}
	name, ok := parsed(file, "a file name", parsePath)
	switch {
	case !ok:
	case !t.get("sha256").given():
		z.File = name
		z.Records = d.file(file, name)
	case pinned:
		z.File = name
		z.Records = d.pinned(file, t.get("sha256"), name, pin)
	}
}

// pinned reads a file of the instance's own. The sum in the fleet file stands
// for its content: instances with the same fleet file serve the same.
func (d *fleetDecoder) pinned(file, sum item, name, want string) Text {
	if !filepath.IsAbs(name) {
		file.fail("file "+quote(name)+" is relative, but with sha256 each instance reads its own copy", "write the path from the root")
		return Text{}
	}
	text, err := d.readFile(name, true)
	if err != nil {
		file.fail("file "+quote(name)+" cannot be read: "+err.Error(), "copy it to this machine first")
		return Text{}
	}
	if got := sha256.Sum256(text); hex.EncodeToString(got[:]) != want {
		sum.fail("file "+quote(name)+" has another sum: "+hex.EncodeToString(got[:]), "copy the file that is meant to this machine, or correct the sum")
		return Text{}
	}
	return Text{string(canonical(text)), Pos{name, 1, 1}}
}

// parseSum reads a SHA-256 sum as sha256sum prints it.
func parseSum(s string) (string, flaw) {
	if b, err := hex.DecodeString(s); err != nil || len(b) != sha256.Size || s != strings.ToLower(s) {
		return "", flaw{quote(s) + " is not a SHA-256 sum", "write the 64 digits that sha256sum prints"}
	}
	return s, flaw{}
}

// file reads a file that the fleet names, once.
func (d *fleetDecoder) file(v item, name string) Text {
	text, known := d.fleet.Files[name]
	if !known {
		var err error
		if text, err = d.readFile(name, false); err != nil {
			v.fail("file "+quote(name)+" cannot be read: "+err.Error(), "check the name; it is relative to the fleet file")
			return Text{}
		}
		text = bytes.Clone(text)
		d.fleet.Files[name] = text
	}
	return Text{string(canonical(text)), Pos{beside(d.fleet.File, name), 1, 1}}
}

// beside is the path of a file that is named relative to another file.
func beside(file, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(file), name)
}

// parsePath reads the name of a file or directory.
func parsePath(s string) (string, flaw) {
	if s == "" || len(s) > 1024 {
		return "", flaw{"the path is empty or longer than 1024 bytes", "name a file, or remove the key"}
	}
	return s, flaw{}
}
