package config

// fleetDecoder turns the tree of a fleet file into a Fleet: decoded strictly,
// with defaults. What can only be judged across the file is left to validate.
type fleetDecoder struct {
	*decoder
	read     Reader
	fleet    *Fleet
	zones    *register
	regions  *register
	checks   *register
	services *register
	names    []item   // of fleet.Services
	needs    [][]item // of fleet.Services: the names that each needs
	counted  []item   // the `of` of fleet.Checks
}

func newFleetDecoder(d *decoder, fleet *Fleet, read Reader) *fleetDecoder {
	return &fleetDecoder{
		decoder: d, read: read, fleet: fleet,
		zones:    newRegister("zone"),
		regions:  newRegister("region"),
		checks:   newRegister("check"),
		services: newRegister("service"),
	}
}

func (d *fleetDecoder) decode(root item) {
	t := root.table("zones", "regions", "checks", "services", "places", "brake", "recovery")
	for _, v := range d.some(t, "zones", "zones", "[{name: ...}]") {
		d.fleet.Zones = append(d.fleet.Zones, d.zone(v))
	}
	d.fleet.Recovery, d.fleet.Damping = d.recovery(t.get("recovery"))
	for _, v := range d.some(t, "regions", "regions", "[{name: ..., latitude: ..., longitude: ...}]") {
		d.fleet.Regions = append(d.fleet.Regions, d.region(v))
	}
	d.tooMany(t.get("regions"))
	d.someVantage(t.get("regions"))
	for _, v := range t.get("checks").items("checks") {
		d.fleet.Checks = append(d.fleet.Checks, d.check(v))
	}
	for _, v := range t.get("services").items("services") {
		d.fleet.Services = append(d.fleet.Services, d.service(v))
	}
	d.fleet.Places = d.places(t.get("places"))
	d.fleet.Brake = d.brake(t.get("brake"))
}

// some reads a list that must have an element.
func (d *fleetDecoder) some(t table, key, want, shape string) []item {
	v := t.need(key, shape)
	out := v.items(want)
	if v.given() && v.kind == kindList && len(out) == 0 {
		v.fail("the list is empty", "write at least one")
	}
	return out
}

// maxRegions bounds the regions of a fleet.
const maxRegions = 256

func (d *fleetDecoder) tooMany(v item) {
	if len(d.fleet.Regions) > maxRegions {
		v.fail("more than 256 regions", "a fleet may have 256; join those that lie near one another")
	}
}

// someVantage wants a region whose instances vote.
func (d *fleetDecoder) someVantage(v item) {
	for _, r := range d.fleet.Regions {
		if r.Vantage {
			return
		}
	}
	if len(d.fleet.Regions) > 0 {
		v.fail("no region is a vantage", "remove vantage: false where instances run")
	}
}

// label reads the name of a region or check and defines it. When it is
// flawed, those who use it are not blamed as well.
func (d *fleetDecoder) label(v item, r *register) string {
	name, ok := parsed(v, "a name", parseLabel)
	if v.given() && v.kind == kindText {
		r.define(v, v.text)
	}
	r.blind = r.blind || !ok
	return name
}

// uses reads the name of a region or check that is defined elsewhere.
func (d *fleetDecoder) uses(v item, r *register) string {
	name, ok := v.str("the name of a " + r.what)
	if ok {
		r.use(v, name)
	}
	return name
}

// country reads an ISO 3166-1 alpha-2 code by its form.
func (d *fleetDecoder) country(v item) string {
	code, ok := parsed(v, "a country code such as DE", parseCountry)
	if ok {
		d.fleet.countries = append(d.fleet.countries, Mention{code, v.path, v.at})
	}
	return code
}

func (d *fleetDecoder) continent(v item) string {
	return v.choice("", continents...)
}

var continents = []string{"AF", "AN", "AS", "EU", "NA", "OC", "SA"}

func parseCountry(s string) (string, flaw) {
	if len(s) != 2 || s[0] < 'A' || s[0] > 'Z' || s[1] < 'A' || s[1] > 'Z' {
		return "", flaw{"bad country code " + quote(s), "write two capital letters of ISO 3166-1, such as DE"}
	}
	return s, flaw{}
}

func (d *fleetDecoder) region(v item) Region {
	t := v.table("name", "latitude", "longitude", "country", "continent", "capacity", "bias", "min_up",
		"entrance", "check", "vantage", "failback", "hold", "slow_start")
	name := t.need("name", "us-east")
	r := Region{
		Pos:       name.at,
		Name:      d.label(name, d.regions),
		Latitude:  t.need("latitude", "degrees, such as 38.95").real(0, -90, 90),
		Longitude: t.need("longitude", "degrees, such as -77.45").real(0, -180, 180),
		Country:   d.country(t.get("country")),
		Continent: d.continent(t.get("continent")),
		Capacity:  t.get("capacity").real(100, 0.001, 1e9),
		BiasKm:    t.get("bias").km(0),
		MinUp:     t.get("min_up").share(0.5),
		Vantage:   t.get("vantage").yes(true),
		Recovery:  d.comeback(t, d.fleet.Recovery),
	}
	d.entrance(t, &r)
	return r
}
