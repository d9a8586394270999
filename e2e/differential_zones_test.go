//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// drawn is a generated zone. Names are absolute and in canonical presentation
// form; what the rules of a careful loader forbid is never put in.
type drawn struct {
	apex  string
	types map[string]map[string][]string // owner -> type -> data
	kids  map[string]bool                // names that have something below
	rnd   *rand.Rand
	far   []string // names of zones drawn before, as targets
	outer *drawn   // the zone around it, or nil

	written string // by text
}

// drawZones draws n zones, some of which lie inside others.
func drawZones(rnd *rand.Rand, run, n int) []*drawn {
	var zones []*drawn
	var far []string
	for len(zones) < n {
		z := newDrawn(rnd, fmt.Sprintf("z%d.r%d.example.com.", len(zones), run), far)
		z.fill()
		zones = append(zones, z)
		if inner := z.inner(); inner != nil && len(zones) < n {
			zones = append(zones, inner)
		}
		far = append(far, pick(rnd, z.owners()), pick(rnd, z.owners()))
	}
	return zones
}

func newDrawn(rnd *rand.Rand, apex string, far []string) *drawn {
	z := &drawn{apex: apex, types: map[string]map[string][]string{}, kids: map[string]bool{}, rnd: rnd, far: slices.Clip(far)}
	z.add(apex, "SOA", fmt.Sprintf("ns1.%s hostmaster.%s %d 7200 900 1209600 %d", apex, apex, 1+rnd.IntN(9), 10+rnd.IntN(400)))
	z.add(apex, "NS", "ns.example.net.")
	return z
}

// inner draws a zone inside z, at one of its cuts or, seldom, below one.
func (z *drawn) inner() *drawn {
	var cuts []string
	for _, owner := range z.owners() {
		if z.cut(owner) == owner && !strings.ContainsAny(owner, `*\\_`) {
			cuts = append(cuts, owner)
		}
	}
	if len(cuts) == 0 || z.rnd.IntN(3) > 0 {
		return nil
	}
	inner := newDrawn(z.rnd, pick(z.rnd, cuts), z.far)
	inner.outer = z
	inner.fill()
	return inner
}

var plainLabels = []string{"a", "b", "c", "*", "a", "b", "ns1", "mail", `a\.b`, `\000x`, `\200\255`, `q\"\\`, "_sip", "xn--9ca"}

func (z *drawn) label() string { return pick(z.rnd, plainLabels) }

// name is a name at or below the zone's apex, near others.
func (z *drawn) name() string {
	base := z.apex
	if z.rnd.IntN(2) == 0 {
		base = pick(z.rnd, z.owners())
	}
	for range z.rnd.IntN(3) {
		if strings.Count(base, ".") > 12 {
			break
		}
		base = z.label() + "." + base
	}
	return base
}

func (z *drawn) fill() {
	if z.rnd.IntN(20) == 0 && z.put(z.apex, "DNAME") {
		return
	}
	if z.rnd.IntN(2) == 0 {
		z.add("ns1."+z.apex, "A", "192.0.2.53")
		z.add("ns1."+z.apex, "AAAA", "2001:db8::53")
		z.add(z.apex, "NS", "ns1."+z.apex)
	}
	kinds := []string{"A", "A", "AAAA", "TXT", "MX", "SRV", "CNAME", "CNAME", "DNAME", "NS", "NS", "DS", "HTTPS", "SVCB", "TYPE65280", "CAA", "PTR", "NAPTR"}
	for range 4 + z.rnd.IntN(24) {
		owner := z.name()
		for range 1 + z.rnd.IntN(2) {
			z.put(owner, pick(z.rnd, kinds))
		}
		if z.cut(owner) == owner && z.rnd.IntN(3) > 0 {
			z.put(owner, "DS")
			z.put(z.label()+"."+owner, pick(z.rnd, kinds)) // occluded
		}
	}
	if z.rnd.IntN(3) == 0 {
		z.chain(2 + z.rnd.IntN(12))
	}
	if z.rnd.IntN(8) == 0 {
		for i := range 60 {
			z.addTo("big."+z.apex, "TXT", fmt.Sprintf(`"%d %s"`, i, strings.Repeat("x", 60)))
		}
	}
}

