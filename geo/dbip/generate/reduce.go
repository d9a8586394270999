package main

import (
	"fmt"
	"math"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/steerdns/steerdns/geo/dbip"
)

const (
	databaseType = "DBIP-City-Lite" // one of the names that geoip2 readers take for a City database
	description  = dbip.Attribution + ", CC BY 4.0; reduced to coordinates, country and continent by steerdns"
)

// plan says how far to reduce.
type plan struct {
	maxBytes       int
	snapKm         float64
	share6         float64 // weight of all IPv6 where all IPv4 weighs 1
	wide6          int     // IPv6 networks wider than this prefix length weigh no more than one of it
	countryPenalty float64
}

func defaultPlan() plan {
	return plan{maxBytes: 7_000_000, snapKm: 70, share6: 1, wide6: 46, countryPenalty: 0.25}
}

// reduce finds, by bisection, the lowest price of a node at which the database
// fits in the plan's size.
func reduce(src *source, p plan) ([]byte, string, error) {
	scale4 := 1 / totalWeight(src.v4, weight4)
	sites := weight6(p.wide6)
	scale6 := p.share6 / totalWeight(src.v6, sites)
	weights := make([]float64, len(src.places))
	addWeights(weights, src.v4, weight4, scale4)
	addWeights(weights, src.v6, sites, scale6)
	places := snap(src.places, weights, p.snapKm)
	r := newRegrets(places.labels, p.countryPenalty)
	v4 := buildTrie(src.v4, places.label, r, family{weight: weight4, scale: scale4, widest: 8, fillEmpty: 16})
	v6 := buildTrie(src.v6, places.label, r, family{weight: sites, scale: scale6, widest: 16, fillEmpty: 29})
	var found []byte
	var summary string
	low, high := 1e-12, 1e-3
	for range 20 {
		price := math.Sqrt(low * high)
		data, cost, err := encodeAt(v4, v6, price, places.labels, src.epoch)
		if err != nil || len(data) > p.maxBytes {
			low = price
			continue
		}
		high, found = price, data
		summary = fmt.Sprintf("%d bytes, %d labels, regret and nodes cost %.5f at %.3g a node", len(data), len(places.labels), cost, price)
	}
	if found == nil {
		return nil, "", fmt.Errorf("nothing fits in %d bytes", p.maxBytes)
	}
	return found, summary, nil
}

func encodeAt(v4, v6 trie, price float64, labels []place, epoch uint) ([]byte, float64, error) {
	collapsed4, cost4 := v4.prune(price)
	collapsed6, cost6 := v6.prune(price)
	d := newDAG(1 << 20)
	root := joinFamilies(d, d.add(v4, collapsed4), d.add(v6, collapsed6))
	data, err := encode(d, root, labels, epoch)
	return data, cost4 + cost6, err
}

func totalWeight(networks []network, weight func(uint8) float64) float64 {
	sum := 0.0
	for _, n := range networks {
		sum += weight(n.bits)
	}
	return sum
}

func addWeights(weights []float64, networks []network, weight func(uint8) float64, scale float64) {
	for _, n := range networks {
		weights[n.place] += weight(n.bits) * scale
	}
}

// nowhere4 and nowhere6 are special-purpose blocks (RFC 6890 registries) that
// no merge may locate: private, shared, loopback, link-local, documentation, multicast.
var nowhere4 = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("224.0.0.0/3"),
}

var nowhere6 = []netip.Prefix{
	netip.MustParsePrefix("::/8"), netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("ff00::/8"),
}

// embedded4 are the places of IPv4 in the IPv6 tree: the first is where
// readers start, the others lead to the same nodes (mapped addresses, Teredo
// servers, 6to4).
var embedded4 = []netip.Prefix{
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("::ffff:0:0/96"),
	netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("2002::/16"),
}

func joinFamilies(d *dag, root4, root6 ref) ref {
	for _, p := range nowhere4 {
		root4 = d.graft(root4, p, empty)
	}
	for _, p := range nowhere6 {
		root6 = d.graft(root6, p, empty)
	}
	for _, p := range embedded4 {
		root6 = d.graft(root6, p, root4)
	}
	return root6
}

// replaceFile writes beside path, then renames: readers see the old file or
// the new one.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // a no-op once renamed
	_, err = f.Write(data)
	for _, step := range []func() error{f.Sync, func() error { return f.Chmod(0o644) }, f.Close} {
		if stepErr := step(); err == nil {
			err = stepErr
		}
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
