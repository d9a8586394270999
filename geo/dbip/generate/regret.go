package main

import (
	"math/bits"
	"math/rand/v2"
)

// metros are towns where public clouds and colocation houses have regions.
// Imagined fleets are drawn from them: a fleet that a user may have.
var metros = []place{
	{lat: 39.04, lon: -77.49}, {lat: 39.96, lon: -83.00}, {lat: 41.26, lon: -95.86}, {lat: 32.78, lon: -96.80},
	{lat: 45.84, lon: -119.70}, {lat: 37.34, lon: -121.89}, {lat: 34.05, lon: -118.24}, {lat: 40.76, lon: -111.89},
	{lat: 33.45, lon: -112.07}, {lat: 41.88, lon: -87.63}, {lat: 33.75, lon: -84.39}, {lat: 40.71, lon: -74.01},
	{lat: 25.76, lon: -80.19}, {lat: 45.50, lon: -73.57}, {lat: 43.65, lon: -79.38}, {lat: 51.05, lon: -114.07},
	{lat: 20.59, lon: -100.39}, {lat: -23.55, lon: -46.63}, {lat: -33.45, lon: -70.67}, {lat: 4.71, lon: -74.07},
	{lat: -34.60, lon: -58.38}, {lat: 53.35, lon: -6.26}, {lat: 51.51, lon: -0.13}, {lat: 48.86, lon: 2.35},
	{lat: 52.37, lon: 4.90}, {lat: 50.45, lon: 3.82}, {lat: 50.11, lon: 8.68}, {lat: 47.38, lon: 8.54},
	{lat: 45.46, lon: 9.19}, {lat: 40.42, lon: -3.70}, {lat: 59.33, lon: 18.07}, {lat: 60.57, lon: 27.19},
	{lat: 52.23, lon: 21.01}, {lat: 55.76, lon: 37.62}, {lat: 41.01, lon: 28.98}, {lat: 32.09, lon: 34.78},
	{lat: 26.07, lon: 50.56}, {lat: 25.20, lon: 55.27}, {lat: 25.29, lon: 51.53}, {lat: 19.08, lon: 72.88},
	{lat: 17.39, lon: 78.49}, {lat: 28.61, lon: 77.21}, {lat: 1.35, lon: 103.82}, {lat: -6.21, lon: 106.85},
	{lat: 3.14, lon: 101.69}, {lat: 13.76, lon: 100.50}, {lat: 22.32, lon: 114.17}, {lat: 39.90, lon: 116.41},
	{lat: 31.23, lon: 121.47}, {lat: 25.03, lon: 121.57}, {lat: 37.57, lon: 126.98}, {lat: 35.68, lon: 139.65},
	{lat: 34.69, lon: 135.50}, {lat: -33.87, lon: 151.21}, {lat: -37.81, lon: 144.96}, {lat: -36.85, lon: 174.76},
	{lat: -26.20, lon: 28.05}, {lat: -33.92, lon: 18.42}, {lat: 6.52, lon: 3.38}, {lat: -1.29, lon: 36.82},
}

const (
	imaginedFleets = 512
	signatureWords = imaginedFleets / 8
	kmPenalty      = 0.02 // for kmFull and more; breaks ties between labels that no fleet tells apart
	kmFull         = 1000
)

// signature says which region each imagined fleet would choose: one byte a
// fleet.
type signature [signatureWords]uint64

// regrets answers what it costs to say label b where label a is right: the
// share of imagined fleets whose nearest region would be another one, and a
// penalty for the country.
type regrets struct {
	at             []vec
	country        []string
	signatures     []signature
	countryPenalty float64
}

func newRegrets(labels []place, countryPenalty float64) *regrets {
	r := &regrets{countryPenalty: countryPenalty, signatures: make([]signature, len(labels))}
	for _, l := range labels {
		r.at = append(r.at, l.vec())
		r.country = append(r.country, l.country)
	}
	for f, fleet := range imagine(imaginedFleets) {
		for l := range labels {
			region, _ := nearest(fleet, r.at[l])
			r.signatures[l][f/8] |= uint64(region) << (f % 8 * 8)
		}
	}
	return r
}

// imagine draws fleets of 2 to 12 different metros, always the same ones.
func imagine(count int) [][]vec {
	random := rand.New(rand.NewPCG(2, 3))
	fleets := make([][]vec, count)
	for i := range fleets {
		for _, m := range random.Perm(len(metros))[:2+random.IntN(11)] {
			fleets[i] = append(fleets[i], metros[m].vec())
		}
	}
	return fleets
}

func (r *regrets) regret(a, b int32) float64 {
	if a == b {
		return 0
	}
	cost := float64(r.signatures[a].differing(&r.signatures[b])) / imaginedFleets
	if r.country[a] != r.country[b] {
		cost += r.countryPenalty
	}
	return cost + kmPenalty*min(1, r.at[a].km(r.at[b])/kmFull)
}

// differing counts the bytes in which two signatures differ. Region numbers
// are below 128, so adding 0x7f carries into a byte's top bit unless it is 0.
func (s *signature) differing(t *signature) int {
	n := 0
	for i := range s {
		n += bits.OnesCount64(((s[i] ^ t[i]) + 0x7f7f7f7f7f7f7f7f) & 0x8080808080808080)
	}
	return n
}
