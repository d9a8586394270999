package zone

import (
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Build makes a Set of the sources, or reports everything that is wrong with
// them, at most some hundred problems a zone. The Set is nil exactly when there
// are problems, or a source is Partial. The sources are not kept.
func Build(sources []Source) (*Set, []Problem) {
	b := builder{byName: map[string]*assembly{}}
	for i := range sources {
		b.load(&sources[i])
	}
	for _, a := range b.assemblies {
		b.nest(a)
	}
	for _, a := range b.assemblies {
		a.complete()
	}
	for _, a := range b.assemblies {
		a.checkAll()
	}
	var problems []Problem
	for _, r := range b.reports {
		problems = append(problems, r.all()...)
	}
	if len(problems) > 0 || slices.ContainsFunc(sources, func(s Source) bool { return s.Partial }) {
		return nil, problems
	}
	return b.publish(), nil
}

// builder holds all zones while the set is made.
type builder struct {
	assemblies []*assembly // in the order of their sources
	byName     map[string]*assembly
	reports    []*report
}

// load reads one source into an assembly.
func (b *builder) load(src *Source) {
	rep := &report{file: src.File, zone: src.Name}
	b.reports = append(b.reports, rep)
	at := pos{int32(max(src.Line, 1)), 1}
	wire, err := PackName(src.Name)
	if err != nil {
		rep.add(at, "correct the zone's name", "zone name %q: %v", clip(src.Name), err)
		return
	}
	name := string(wire)
	rep.zone = NameString(wire)
	if other := b.byName[name]; other != nil {
		rep.add(at, "keep one of them", "the zone is already defined in %s", other.rep.file)
		return
	}
	if src.DefaultTTL > maxTTL {
		rep.add(at, "use at most 2147483647, RFC 2181 section 8", "default TTL %d is out of range", src.DefaultTTL)
	}
	a := newAssembly(src, name, rep, at)
	b.byName[name] = a
	b.assemblies = append(b.assemblies, a)
	r := newReader(src, name, rep, a.add)
	r.read(src.Text, src.Line)
	a.lost = r.lost
	if !src.Partial {
		a.addValues()
	}
}

// nest links a zone to the innermost other zone around it.
func (b *builder) nest(a *assembly) {
	for name, ok := parentName(a.name); ok; name, ok = parentName(name) {
		if outer := b.byName[name]; outer != nil {
			a.outer = outer
			outer.inner = append(outer.inner, a)
			outer.ensure(a.name)
			return
		}
	}
}

// hiding returns the innermost zone inside a that the name lies in, or nil.
func (b *builder) hiding(a *assembly, name string) *assembly {
	if len(a.inner) == 0 {
		return nil
	}
	for ; name != a.name; name, _ = parentName(name) {
		if inner := b.byName[name]; inner != nil {
			return inner
		}
	}
	return nil
}

// addValues adds SOA and NS that the source gives as values.
func (a *assembly) addValues() {
	if soa := a.src.SOA; soa != nil {
		a.addSOA(soa)
	}
	ttl := a.valueTTL()
	if given := a.apex.first(dns.TypeNS); given != nil {
		ttl = given.ttl // one RRset has one TTL, RFC 2181 section 5.2
	}
	for _, name := range a.src.NS {
		if !a.validName("NS", name) {
			continue
		}
		a.addValue(&dns.NS{Hdr: a.header(dns.TypeNS, ttl), Ns: dns.Fqdn(name)})
	}
}

func (a *assembly) addSOA(soa *SOA) {
	if other := a.apex.first(dns.TypeSOA); other != nil {
		a.rep.add(other.at, "keep one of them", "the SOA is given in the configuration too")
		return
	}
	if strings.Contains(soa.RName, "@") {
		a.rep.add(a.at, "write the mail address with a dot instead of @", "SOA rname %q holds an @", clip(soa.RName))
		return
	}
	if !a.validName("SOA mname", soa.MName) || !a.validName("SOA rname", soa.RName) {
		return
	}
	ttl := soa.TTL
	if ttl == 0 {
		ttl = a.valueTTL()
	}
	if ttl > maxTTL {
		a.rep.add(a.at, "use at most 2147483647, RFC 2181 section 8", "SOA TTL %d is out of range", ttl)
		return
	}
	a.addValue(&dns.SOA{
		Hdr: a.header(dns.TypeSOA, ttl), Ns: dns.Fqdn(soa.MName), Mbox: dns.Fqdn(soa.RName),
		Serial: soa.Serial, Refresh: soa.Refresh, Retry: soa.Retry, Expire: soa.Expire, Minttl: soa.Minimum,
	})
}

func (a *assembly) valueTTL() uint32 {
	if a.src.DefaultTTL == 0 && a.src.SOA != nil {
		return min(a.src.SOA.Minimum, maxTTL)
	}
	return a.src.DefaultTTL
}

func (a *assembly) header(rtype uint16, ttl uint32) dns.RR_Header {
	return dns.RR_Header{Name: a.String(), Rrtype: rtype, Class: dns.ClassINET, Ttl: ttl}
}

func (a *assembly) validName(what, name string) bool {
	_, err := PackName(name)
	if err != nil {
		a.rep.add(a.at, "correct the name", "%s %q: %v", what, clip(name), err)
	}
	return err == nil
}

func (a *assembly) addValue(rr dns.RR) {
	wire := make([]byte, dns.Len(rr)+1)
	data, err := packData(rr, wire)
	if err != nil {
		a.rep.add(a.at, "correct the value", "%s: %v", dns.Type(rr.Header().Rrtype), err)
		return
	}
	a.add(a.name, record{data: data, at: a.at, ttl: rr.Header().Ttl, rtype: rr.Header().Rrtype})
}