// chain adds a line of aliases, which may end anywhere or bite its tail.
func (z *drawn) chain(n int) {
	for i := range n - 1 {
		z.addTo(fmt.Sprintf("h%d.%s", i, z.apex), "CNAME", fmt.Sprintf("h%d.%s", i+1, z.apex))
	}
	z.addTo(fmt.Sprintf("h%d.%s", n-1, z.apex), "CNAME", z.target())
	if z.rnd.IntN(4) == 0 {
		z.addTo(fmt.Sprintf("h%d.%s", n, z.apex), "CNAME", fmt.Sprintf("h%d.%s", z.rnd.IntN(n), z.apex))
	}
}

func (z *drawn) owners() []string {
	list := make([]string, 0, len(z.types))
	for owner := range z.types {
		list = append(list, owner)
	}
	slices.Sort(list)
	return list
}

func (z *drawn) has(name, rtype string) bool { return len(z.types[name][rtype]) > 0 }

// cut is the highest zone cut at or above the name, or "".
func (z *drawn) cut(name string) (cut string) {
	for at := name; at != z.apex; at = above(at) {
		if z.has(at, "NS") {
			cut = at
		}
	}
	return cut
}

// redirected tells whether a DNAME lies above the name.
func (z *drawn) redirected(name string) bool {
	for at := name; at != z.apex; {
		if at = above(at); z.has(at, "DNAME") {
			return true
		}
	}
	return false
}

// above strips the first label of an absolute name.
func above(name string) string {
	for i := 0; i < len(name); i++ {
		switch name[i] {
		case '\\':
			i++
		case '.':
			return name[i+1:]
		}
	}
	return ""
}

// addTo adds a record where the rules allow one more of its type.
func (z *drawn) addTo(owner, rtype, data string) bool {
	if !z.allowed(owner, rtype) {
		return false
	}
	z.add(owner, rtype, data)
	return true
}

func (z *drawn) add(owner, rtype, data string) {
	if z.types[owner] == nil {
		z.types[owner] = map[string][]string{}
	}
	if !slices.Contains(z.types[owner][rtype], data) {
		z.types[owner][rtype] = append(z.types[owner][rtype], data)
	}
	for at := owner; at != z.apex; {
		at = above(at)
		z.kids[at] = true
	}
}

func (z *drawn) allowed(owner, rtype string) bool {
	wild, apex := strings.HasPrefix(owner, "*."), owner == z.apex
	if o := z.outer; o != nil && (o.redirected(owner) || rtype == "DNAME" && o.kids[owner]) {
		return false // NSD keeps both zones in one tree and loads no DNAME above data of the other
	}
	switch {
	case z.redirected(owner), z.has(owner, "CNAME"), !packs(owner), len(owner) > 220:
		return false
	case rtype == "CNAME":
		return len(z.types[owner]) == 0
	case rtype == "DNAME":
		return !wild && !z.kids[owner] && !z.has(owner, "DNAME") && (apex || !z.has(owner, "NS"))
	case rtype == "NS":
		return !wild && !apex && !z.has(owner, "DNAME")
	case rtype == "DS":
		return !apex && z.has(owner, "NS")
	}
	return true
}

// put adds records of the type with random data, as far as the rules allow.
func (z *drawn) put(owner, rtype string) bool {
	many := 1 + z.rnd.IntN(3)
	if rtype == "CNAME" || rtype == "DNAME" {
		many = 1
	}
	done := false
	for range many {
		if rtype == "NS" {
			done = z.delegate(owner) || done
			continue
		}
		done = z.addTo(owner, rtype, z.data(rtype)) || done
	}
	return done
}

