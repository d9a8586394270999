package geo

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"net/netip"
	"strings"

	"github.com/steerdns/steerdns/geo/dbip"
)

// Options says where places come from.
type Options struct {
	// Paths of mmdb files; "" none. With neither City nor Country the
	// built-in database is used.
	City    string // GeoIP2-City schema: coordinates, country, subdivision
	Country string // GeoIP2-Country schema: fills in where City knows nothing
	ASN     string // GeoLite2-ASN schema

	Places []PlaceRule
}

// files are the paths that are set.
func (o Options) files() []string {
	var out []string
	for _, path := range []string{o.City, o.Country, o.ASN} {
		if path != "" {
			out = append(out, path)
		}
	}
	return out
}

// Data knows the place of every address. It is immutable, safe for concurrent
// use and wholly in memory, about 20 bytes a network: what happens to a file
// after Open has no effect. While Open runs, the files' contents are in
// memory as well.
type Data struct {
	v4     layers[uint32]
	v6     layers[uint64]
	places []Place // by value of layers.base; 0 is nowhere
	rules  []PlaceRule

	infos  []DatabaseInfo
	digest string
}

// layers are the sources of one family, one upon the other.
type layers[K word] struct {
	base  ranges[K] // index into Data.places
	asn   ranges[K] // AS number
	rules ranges[K] // 1 + index into Data.rules; 0: none
}

// Open reads and checks all databases and places. It returns every problem at
// once, joined; each names the file or prefix and what to do. No contents of
// a file make it panic.
func Open(opt Options) (*Data, error) {
	rules, problem := normalizeRules(opt.Places)
	problems := []error{problem}
	load := func(k kind, path string) *database {
		db, err := openDatabase(k, path)
		problems = append(problems, err)
		return db
	}
	var city, country, asn *database
	switch {
	case opt.City != "" && opt.Country != "":
		city, country = load(kindCity, opt.City), load(kindCountry, opt.Country)
	case opt.City != "":
		city = load(kindCity, opt.City)
	case opt.Country != "":
		city = load(kindCountry, opt.Country)
	default:
		city = load(kindBuiltIn, "")
	}
	if opt.ASN != "" {
		asn = load(kindASN, opt.ASN)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return assemble(city, country, asn, rules), nil
}

func openDatabase(k kind, path string) (*database, error) {
	raw, err := []byte(nil), error(nil)
	if k == kindBuiltIn {
		raw = dbip.Bytes()
	} else {
		raw, err = readFile(path)
	}
	var db *database
	if err == nil {
		db, err = readDatabase(k, path, raw)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.TrimSpace(string(k)+" database "+path), err)
	}
	return db, nil
}

// assemble lays the sources upon each other; country and asn may be nil.
func assemble(city, country, asn *database, rules []PlaceRule) *Data {
	d := &Data{places: city.places, rules: rules}
	d.v4.base, d.v6.base = city.v4, city.v6
	d.v4.asn, d.v6.asn = nothing[uint32](), nothing[uint64]()
	d.v4.rules, d.v6.rules = flattenRules(rules)
	dbs := []*database{city}
	if country != nil {
		d.fill(country)
		dbs = append(dbs, country)
	}
	if asn != nil {
		d.v4.asn, d.v6.asn = asn.v4, asn.v6
		dbs = append(dbs, asn)
	}
	h := sha256.New()
	for _, db := range dbs {
		d.infos = append(d.infos, db.info)
		fmt.Fprintf(h, "%s %x\n", db.info.Kind, db.sum)
	}
	hashRules(h, rules)
	d.digest = fmt.Sprintf("%.6x", h.Sum(nil))
	return d
}

func hashRules(h hash.Hash, rules []PlaceRule) {
	for _, r := range rules {
		p := r.Place
		fmt.Fprintf(h, "%v %v %v %v %q %q %q %d\n", r.Prefix, p.Lat, p.Lon, p.Located, p.Country, p.Continent, p.Subdivision, p.ASN)
	}
}

// fill lets the country database speak where the city database is silent.
func (d *Data) fill(country *database) {
	offset := uint32(len(d.places))
	silent := make([]bool, len(d.places))
	for i := range d.places {
		silent[i] = d.places[i].Source == ""
	}
	d.places = append(d.places, country.places...)
	join := func(base, other uint32) uint32 {
		if other == 0 || !silent[base] {
			return base
		}
		return offset + other
	}
	d.v4.base = overlay(d.v4.base, country.v4, join)
	d.v6.base = overlay(d.v6.base, country.v6, join)
}

// Locate is the place of an address; IPv4-mapped ones count as IPv4. Prefix
// is the largest network around addr in which every address has this place,
// as far as one network can tell; IPv6 is told apart down to /64. Source is
// "none" where nothing is known. An invalid address is nowhere: the zero
// Place with that source.
func (d *Data) Locate(addr netip.Addr) Place {
	addr = addr.Unmap().WithZone("")
	switch {
	case addr.Is4():
		at := word4(addr)
		s := d.v4.around(at)
		return d.place(s.combo, netip.PrefixFrom(addr, leafBits(at, s.first, s.last)).Masked())
	case addr.Is6():
		at := word6(addr)
		s := d.v6.around(at)
		return d.place(s.combo, netip.PrefixFrom(addr, leafBits(at, s.first, s.last)).Masked())
	}
	return Place{Source: "none"}
}

// combo is what the layers say of an address, and for cells the cuts.
type combo struct {
	rule, base, asn, cut uint32
}

// segment is a run of addresses of which the layers say the same.
type segment[K word] struct {
	combo
	first, last K
}

// around is the segment that holds at.
func (l *layers[K]) around(at K) segment[K] {
	i, j, k := l.rules.find(at), l.base.find(at), l.asn.find(at)
	s := segment[K]{first: l.rules.start[i], last: l.rules.last(i)}
	s.rule, s.asn = l.rules.value[i], l.asn.value[k]
	s.first, s.last = max(s.first, l.asn.start[k]), min(s.last, l.asn.last(k))
	if s.rule == 0 {
		s.base = l.base.value[j]
		s.first, s.last = max(s.first, l.base.start[j]), min(s.last, l.base.last(j))
	}
	return s
}

// place is the place of a combination.
func (d *Data) place(c combo, prefix netip.Prefix) Place {
	p := d.places[c.base]
	if c.rule != 0 {
		p = d.rules[c.rule-1].Place
	}
	if p.ASN == 0 {
		p.ASN = c.asn
	}
	if p.Source == "" {
		p.Source = "none"
	}
	p.Prefix = prefix
	return p
}

// Digest is 12 hex digits over the contents of all databases and places: two
// Data with one digest answer alike.
func (d *Data) Digest() string { return d.digest }

// Databases describes the databases in use. The slice is the caller's.
func (d *Data) Databases() []DatabaseInfo { return append([]DatabaseInfo(nil), d.infos...) }

// Attribution is the line that DB-IP's licence asks to show wherever places
// are displayed; "" when none of its data is used.
func (d *Data) Attribution() string {
	for _, info := range d.infos {
		if info.usesDBIP() {
			return dbip.Attribution
		}
	}
	return ""
}

// Close exists so that owners can be written as for any other source; it may
// be called more than once. Data holds no file open, and an [Atlas] compiled
// from it needs nothing of it, so both stay valid.
func (d *Data) Close() error { return nil }
