package geo

import (
	"strings"
	"testing"
)

// assigned are all officially assigned codes of ISO 3166-1 alpha-2.
const assigned = `AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF
GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW
KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL
NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST
SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW`

func TestCountries(t *testing.T) {
	codes := strings.Fields(assigned + " XK")
	if len(codes) != 250 || len(countries) != len(codes) {
		t.Errorf("%d codes, %d countries", len(codes), len(countries))
	}
	for _, iso := range codes {
		p, ok := CountryPoint(iso)
		if !ok || p.check() != nil || p == (Point{}) || !knownContinent(ContinentOf(iso)) {
			t.Errorf("%s: %v, %v, %q", iso, p, ok, ContinentOf(iso))
		}
	}
	for _, wrong := range []string{"", "us", "UK", "EU", "ZZ", "USA"} {
		if _, ok := CountryPoint(wrong); ok || ContinentOf(wrong) != "" {
			t.Errorf("%q passes for a country", wrong)
		}
	}
}

// A few points checked by distance to a large city of the country, so that a
// wrong sign or swapped coordinates show.
func TestCountryPoints(t *testing.T) {
	for iso, city := range map[string]Point{
		"US": {41.9, -87.6}, "BR": {-19.9, -43.9}, "ZA": {-26.2, 28.0}, "AU": {-33.9, 151.2}, "JP": {35.2, 136.9}, "NZ": {-36.8, 174.8},
		"IS": {64.1, -21.9}, "KE": {-1.3, 36.8}, "AR": {-32.9, -60.7}, "FJ": {-18.1, 178.4}, "SG": {1.3, 103.8}, "PT": {38.7, -9.1},
	} {
		p, _ := CountryPoint(iso)
		if d := p.DistanceKm(city); d > 700 {
			t.Errorf("%s: %.0f km from where its people are", iso, d)
		}
	}
}
