// Package geo says where a client is, and groups all client prefixes for
// which the regions rank alike into cells.
package geo

import (
	"math"
	"net/netip"
)

// Point is a position on the globe in degrees (WGS 84):
// latitude -90..90, longitude -180..180.
type Point struct {
	Lat float64 `json:"latitude"`
	Lon float64 `json:"longitude"`
}

// earthRadiusKm is the mean radius of the Earth (IUGG).
const earthRadiusKm = 6371.0088

// DistanceKm is the great-circle distance between two points in kilometres
// (haversine).
func (p Point) DistanceKm(q Point) float64 {
	const rad = math.Pi / 180
	dLat, dLon := (q.Lat-p.Lat)*rad/2, (q.Lon-p.Lon)*rad/2
	a := math.Sin(dLat)*math.Sin(dLat) +
		math.Cos(p.Lat*rad)*math.Cos(q.Lat*rad)*math.Sin(dLon)*math.Sin(dLon)
	return 2 * earthRadiusKm * math.Asin(math.Sqrt(math.Min(1, a)))
}

// Place is where a client is, as far as the databases and the configured
// places know. The zero Place is "nowhere known".
type Place struct {
	Point
	Located     bool   `json:"located"`               // Point holds
	Country     string `json:"country,omitempty"`     // ISO 3166-1 alpha-2, upper case; "" unknown
	Continent   string `json:"continent,omitempty"`   // AF AN AS EU NA OC SA; "" unknown
	Subdivision string `json:"subdivision,omitempty"` // ISO 3166-2 without the country; "" unknown
	ASN         uint32 `json:"asn,omitempty"`         // 0 unknown

	Prefix netip.Prefix `json:"prefix"`           // every address under it is in this place
	Source string       `json:"source,omitempty"` // who said so: "places", "city", "country", "built-in"
}