// delegate adds one server of a cut, and its glue if it needs some.
func (z *drawn) delegate(owner string) bool {
	if !z.allowed(owner, "NS") {
		return false
	}
	switch server := ""; z.rnd.IntN(4) {
	case 0:
		z.add(owner, "NS", fmt.Sprintf("ns%d.example.net.", z.rnd.IntN(3)))
		return true
	case 1:
		if !z.has("ns1."+z.apex, "A") {
			return false
		}
		z.add(owner, "NS", "ns1."+z.apex)
		return true
	case 2:
		server = pick(z.rnd, []string{"ns.", "deep.ns.", "a.", "b."}) + owner
		fallthrough
	default:
		if server == "" {
			server = owner
		}
		if !z.addTo(server, "A", z.data("A")) && !z.has(server, "A") {
			return false
		}
		if z.rnd.IntN(2) == 0 {
			z.addTo(server, "AAAA", z.data("AAAA"))
		}
		if !z.allowed(owner, "NS") {
			return false
		}
		z.add(owner, "NS", server)
		return true
	}
}

// target is where an alias leads.
func (z *drawn) target() string {
	switch n := z.rnd.IntN(12); {
	case n < 6:
		return pick(z.rnd, z.owners())
	case n < 9:
		return z.name()
	case n < 11 && len(z.far) > 0:
		far := pick(z.rnd, z.far)
		if z.rnd.IntN(3) == 0 {
			far = z.label() + "." + far
		}
		return far
	}
	return "www.example.net."
}

func (z *drawn) data(rtype string) string {
	n := z.rnd.IntN(6)
	switch rtype {
	case "A":
		return fmt.Sprintf("192.0.2.%d", n)
	case "AAAA":
		return fmt.Sprintf("2001:db8::%d", 1+n)
	case "TXT":
		return fmt.Sprintf(`"text %d" "\"\\\195\164"`, n)
	case "MX":
		return fmt.Sprintf("%d %s", n, z.target())
	case "SRV":
		return fmt.Sprintf("%d 1 443 %s", n, z.target())
	case "PTR":
		return z.target()
	case "CNAME":
		return z.target()
	case "DNAME":
		to := z.target()
		if long := strings.Repeat(strings.Repeat("l", 55)+".", 3) + to; n == 0 && packs(long) {
			return long // what lies below becomes too long
		}
		return to
	case "DS":
		return fmt.Sprintf("%d 13 2 %064x", 1+n, n)
	case "HTTPS", "SVCB":
		return z.binding()
	case "CAA":
		return fmt.Sprintf(`0 issue "ca%d.example.net"`, n)
	case "NAPTR":
		return fmt.Sprintf(`%d 1 "s" "SIP+D2U" "" %s`, n, z.target())
	}
	return fmt.Sprintf(`\# 3 0102%02x`, n)
}

func (z *drawn) binding() string {
	switch z.rnd.IntN(4) {
	case 0:
		return "0 " + z.target()
	case 1:
		return "1 . alpn=h2 port=8443"
	}
	return fmt.Sprintf("%d %s alpn=h2", 1+z.rnd.IntN(3), z.target())
}

// text is the zone as a master file, written once: the TTL of an RRset is drawn.
func (z *drawn) text() string {
	if z.written == "" {
		z.written = z.write()
	}
	return z.written
}

func (z *drawn) write() string {
	var out strings.Builder
	out.WriteString("$TTL 300\n")
	fmt.Fprintf(&out, "%s %d IN SOA %s\n", z.apex, 60+z.rnd.IntN(300), z.types[z.apex]["SOA"][0])
	for _, owner := range z.owners() {
		types := make([]string, 0, 4)
		for rtype := range z.types[owner] {
			types = append(types, rtype)
		}
		slices.Sort(types)
		for _, rtype := range types {
			ttl := 1 + z.rnd.IntN(5000)
			for _, data := range z.types[owner][rtype] {
				if rtype != "SOA" {
					fmt.Fprintf(&out, "%s %d IN %s %s\n", owner, ttl, rtype, data)
				}
			}
		}
	}
	return decimal.Replace(out.String())
}

// decimal writes the escapes that NSD's scanner does not read before a dot.
var decimal = strings.NewReplacer(`\\`, `\092`, `\"`, `\034`)
