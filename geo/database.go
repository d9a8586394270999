package geo

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
)

// maxFileSize bounds a database file; the largest ones sold are a third of it.
const maxFileSize = 1 << 30

// maxNetworks bounds the networks of a database. Trees may share subtrees, so
// a small file can hold more of them than could ever be walked.
const maxNetworks = 1 << 25

// kind is what a database is used for.
type kind string

const (
	kindCity    kind = "city"
	kindCountry kind = "country"
	kindASN     kind = "asn"
	kindBuiltIn kind = "built-in"
)

// DatabaseInfo describes a database in use.
type DatabaseInfo struct {
	Kind   string    // "city", "country", "asn" or "built-in"
	Path   string    // "" for the built-in one
	Type   string    // as the database calls itself, such as "GeoLite2-City"
	Built  time.Time // when its maker built it
	Digest string    // 12 hex digits of the file's contents
}

// database is one mmdb file, decoded. For ASN databases the values of the
// ranges are AS numbers; for all others they index places, where 0 is nowhere.
type database struct {
	info   DatabaseInfo
	sum    [sha256.Size]byte
	v4     ranges[uint32]
	v6     ranges[uint64]
	places []Place
}

// readFile reads a whole database file, within bounds.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file; name an mmdb file")
	}
	if info.Size() > maxFileSize {
		return nil, fmt.Errorf("has %d bytes; at most %d are read", info.Size(), maxFileSize)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw := make([]byte, info.Size())
	if _, err := io.ReadFull(f, raw); err != nil {
		return nil, fmt.Errorf("changed while it was read; it will be read again when it stands still: %w", err)
	}
	return raw, nil
}

// readDatabase decodes raw, which is not kept. It refuses what is not an mmdb
// file, what contradicts itself, and what holds nothing for its kind; a panic
// of the decoder becomes an error too.
func readDatabase(k kind, path string, raw []byte) (db *database, err error) {
	defer func() {
		if p := recover(); p != nil {
			db, err = nil, fmt.Errorf("is damaged (%v); fetch it again", p)
		}
	}()
	reader, err := maxminddb.OpenBytes(raw)
	if err != nil {
		return nil, fmt.Errorf("is no usable mmdb file; fetch it again: %w", err)
	}
	if v := reader.Metadata.BinaryFormatMajorVersion; v != 2 {
		return nil, fmt.Errorf("has mmdb format %d; only 2 is understood", v)
	}
	db = &database{sum: sha256.Sum256(raw)}
	db.info = DatabaseInfo{
		Kind: string(k), Path: path, Type: reader.Metadata.DatabaseType,
		Built: reader.Metadata.BuildTime().UTC(), Digest: fmt.Sprintf("%.6x", db.sum),
	}
	w := walker{db: db, decode: decoderOf(k), seen: map[uintptr]uint32{}, known: map[Place]uint32{{}: 0}}
	db.places = []Place{{}}
	if err := w.walk(reader); err != nil {
		return nil, fmt.Errorf("is damaged; fetch it again: %w", err)
	}
	return db, db.fits(k, w.useful)
}

// fits refuses a database that holds nothing for its kind.
func (db *database) fits(k kind, useful int) error {
	if useful > 0 {
		return nil
	}
	switch k {
	case kindASN:
		return fmt.Errorf("(type %q) has no autonomous_system_number in any record; name a GeoLite2-ASN compatible database", db.info.Type)
	case kindCountry:
		return fmt.Errorf("(type %q) has no country.iso_code in any record; name a GeoIP2-Country compatible database", db.info.Type)
	default:
		return fmt.Errorf("(type %q) has no location in any record; name a GeoIP2-City compatible database, or use this one as the country database", db.info.Type)
	}
}

// usesDBIP says whether the database was made by DB-IP, whose licence asks
// for attribution.
func (i DatabaseInfo) usesDBIP() bool {
	return i.Kind == string(kindBuiltIn) || strings.HasPrefix(strings.ToUpper(i.Type), "DBIP")
}

// record is what we read of a record in the GeoIP2 schema.
type record struct {
	Continent struct {
		Code string `maxminddb:"code"`
	} `maxminddb:"continent"`
	Country struct {
		ISO string `maxminddb:"iso_code"`
	} `maxminddb:"country"`
	Location struct {
		Latitude  *float64 `maxminddb:"latitude"`
		Longitude *float64 `maxminddb:"longitude"`
	} `maxminddb:"location"`
	Subdivisions []struct {
		ISO string `maxminddb:"iso_code"`
	} `maxminddb:"subdivisions"`
}

// place is what the record says. useful: it says what this kind of database
// is there for.
func (r *record) place(k kind) (p Place, useful bool, err error) {
	p = Place{Country: code(r.Country.ISO, 2, 2), Continent: r.Continent.Code}
	if !knownContinent(p.Continent) {
		p.Continent = ContinentOf(p.Country)
	}
	if len(r.Subdivisions) > 0 {
		p.Subdivision = code(r.Subdivisions[0].ISO, 1, 3)
	}
	useful = k == kindCountry && p.Country != ""
	if lat, lon := r.Location.Latitude, r.Location.Longitude; lat != nil && lon != nil && k != kindCountry {
		p.Point, p.Located, useful = Point{*lat, *lon}, true, true
		if err := p.Point.check(); err != nil {
			return Place{}, false, err
		}
	} else {
		p.Point, p.Located = CountryPoint(p.Country)
	}
	if p.Located || p.Country != "" || p.Continent != "" {
		p.Source = string(k)
	}
	return p, useful, nil
}

