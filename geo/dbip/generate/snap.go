package main

import (
	"cmp"
	"math"
	"slices"
)

// vec is a point on the unit sphere. The dot product of two falls as their
// distance grows, so "nearest" is "largest dot product".
type vec [3]float64

const earthRadiusKm = 6371.0088

func (p place) vec() vec {
	lat, lon := p.lat*math.Pi/180, p.lon*math.Pi/180
	return vec{math.Cos(lat) * math.Cos(lon), math.Cos(lat) * math.Sin(lon), math.Sin(lat)}
}

func (v vec) dot(w vec) float64 { return v[0]*w[0] + v[1]*w[1] + v[2]*w[2] }

func (v vec) km(w vec) float64 {
	return earthRadiusKm * math.Acos(max(-1, min(1, v.dot(w))))
}

// snapped maps every place of the source to one of a few thousand labels: the
// places the reduced database knows.
type snapped struct {
	labels []place
	label  []int32 // by place index
}

// snap makes the heaviest place of each neighbourhood a label and gives every
// place to the nearest label of its own country: at most km away.
func snap(places []place, weight []float64, km float64) snapped {
	byCountry := map[string][]int32{}
	for _, id := range heaviestFirst(weight) {
		c := places[id].country
		byCountry[c] = append(byCountry[c], id)
	}
	countries := make([]string, 0, len(byCountry))
	for c := range byCountry {
		countries = append(countries, c)
	}
	slices.Sort(countries)
	s := snapped{label: make([]int32, len(places))}
	for _, c := range countries {
		s.snapCountry(places, byCountry[c], km)
	}
	return s
}

func heaviestFirst(weight []float64) []int32 {
	order := make([]int32, len(weight))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(weight[b], weight[a]) })
	return order
}

func (s *snapped) snapCountry(places []place, ids []int32, km float64) {
	first := len(s.labels)
	var at []vec
	for _, id := range ids {
		v := places[id].vec()
		if _, d := nearest(at, v); d > km {
			at = append(at, v)
			s.labels = append(s.labels, places[id])
		}
	}
	for _, id := range ids {
		i, _ := nearest(at, places[id].vec())
		s.label[id] = int32(first + i)
	}
}

// nearest gives the index of the point nearest to v, the first of equals, and
// the distance in km; -1 and infinity without points.
func nearest(points []vec, v vec) (int, float64) {
	best, bestDot := -1, math.Inf(-1)
	for i, p := range points {
		if d := p.dot(v); d > bestDot {
			best, bestDot = i, d
		}
	}
	if best < 0 {
		return -1, math.Inf(1)
	}
	return best, points[best].km(v)
}
