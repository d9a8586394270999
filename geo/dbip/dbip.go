// Package dbip carries a world map of Internet addresses inside the binary:
// DB-IP City Lite, reduced by ./generate to coordinates, country and
// continent, in the GeoIP2-City schema.
//
// The data is licensed by DB-IP under Creative Commons Attribution 4.0
// (https://creativecommons.org/licenses/by/4.0/). Whoever shows results from it must
// show Attribution, as a link to https://db-ip.com where links are possible.
package dbip

import _ "embed"

// Attribution is the credit the licence asks for, wherever results of the
// database are shown.
const Attribution = "IP Geolocation by DB-IP (https://db-ip.com)"

//go:embed city.mmdb
var city []byte

// Bytes is the embedded database: an mmdb with IPv4 and IPv6 in one tree and
// the fields location.latitude, location.longitude, country.iso_code and
// continent.code. The slice is shared and must not be written to.
func Bytes() []byte { return city }