// check refuses what is no point on the globe.
func (p Point) check() error {
	if !(math.Abs(p.Lat) <= 90 && math.Abs(p.Lon) <= 180) { // not so for NaN either
		return fmt.Errorf("latitude %v, longitude %v is not on the globe", p.Lat, p.Lon)
	}
	return nil
}

// code is s when it looks like a code of shortest..longest capital letters
// and digits, otherwise "".
func code(s string, shortest, longest int) string {
	if len(s) < shortest || len(s) > longest {
		return ""
	}
	for _, c := range []byte(s) {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return ""
		}
	}
	return s
}

// decoder turns one record into a value of the ranges: an AS number, or the
// index of a place that intern gives.
type decoder func(r maxminddb.Result, intern func(Place) uint32) (value uint32, useful bool, err error)

func decoderOf(k kind) decoder {
	if k == kindASN {
		return decodeASN
	}
	return func(r maxminddb.Result, intern func(Place) uint32) (uint32, bool, error) {
		var rec record
		if err := r.Decode(&rec); err != nil {
			return 0, false, err
		}
		p, useful, err := rec.place(k)
		return intern(p), useful, err
	}
}

func decodeASN(r maxminddb.Result, _ func(Place) uint32) (uint32, bool, error) {
	var rec struct {
		Number uint32 `maxminddb:"autonomous_system_number"`
	}
	err := r.Decode(&rec)
	return rec.Number, rec.Number != 0, err
}

// walker visits every network of a database once, in address order.
type walker struct {
	db     *database
	decode decoder
	seen   map[uintptr]uint32 // by offset of the record
	known  map[Place]uint32   // index into db.places
	useful int                // distinct records that serve the database's kind

	v4   painter[uint32]
	v6   painter[uint64]
	deep netip.Prefix // the largest network seen in the current /64, when they are longer than that
	held uint32       // deep's value
}

// walk visits all networks. A tree with loops ends in an error of the reader
// once it is deeper than an address.
func (w *walker) walk(reader *maxminddb.Reader) error {
	left := maxNetworks
	for result := range reader.Networks(maxminddb.IncludeNetworksWithoutData()) {
		if left--; left == 0 {
			return fmt.Errorf("has more than %d networks", maxNetworks)
		}
		if err := w.visit(result); err != nil {
			return err
		}
	}
	if err := w.flushDeep(); err != nil {
		return err
	}
	w.db.v4, w.db.v6 = w.v4.done(), w.v6.done()
	return nil
}

func (w *walker) visit(result maxminddb.Result) error {
	if err := result.Err(); err != nil {
		return err
	}
	if !result.Found() {
		return nil
	}
	value, err := w.value(result)
	if err != nil {
		return fmt.Errorf("record of %v: %w", result.Prefix(), err)
	}
	prefix := result.Prefix()
	switch {
	case !prefix.IsValid():
		return errors.New("a network without a prefix")
	case prefix.Addr().Is4():
		first := word4(prefix.Addr())
		err = w.v4.paint(first, first|hostMask[uint32](prefix.Bits()), value)
	default:
		if prefix.Bits() <= 96 && prefix.Addr() == netip.IPv6Unspecified() { // IPv4 lies at ::/96
			err = w.v4.paint(0, ^uint32(0), value)
		}
		err = errors.Join(err, w.visit6(prefix, value))
	}
	if err != nil {
		return fmt.Errorf("%v: %w", prefix, err)
	}
	return nil
}

// visit6 keeps, of networks longer than /64, the largest in each /64.
func (w *walker) visit6(prefix netip.Prefix, value uint32) error {
	first := word6(prefix.Addr())
	if prefix.Bits() > 64 && w.deep.IsValid() && word6(w.deep.Addr()) == first {
		if prefix.Bits() < w.deep.Bits() {
			w.deep, w.held = prefix, value
		}
		return nil
	}
	if err := w.flushDeep(); err != nil {
		return err
	}
	if prefix.Bits() > 64 {
		w.deep, w.held = prefix, value
		return nil
	}
	return w.v6.paint(first, first|hostMask[uint64](prefix.Bits()), value)
}

func (w *walker) flushDeep() error {
	if !w.deep.IsValid() {
		return nil
	}
	at := word6(w.deep.Addr())
	w.deep = netip.Prefix{}
	return w.v6.paint(at, at, w.held)
}

// value decodes each distinct record once.
func (w *walker) value(result maxminddb.Result) (uint32, error) {
	if v, ok := w.seen[result.Offset()]; ok {
		return v, nil
	}
	v, useful, err := w.decode(result, w.intern)
	if err != nil {
		return 0, err
	}
	if useful {
		w.useful++
	}
	w.seen[result.Offset()] = v
	return v, nil
}

func (w *walker) intern(p Place) uint32 {
	i, ok := w.known[p]
	if !ok {
		i = uint32(len(w.db.places))
		w.known[p] = i
		w.db.places = append(w.db.places, p)
	}
	return i
}
